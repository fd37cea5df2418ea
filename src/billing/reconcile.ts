import type { Clock } from '../clock.ts'
import type { Db } from '../db.ts'
import type { Destination } from '../storage/destination.ts'
import { addMonths, type Month, monthStart } from './calendar.ts'
import { checkStatements, readStatements } from './check-statements.ts'
import { checkLedger, checkMetered, countUnclaimed } from './ledger-checks.ts'
import { selectPeriod } from './periods.ts'
import { type Delivered, type FoundManifest, readDelivered, usageOfManifests } from './read-delivered.ts'
import { selectStatements } from './statement-rows.ts'
import type { Range } from './usage.ts'

type Counts = { events: number; pageviews: number }
export type Reconciliation = {
  client: string
  month: Month
  /** In the ledger of this node; null where only a bucket was read. */
  received: Counts | null
  /** By the manifests of all nodes, in each place. */
  delivered: Record<string, Counts>
  nodes: ({ node: string } & Counts)[]
  /** What the latest statement of the month bills; null when it is not closed. */
  billed: { revision: number; events: number; pageviews: number; domains: number; total_usd: string } | null
  /** Under way: no difference, but not proven yet. */
  pending: string[]
  differences: string[]
}

export const sumOf = (rows: readonly Counts[]): Counts => ({
  events: rows.reduce((sum, row) => sum + row.events, 0),
  pageviews: rows.reduce((sum, row) => sum + row.pageviews, 0),
})

export type ReconcileDeps = {
  db: Db
  clock: Clock
  destinations: readonly Destination[]
  clientId: string
  nodeId: string
  timeZone: string
}

/**
 * Proves a month: received (ledger) = metered (parts) = delivered (manifests in both destinations, chains and objects
 * checked), per site and quarter, and billed = what the covered manifests say of the approved domains. What is under way
 * is listed as pending. A destination that cannot be read is a difference: nothing was proven of it.
 */
export const reconcile = async (deps: ReconcileDeps, month: Month): Promise<Reconciliation> => {
  const { db, nodeId } = deps
  const range: Range = (await selectPeriod(db, month)) ?? {
    startsMs: monthStart(month, deps.timeZone),
    endsMs: monthStart(addMonths(month, 1), deps.timeZone),
  }
  const report: Reconciliation = {
    ...{ client: deps.clientId, month, received: await selectReceived(db, range), delivered: {}, nodes: [] },
    ...{ billed: null, pending: [], differences: await checkLedger(db, range) },
  }
  const unclaimed = await countUnclaimed(db, range)
  if (unclaimed > 0) report.pending.push(`${unclaimed} events are in no part yet.`)
  for (const destination of deps.destinations) {
    const { name } = destination
    const found = await readSafely(destination, report)
    if (!found) continue
    const metered = await checkMetered(db, name, nodeId, found.manifests, range)
    report.differences.push(...found.differences.map((one) => `${name}: ${one}`), ...metered.differences)
    report.pending.push(...found.pending.map((one) => `${name}: ${one}`), ...metered.pending)
    const usage = usageOfManifests(found.manifests, range)
    report.delivered[name] = sumOf(usage)
    if (name === 'backup') {
      report.nodes = nodesOf(usage)
      await addBilled(deps, report, destination, found.manifests)
    }
  }
  return report
}

const readSafely = async (destination: Destination, report: Reconciliation): Promise<Delivered | undefined> => {
  try {
    return await readDelivered(destination)
  } catch (error) {
    report.differences.push(`${destination.name} cannot be read: ${(error as Error).message}`)
    return undefined
  }
}

export const nodesOf = (usage: readonly ({ node: string } & Counts)[]): Reconciliation['nodes'] =>
  [...new Set(usage.map((one) => one.node))]
    .sort()
    .map((node) => ({ node, ...sumOf(usage.filter((one) => one.node === node)) }))

const addBilled = async (
  deps: ReconcileDeps,
  report: Reconciliation,
  backup: Destination,
  manifests: readonly FoundManifest[],
): Promise<void> => {
  const published = await readStatements(backup)
  const checked = checkStatements(published.statements, manifests, report.month)
  report.differences.push(...[...published.differences, ...checked.differences].map((one) => `backup: ${one}`))
  report.pending.push(...checked.pending)
  const known = new Map(published.statements.map((one) => [nameOf(one.statement), one.sha256]))
  for (const { statement, sha256 } of await selectStatements(deps.db)) {
    const there = known.get(nameOf(statement))
    if (there === undefined) report.pending.push(`Statement ${nameOf(statement)} is not in the backup yet.`)
    else if (there !== sha256)
      report.differences.push(`backup: statement ${nameOf(statement)} is not what was issued; it was edited.`)
  }
  report.billed = billedOf(
    published.statements.map((one) => one.statement),
    report.month,
  )
}

type Named = { node_id: string; month: string; revision: number }
const nameOf = (one: Named): string => `${one.node_id}/${one.month}.r${one.revision}`

export const billedOf = (
  statements: readonly (Named & { billable: Counts & { domains: number }; total_usd: string })[],
  month: Month,
): Reconciliation['billed'] => {
  const latest = statements
    .filter((one) => one.month === month)
    .sort((a, b) => a.revision - b.revision)
    .at(-1)
  return latest ? { revision: latest.revision, ...latest.billable, total_usd: latest.total_usd } : null
}

const selectReceived = async (db: Db, range: Range): Promise<Counts> => {
  const [row] = await db.query<Counts>(
    `select coalesce(sum(events), 0)::bigint as events, coalesce(sum(pageviews), 0)::bigint as pageviews from usage_quarters
     where quarter >= to_timestamp($1::float8 / 1000) and quarter < to_timestamp($2::float8 / 1000)`,
    [range.startsMs, range.endsMs],
  )
  return row ?? { events: 0, pageviews: 0 }
}
