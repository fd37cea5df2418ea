import type { Destination } from '../storage/destination.ts'
import { manifestsPrefix } from '../storage/keys.ts'
import { addMonths, type Month, monthStart } from './calendar.ts'
import { checkStatements, readStatements } from './check-statements.ts'
import { readDelivered, usageOfManifests } from './read-delivered.ts'
import { billedOf, nodesOf, type Reconciliation, sumOf } from './reconcile.ts'

/** Clients of one bucket; more is a wrong address. */
const clientsMax = 10_000

/**
 * Prefixes that hold a client each: the place itself when it holds manifests, else the folders in it. Jumps from folder
 * to folder by the order of keys, so that a bucket of millions of objects is not listed.
 */
export const findClients = async (root: Destination): Promise<string[]> => {
  if ((await firstKey(root, manifestsPrefix)) !== undefined) return ['']
  const found: string[] = []
  let after: string | undefined
  while (found.length < clientsMax) {
    const key = await firstKey(root, '', after)
    if (key === undefined) return found
    const [folder = ''] = key.split('/')
    if (key.includes('/') && (await firstKey(root, `${folder}/${manifestsPrefix}`)) !== undefined) found.push(folder)
    // `0` is what follows `/` in the order of keys, so this is behind all that is in the folder.
    after = key.includes('/') ? `${folder}0` : key
  }
  return found
}

const firstKey = async (root: Destination, prefix: string, after?: string): Promise<string | undefined> => {
  for await (const { key } of root.list(prefix, after)) return key
  return undefined
}

/**
 * Proves a month of one client from its backup alone, all nodes together: chains, objects, sums, and every statement
 * counted and priced again from the manifests. The months of a statement are its own; a month without one is counted in
 * UTC, and has no price, because plan and time zone stand on statements.
 */
export const reconcileBucket = async (backup: Destination, month: Month): Promise<Reconciliation> => {
  const { manifests, differences, pending } = await readDelivered(backup)
  const published = await readStatements(backup)
  const checked = checkStatements(published.statements, manifests, month)
  const own = published.statements.map((one) => one.statement)
  const closed = own.find((one) => one.month === month)
  const range = closed
    ? { startsMs: Date.parse(closed.starts_at), endsMs: Date.parse(closed.ends_at) }
    : { startsMs: monthStart(month, 'UTC'), endsMs: monthStart(addMonths(month, 1), 'UTC') }
  const usage = usageOfManifests(manifests, range)
  const clients = [...new Set([...manifests.map((one) => one.manifest.client_id), ...own.map((one) => one.client_id)])]
  return {
    ...{ client: clients[0] ?? '', month, received: null },
    ...{ delivered: { backup: sumOf(usage) }, nodes: nodesOf(usage), billed: billedOf(own, month) },
    pending: [...pending, ...checked.pending, ...(closed ? [] : [`${month} has no statement yet; counted in UTC.`])],
    differences: [
      ...differences,
      ...published.differences,
      ...checked.differences,
      ...(clients.length > 1 ? [`The prefix holds files of several clients: ${clients.join(', ')}.`] : []),
    ],
  }
}
