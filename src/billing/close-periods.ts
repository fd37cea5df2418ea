import type { Clock } from '../clock.ts'
import type { Db, Tx } from '../db.ts'
import type { Log } from '../log.ts'
import { insertOutbox } from '../outbox.ts'
import type { Month } from './calendar.ts'
import { selectDecisions } from './domains.ts'
import { ensurePeriods, type Period, selectPeriods } from './periods.ts'
import type { PlansFile, Terms } from './plans.ts'
import { adviceFor } from './price.ts'
import { type Adjustment, composeStatement, derive, type Issued } from './statement.ts'
import { insertStatement, selectStatements } from './statement-rows.ts'
import { type Covered, selectCovered, selectCoveredUsage, selectEarliest } from './usage.ts'

const hourMs = 3600 * 1000
/** Any number; the same in every process. */
const closingLock = 7_261_030

export type CloseDeps = {
  db: Db
  clock: Clock
  log: Log
  clientId: string
  nodeId: string
  timeZone: string
  plans: PlansFile
  terms: Terms
  /** When all manifests and statements of the other nodes were last read from the backup; null: never. */
  syncedMs: () => number | null
}

/** Months that are looked at for late usage; the spool holds days, an adopted life perhaps a year. */
const correctedMonthsMax = 13

/**
 * Closes the periods whose grace is over, and corrects closed ones for what arrived after that; answers what it issued.
 * Money is computed once per client: by the node with the first name among those that delivered anything. A month is
 * corrected by the node that closed it. One process at a time; a second one has nothing to do.
 */
export const createPeriodCloser = (deps: CloseDeps): (() => Promise<Issued[]>) => {
  // What was covered when a closed month was last compared: it is compared again only when there is more.
  const compared = new Map<Month, string>()
  return () =>
    deps.db.transaction(async (tx) => {
      const lockQuery = 'select pg_try_advisory_xact_lock($1::bigint) as mine'
      const [lock] = await tx.query<{ mine: boolean }>(lockQuery, [closingLock])
      if (!lock?.mine) return []
      const nowMs = deps.clock.now()
      const earliestMs = await selectEarliest(tx)
      await ensurePeriods(tx, { timeZone: deps.timeZone, terms: deps.terms, nowMs, earliestMs })
      const covered = await selectCovered(tx, deps.nodeId)
      const isLeader = (await selectLeader(tx, deps.nodeId)) === deps.nodeId
      const known = await selectStatements(tx)
      const issued: Issued[] = []
      const periods = await selectPeriods(tx)
      for (const [n, period] of periods.entries()) {
        if (nowMs < period.endsMs + period.terms.grace_hours * hourMs) break
        const latest = known.filter((one) => one.statement.month === period.month).at(-1)
        if (latest && (n < periods.length - correctedMonthsMax || compared.get(period.month) === textOf(covered)))
          continue
        if (!latest && !isLeader) continue
        const made = latest
          ? await correct(tx, deps, { covered, known, latest })
          : await close(tx, deps, { covered, known, period })
        if (made === 'wait') break
        compared.set(period.month, textOf(covered))
        if (!made) continue
        issued.push(made)
        known.push(made)
      }
      return issued
    })
}

/** `wait`: what belongs to the period has not all reached the backup. */
const close = async (
  tx: Tx,
  deps: CloseDeps,
  { covered, known, period }: { covered: Covered[]; known: readonly Issued[]; period: Period },
): Promise<Issued | 'wait' | undefined> => {
  const { clientId, nodeId, clock } = deps
  const nowMs = clock.now()
  const usage = await selectCoveredUsage(tx, period, covered, nodeId)
  const pendingEvents = await countPending(
    tx,
    period,
    usage.reduce((sum, row) => sum + row.events, 0),
  )
  const graceEndMs = period.endsMs + period.terms.grace_hours * hourMs
  const isComplete = pendingEvents === 0 && (deps.syncedMs() ?? 0) >= graceEndMs
  if (!isComplete && nowMs < graceEndMs + period.terms.wait_hours * hourMs) return 'wait'
  const made = composeStatement({
    ...{ clientId, nodeId, period, covered, usage, pendingEvents },
    issuedMs: nowMs,
    decisions: await selectDecisions(tx),
    adjustments: uncharged(known),
    corrected: undefined,
    previousSha256: previousSha256(known, nodeId),
    adviceOf: (billed) => adviceFor(deps.plans, period.terms, billed),
  })
  if (!(await insertStatement(tx, made, false))) return undefined
  await announce(tx, deps, 'period.closed', made)
  return made
}

