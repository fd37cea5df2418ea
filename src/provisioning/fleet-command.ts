import { parseArgs } from 'node:util'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import { AppError, messageOf } from '../errors.ts'
import type { Destination } from '../storage/destination.ts'
import { type ListedClient, listClients } from './fleet-list.ts'
import { clientStatus, type NodeStatus } from './fleet-status.ts'

const help = `Usage: evothesis fleet <action> [options]

  list DIR                       Every client below a folder, by its client.yaml.
  status PLACE                   How every machine is, from the backup bucket alone: files, backups, drills, doctor.
  bill PLACE [--month YYYY-MM]   What every client is billed, proven from the manifests in the bucket; default: last month.

  PLACE is s3://bucket[/prefix], with endpoint, region and keys of the BACKUP_S3_ settings, or a folder.

  --json     Prints the answer as JSON.

Exit code: 0 all is well, 1 something wants a look, 2 wrong usage.
`

/** What billing knows to do with a bucket; handed in, because rooms meet in the composition root. */
export type FleetDeps = {
  config: () => Config
  clock: Clock
  stdout: NodeJS.WritableStream
  openBackups(config: Config, place: string): (client: string) => Destination
  findClients(root: Destination): Promise<string[]>
  bill(config: Config, place: string, month: string): Promise<Bill[]>
}
export type Bill = {
  client: string
  month: string
  nodes: { node: string; events: number; pageviews: number }[]
  billed: { revision: number; events: number; pageviews: number; domains: number; total_usd: string } | null
  pending: string[]
  differences: string[]
}

/** `evothesis fleet …`. Resolves to the exit code. */
export const fleetCommand = async (args: string[], deps: FleetDeps): Promise<number> => {
  const { values, positionals } = read(args)
  if (values.help) {
    deps.stdout.write(help)
    return 0
  }
  const [action, place, ...rest] = positionals
  if (place === undefined || rest.length > 0) throw new AppError('usage_invalid', help)
  const show = (value: unknown, text: string, ok: boolean): number => {
    deps.stdout.write(values.json ? `${JSON.stringify(value, null, 2)}\n` : text)
    return ok ? 0 : 1
  }
  if (action === 'list') {
    const clients = listClients(place)
    return show(
      { clients },
      clients.map(listLine).join('') || 'There are none.\n',
      clients.every((one) => !('error' in one) && one.valid),
    )
  }
  if (action === 'status') {
    const nodes = await statusOf(deps, place)
    // A prefix that is misspelt must not look as if all were well.
    if (nodes.length === 0) throw new AppError('not_found', `${place} holds no machine of ours; is the prefix right?`)
    return show(
      { nodes },
      nodes.map(statusLines).join(''),
      nodes.every((one) => one.problems.length === 0),
    )
  }
  if (action === 'bill') {
    const month = values.month ?? lastMonth(deps.clock.now())
    const bills = await deps.bill(deps.config(), place, month)
    return show(
      { month, bills },
      billTable(bills),
      bills.every((one) => one.differences.length === 0),
    )
  }
  throw new AppError('usage_invalid', help)
}

const read = (args: string[]) => {
  try {
    const found = parseArgs({
      args,
      allowPositionals: true,
      options: { month: { type: 'string' }, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    })
    if (found.values.month !== undefined && !/^\d{4}-(0[1-9]|1[0-2])$/.test(found.values.month))
      throw new Error('--month is YYYY-MM.')
    return found
  } catch (error) {
    throw new AppError('usage_invalid', `${messageOf(error)}\n\n${help}`)
  }
}

const lastMonth = (nowMs: number): string => {
  const now = new Date(nowMs)
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1)).toISOString().slice(0, 7)
}

const statusOf = async (
  { config, clock, openBackups, findClients }: FleetDeps,
  place: string,
): Promise<NodeStatus[]> => {
  const open = openBackups(config(), place)
  const root = open('')
  try {
    const nodes: NodeStatus[] = []
    for (const client of await findClients(root)) {
      const backup = open(client)
      try {
        nodes.push(...(await clientStatus(backup, client, clock.now())))
      } finally {
        backup.close()
      }
    }
    return nodes
  } finally {
    root.close()
  }
}

const listLine = (one: ListedClient): string =>
  'error' in one
    ? `${one.folder}: ${one.error}\n`
    : `${one.name.padEnd(24)}${one.node.padEnd(6)}${one.release.padEnd(9)}${one.privacy.padEnd(10)}${one.plan.padEnd(12)}${one.domain}${one.valid ? '' : '  NOT VALID'}\n`

const age = (hours: number | null): string => (hours === null ? 'never' : `${hours} h`)

const statusLines = (one: NodeStatus): string =>
  [
    `${one.problems.length === 0 ? 'ok  ' : 'LOOK'}  ${one.client.padEnd(24)}${one.node.padEnd(6)}files ${age(one.files_hours)}, backup ${age(one.backup_hours)}, drill ${age(one.drill_hours)}, ${one.producer ?? 'unknown version'}`,
    ...one.problems.map((problem) => `      ${problem}`),
    '',
  ].join('\n')

const billTable = (bills: readonly Bill[]): string => {
  const lines = bills.flatMap((one) => [
    `${one.client.padEnd(24)}${one.month}  ${one.billed ? `${one.billed.pageviews.toLocaleString('en')} pageviews, ${one.billed.domains} domains`.padEnd(40) : 'not closed'.padEnd(40)}${one.billed ? `$${one.billed.total_usd}` : ''}`,
    ...one.differences.map((difference) => `    DIFFERS: ${difference}`),
    ...one.pending.map((pending) => `    ${pending}`),
  ])
  const micros = bills.reduce((sum, one) => sum + microsOf(one.billed?.total_usd ?? '0'), 0n)
  return `${[...lines, '', `${bills.length} clients, $${usdOf(micros)} in all.`].join('\n')}\n`
}

/** Dollars as text, with up to six decimals: added up without rounding. */
const microsOf = (usd: string): bigint => {
  const [whole = '0', part = ''] = usd.replace('-', '').split('.')
  const micros = BigInt(whole) * 1_000_000n + BigInt(part.padEnd(6, '0').slice(0, 6))
  return usd.startsWith('-') ? -micros : micros
}
const usdOf = (micros: bigint): string => {
  const [sign, size] = micros < 0n ? ['-', -micros] : ['', micros]
  const part = String(size % 1_000_000n)
    .padStart(6, '0')
    .replace(/0{1,4}$/, '')
  return `${sign}${size / 1_000_000n}.${part}`
}
