import { type Destination, readText } from '../storage/destination.ts'
import { billingPrefix, parseBillingKey, statementKey } from './backup-keys.ts'
import type { Month } from './calendar.ts'
import { usdOfMicros } from './money.ts'
import { type FoundManifest, usageOfManifests } from './read-delivered.ts'
import { derive, type Issued, parseStatement, type Statement } from './statement.ts'
import { statementCsv } from './statement-csv.ts'

export type FoundStatements = { statements: Issued[]; differences: string[] }

/** Reads the statements of all nodes from the backup, with their CSV copies compared. */
export const readStatements = async (backup: Destination): Promise<FoundStatements> => {
  const statements: Issued[] = []
  const differences: string[] = []
  for await (const { key } of backup.list(billingPrefix)) {
    if (parseBillingKey(key)?.kind !== 'statements') continue
    const stream = await backup.read(key)
    if (!stream) continue
    try {
      const issued = parseStatement(await readText(stream), key)
      const { node_id, month, revision } = issued.statement
      if (key !== statementKey(node_id, month, revision, 'json'))
        differences.push(`${key} says it is ${node_id} ${month}.r${revision}.`)
      const csv = await backup.read(key.replace(/\.json$/, '.csv'))
      if (!csv) differences.push(`${key.replace(/\.json$/, '.csv')} is missing.`)
      else if ((await readText(csv)) !== statementCsv(issued.statement))
        differences.push(`${key.replace(/\.json$/, '.csv')} differs from ${key}: one of them was edited.`)
      statements.push(issued)
    } catch (error) {
      differences.push((error as Error).message)
    }
  }
  const order = ({ statement: one }: Issued) => `${one.issued_at} ${one.month} ${String(one.revision).padStart(6, '0')}`
  return { statements: statements.sort((a, b) => (order(a) < order(b) ? -1 : 1)), differences }
}

/**
 * Checks statements against the manifests they cover, and against each other: usage is counted and priced again, and every
 * figure must come out as it was issued; each names the one before it by its hash; a delta is charged once.
 */
export const checkStatements = (
  statements: readonly Issued[],
  manifests: readonly FoundManifest[],
  month: Month | undefined,
): { differences: string[]; pending: string[] } => {
  const differences = checkLinks(statements)
  const pending: string[] = []
  for (const issued of statements) {
    if (month !== undefined && issued.statement.month !== month) continue
    differences.push(...recompute(issued.statement, manifests))
    const isLatest = !statements.some(
      (one) => one.statement.month === issued.statement.month && one.statement.revision > issued.statement.revision,
    )
    if (isLatest) pending.push(...lateUsage(issued.statement, manifests))
  }
  return { differences, pending }
}

const title = (one: Statement): string => `Statement ${one.month}.r${one.revision} of ${one.node_id}`

const recompute = (one: Statement, manifests: readonly FoundManifest[]): string[] => {
  const problems: string[] = []
  const hashes = new Map(manifests.map(({ sha256, manifest }) => [sha256, manifest]))
  for (const { node, epoch, through, sha256 } of one.covered) {
    const head = hashes.get(sha256)
    if (head?.node_id !== node || head.epoch !== epoch || head.part !== through)
      problems.push(
        `${title(one)} covers part ${through} of ${node}/${epoch}, whose manifest is missing or was edited.`,
      )
  }
  const again = derive(usageOfManifests(manifests, rangeOf(one), isCoveredBy(one)), setsOf(one), one.terms)
  for (const field of [
    'collected',
    'nodes',
    'domains',
    'sites',
    'usage_sha256',
    'billable',
    'lines',
    'subtotal_micros',
  ] as const)
    if (JSON.stringify(again[field]) !== JSON.stringify(one[field]))
      problems.push(`${title(one)}: ${field} ${differenceOf(one[field], again[field])}.`)
  const total = one.adjustments.reduce(
    (sum, { amount_micros }) => sum + BigInt(amount_micros),
    BigInt(one.subtotal_micros),
  )
  if (String(total) !== one.total_micros || usdOfMicros(total) !== one.total_usd)
    problems.push(`${title(one)}: its lines add up to ${usdOfMicros(total)}, not ${one.total_usd}.`)
  return problems
}