/**
 * What a closed period lacks is added by a revision; the closed one stays as it was issued. Decisions are those of the
 * close: what was not approved then stays free. Charged is the difference, on the next statement.
 */
const correct = async (
  tx: Tx,
  deps: CloseDeps,
  { covered, known, latest }: { covered: Covered[]; known: readonly Issued[]; latest: Issued },
): Promise<Issued | undefined> => {
  const { clientId, nodeId, clock } = deps
  if (latest.statement.node_id !== nodeId) return undefined
  const { decisions, timezone, starts_at, ends_at, terms } = latest.statement
  // The statement's own bounds and terms: a rebuilt database may have guessed the period otherwise.
  const closed: Period = {
    ...{ month: latest.statement.month, timeZone: timezone, terms },
    ...{ startsMs: Date.parse(starts_at), endsMs: Date.parse(ends_at) },
  }
  const usage = await selectCoveredUsage(tx, closed, covered, nodeId)
  const sets = { approved: new Set(decisions.approved), blocked: new Set(decisions.blocked) }
  const now = derive(usage, sets, terms)
  const before = latest.statement
  if (now.usage_sha256 === before.usage_sha256 && now.collected.events === before.collected.events) return undefined
  const made = composeStatement({
    ...{ clientId, nodeId, covered, usage, decisions, period: closed },
    issuedMs: clock.now(),
    pendingEvents: await countPending(tx, closed, now.collected.events),
    adjustments: before.adjustments,
    corrected: latest,
    previousSha256: previousSha256(known, nodeId),
    adviceOf: (billed) => adviceFor(deps.plans, terms, billed),
  })
  if (!(await insertStatement(tx, made, false))) return undefined
  await announce(tx, deps, 'period.adjusted', made)
  return made
}

/** Deltas that no statement has charged, of whatever node: the one that closes may be another than the one that corrects. */
const uncharged = (known: readonly Issued[]): Adjustment[] => {
  const charged = new Set(
    known.flatMap((one) => one.statement.adjustments.map(({ month, revision }) => `${month}.r${revision}`)),
  )
  return known.flatMap(({ statement: { month, revision, delta } }) =>
    delta !== null && !charged.has(`${month}.r${revision}`)
      ? [{ month, revision, amount_micros: delta.amount_micros }]
      : [],
  )
}

const previousSha256 = (known: readonly Issued[], nodeId: string): string | null =>
  known.filter((one) => one.statement.node_id === nodeId).at(-1)?.sha256 ?? null

const textOf = (covered: readonly Covered[]): string =>
  covered.map((one) => `${one.node}/${one.epoch}/${one.through}`).join()

/** The first by name of the nodes that delivered anything, this one included. */
export const selectLeader = async (tx: Tx, nodeId: string): Promise<string> => {
  const rows = await tx.query<{ node: string }>('select distinct node_id as node from node_manifests')
  return [nodeId, ...rows.map((row) => row.node)].sort()[0] ?? nodeId
}

/** Events of the period in the ledger that the covered manifests do not hold. */
const countPending = async (tx: Tx, period: Period, coveredEvents: number): Promise<number> => {
  const [row] = await tx.query<{ events: number }>(
    `select coalesce(sum(events), 0)::bigint as events from client_usage
     where quarter >= to_timestamp($1::float8 / 1000) and quarter < to_timestamp($2::float8 / 1000)`,
    [period.startsMs, period.endsMs],
  )
  return Math.max(0, (row?.events ?? 0) - coveredEvents)
}

/** Manifests named in a webhook; the statement names all. */
const headsNamedMax = 20

const announce = async (
  tx: Tx,
  deps: CloseDeps,
  type: 'period.closed' | 'period.adjusted',
  { statement, sha256 }: Issued,
): Promise<void> => {
  const { month, revision, billable, total_micros, total_usd, delta, supersedes_sha256 } = statement
  deps.log.info({ month, revision, total_usd }, type)
  await insertOutbox(tx, {
    ...{ clientId: deps.clientId, nodeId: deps.nodeId, type, occurredMs: deps.clock.now() },
    key: `${month}/${revision}`,
    data: {
      ...{ month, revision, billable, total_micros, total_usd, delta, statement_sha256: sha256, supersedes_sha256 },
      heads: statement.covered.slice(0, headsNamedMax),
    },
  })
}