const rangeOf = (one: Statement) => ({ startsMs: Date.parse(one.starts_at), endsMs: Date.parse(one.ends_at) })
const setsOf = ({ decisions }: Statement) => ({
  approved: new Set(decisions.approved),
  blocked: new Set(decisions.blocked),
})
const isCoveredBy = (one: Statement) => {
  const through = new Map(one.covered.map((each) => [`${each.node}/${each.epoch}`, each.through]))
  return ({ node_id, epoch, part }: { node_id: string; epoch: string; part: number }): boolean =>
    part <= (through.get(`${node_id}/${epoch}`) ?? 0)
}

/** The first entry that differs, of a list; else both values. */
const differenceOf = (stated: unknown, counted: unknown): string => {
  if (!Array.isArray(stated) || !Array.isArray(counted))
    return `is ${JSON.stringify(stated)}, counted again ${JSON.stringify(counted)}`
  const at = stated.findIndex((one, n) => JSON.stringify(one) !== JSON.stringify(counted[n]))
  const n = at < 0 ? stated.length : at
  return `has ${JSON.stringify(stated[n] ?? null)}, counted again ${JSON.stringify(counted[n] ?? null)}`
}

const lateUsage = (one: Statement, manifests: readonly FoundManifest[]): string[] => {
  const isCovered = isCoveredBy(one)
  const late = usageOfManifests(manifests, rangeOf(one), (manifest) => !isCovered(manifest))
  const events = late.reduce((sum, row) => sum + row.events, 0)
  return events === 0
    ? []
    : [`${events} events of ${one.month} were delivered after revision ${one.revision}; they come on the next one.`]
}

/** What is wrong between statements: revisions, the chain of each node, deltas, and months that were closed twice. */
export const checkLinks = (statements: readonly Issued[]): string[] => {
  const problems: string[] = []
  const known = new Map(statements.map((one) => [one.sha256, one.statement]))
  const byName = new Map(statements.map((one) => [`${one.statement.month}.r${one.statement.revision}`, one]))
  const charged = new Set<string>()
  for (const [name, issuers] of issuersByName(statements))
    if (issuers.length > 1)
      problems.push(`Statement ${name} was issued by ${issuers.join(' and by ')}; only one of them may be charged.`)
  for (const { statement: one } of statements) {
    const before = byName.get(`${one.month}.r${one.revision - 1}`)
    if (one.revision > 1 && (!before || before.sha256 !== one.supersedes_sha256))
      problems.push(`${title(one)} supersedes a revision that is missing or was edited.`)
    if (one.previous_statement_sha256 !== null && !known.has(one.previous_statement_sha256))
      problems.push(`${title(one)} follows a statement that is missing or was edited.`)
    if (before && one.delta) {
      const amount = BigInt(one.subtotal_micros) - BigInt(before.statement.subtotal_micros)
      if (String(amount) !== one.delta.amount_micros) problems.push(`${title(one)}: its delta is not the difference.`)
    }
    if (one.revision > 1) continue
    for (const { month, revision, amount_micros } of one.adjustments) {
      const name = `${month}.r${revision}`
      if (charged.has(name)) problems.push(`${title(one)} charges ${name} a second time.`)
      charged.add(name)
      if (byName.get(name)?.statement.delta?.amount_micros !== amount_micros)
        problems.push(
          `${title(one)} charges ${usdOfMicros(BigInt(amount_micros))} for ${name}, which is not its delta.`,
        )
    }
  }
  return problems
}

const issuersByName = (statements: readonly Issued[]): Map<string, string[]> => {
  const issuers = new Map<string, string[]>()
  for (const { statement: one } of statements) {
    const name = `${one.month}.r${one.revision}`
    issuers.set(name, [...(issuers.get(name) ?? []), one.node_id].sort())
  }
  return issuers
}
