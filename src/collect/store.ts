import type { Clock } from '../clock.ts'
import type { Db, Tx } from '../db.ts'
import { AppError } from '../errors.ts'
import type { Log } from '../log.ts'
import { classifyDatabaseFault, sqlStateOf } from '../sqlstate.ts'
import { quarterOf } from '../types.ts'
import { mergeReceipts, settleReceipts } from './claim-receipts.ts'
import { copyRows } from './copy-in.ts'
import { rawOf } from './copy-line.ts'
import { faultFields } from './fault-fields.ts'
import type { Group, Outcome, Reject, Row, Submission, Unit } from './group.ts'
import type { Observer } from './metrics.ts'
import { createNameUuid } from './name-uuid.ts'
import {
  insertRejects,
  type LedgerCounts,
  openBatch,
  type SiteCounts,
  updateBatchCounts,
  updateBatchSites,
} from './statements.ts'

export type Store = {
  /**
   * Commits a group and answers what became of each submission, in order. A group whose key was committed before is not
   * stored again. Rows that the database refuses as data are found by halving and become rejects; their neighbours
   * are stored. Throws what means that the database is away.
   */
  store(group: Group, options: { spooled: boolean }): Promise<Outcome[]>
}

type Commit = {
  batchId: number
  events: number
  bytes: number
  duplicates: Set<Unit>
  reused: number
  rejects: readonly Reject[]
}
type RefusedRow = { unit: Unit; row: Row; reason: string }

export const createStore = (deps: { db: Db; log: Log; clock: Clock; observer?: Observer }): Store => {
  const { db, log, clock } = deps

  const store = async (group: Group, options: { spooled: boolean }): Promise<Outcome[]> => {
    try {
      return outcomesOf(group, await commit(group, options.spooled, []))
    } catch (error) {
      if (classifyDatabaseFault(error) !== 'data') throw error
      log.warn(
        { ...faultFields(error), requests: group.submissions.length },
        'the database refused data; looking for the culprit',
      )
    }
    if (group.submissions.length === 1) return storeWithoutCulprits(group, options.spooled)
    const middle = group.submissions.length >> 1
    const before = await store(half(group, 0, middle), options)
    return [...before, ...(await store(half(group, middle), options))]
  }

  /** A request is committed as a whole, less its refused rows: they are found first, in transactions that roll back. */
  const storeWithoutCulprits = async (group: Group, spooled: boolean): Promise<Outcome[]> => {
    const rows = group.submissions.flatMap(({ units }) =>
      units.flatMap((unit) => unit.rows.map((row) => ({ unit, row }))),
    )
    const refused = await findRefused(rows)
    if (refused.length === 0) throw new AppError('internal', 'The database refused a group but none of its rows.')
    const gone = new Set(refused.map(({ row }) => row))
    const submissions = group.submissions.map((submission) => ({
      ...submission,
      units: submission.units.map((unit) => ({ ...unit, rows: unit.rows.filter((row) => !gone.has(row)) })),
    }))
    const rejects = refused.map(({ row, reason }) => rejectOf(row, reason))
    const rest = { commitKey: group.commitKey, submissions }
    const [outcome] = outcomesOf(rest, await commit(rest, spooled, rejects))
    return [{ duplicates: outcome?.duplicates ?? [], refused: rejects }]
  }

  const findRefused = async (rows: readonly { unit: Unit; row: Row }[]): Promise<RefusedRow[]> => {
    const reason = await tryCopy(rows.map(({ row }) => row))
    if (reason === undefined) return []
    if (rows.length === 1) return rows.map((one) => ({ ...one, reason }))
    const middle = rows.length >> 1
    return [...(await findRefused(rows.slice(0, middle))), ...(await findRefused(rows.slice(middle)))]
  }

  /** Why the database refuses these rows, or undefined when it would take them. Nothing is stored. */
  const tryCopy = async (rows: readonly Row[]): Promise<string | undefined> => {
    try {
      await db.transaction(async (tx) => {
        await copyRows(tx, { batchId: 0, storedAt: 'now' }, rows)
        throw new Rehearsal()
      })
    } catch (error) {
      if (error instanceof Rehearsal) return undefined
      if (classifyDatabaseFault(error) === 'data') return `The database refused it (SQLSTATE ${sqlStateOf(error)}).`
      throw error
    }
    return undefined
  }

  const commit = async (group: Group, spooled: boolean, refused: readonly Reject[]): Promise<Commit | undefined> => {
    const startedMs = clock.now()
    const committed = await db.transaction((tx) => write(tx, group, spooled, refused))
    if (!committed) return undefined
    const { batchId, events, bytes, reused } = committed
    let duplicates = 0
    for (const unit of committed.duplicates) duplicates += unit.rows.length
    const rejects = committed.rejects.map((reject) => reject.code)
    deps.observer?.committed({ events, duplicates, rejects, seconds: (clock.now() - startedMs) / 1000, spooled })
    log.info(
      {
        ...{ batch: batchId, events, requests: group.submissions.length, bytes, spooled },
        ...{ duplicates, reused_keys: reused, rejected: rejects.length },
      },
      `bulk inserted ${events} events`,
    )
    return committed
  }
  return { store }
}

/** Rolls a rehearsed COPY back. */
class Rehearsal extends Error {}

/**
 * One transaction, in the order that the invariants rest on: ledger row, receipts, rows. Counts go in with the ledger row and
 * are set right when some of the group turns out to be stored already.
 */
const write = async (
  tx: Tx,
  group: Group,
  spooled: boolean,
  refused: readonly Reject[],
): Promise<Commit | undefined> => {
  const all = group.submissions.flatMap((submission) => submission.units.map((unit) => ({ submission, unit })))
  const claims = mergeReceipts(all.map(({ unit }) => unit))
  const expected = countsOf(all)
  const expectedSites = siteCountsOf(all, none, refused)
  const batch = await openBatch(tx, { commitKey: group.commitKey, spooled }, expected, claims.receipts, expectedSites)
  if (!batch) return undefined

  const { duplicates, reused } = await settleReceipts(tx, claims, batch.fresh)
  const fresh = duplicates.size === 0 ? all : all.filter(({ unit }) => !duplicates.has(unit))
  const rows = fresh.flatMap(({ unit }) => unit.rows)
  if (rows.length > 0) await copyRows(tx, batch, rows)

  const counts = duplicates.size === 0 ? expected : countsOf(fresh)
  if (duplicates.size > 0) {
    await updateBatchCounts(tx, batch.batchId, counts)
    await updateBatchSites(tx, batch.batchId, siteCountsOf(all, duplicates, refused))
  }
  const rejects = rejectsOf(fresh, refused)
  if (rejects.length > 0) await insertRejects(tx, batch.batchId, rejects)
  return { batchId: batch.batchId, events: counts.events, bytes: counts.bytes, duplicates, reused, rejects }
}

type Placed = { submission: Submission; unit: Unit }

const none: ReadonlySet<Unit> = new Set()

const countsOf = (placed: readonly Placed[]): LedgerCounts => {
  const counts = { events: 0, bytes: 0, createdMinMs: Number.POSITIVE_INFINITY, createdMaxMs: Number.NEGATIVE_INFINITY }
  for (const { submission, unit } of placed) {
    if (unit.rows.length === 0) continue
    counts.events += unit.rows.length
    for (const row of unit.rows) counts.bytes += row.bytes
    counts.createdMinMs = Math.min(counts.createdMinMs, submission.createdMs)
    counts.createdMaxMs = Math.max(counts.createdMaxMs, submission.createdMs)
  }
  return counts
}

const siteCountsOf = (
  placed: readonly Placed[],
  duplicates: ReadonlySet<Unit>,
  refused: readonly Reject[],
): SiteCounts[] => {
  const sites = new Map<string, SiteCounts>()
  const countsAt = (siteId: string, createdMs: number): SiteCounts => {
    const quarterMs = quarterOf(createdMs)
    const key = `${quarterMs} ${siteId}`
    let counts = sites.get(key)
    if (!counts) {
      counts = { siteId, quarterMs, events: 0, pageviews: 0, rejected: 0, duplicates: 0 }
      sites.set(key, counts)
    }
    return counts
  }
  for (const { submission, unit } of placed) {
    const isDuplicate = duplicates.has(unit)
    for (const row of unit.rows) {
      const counts = countsAt(row.siteId, submission.createdMs)
      if (isDuplicate) counts.duplicates++
      else counts.events++
      if (row.pageview && !isDuplicate) counts.pageviews++
    }
    for (const reject of unit.rejects) countsAt(reject.siteId, submission.createdMs).rejected += isDuplicate ? 0 : 1
  }
  const createdMs = placed[0]?.submission.createdMs
  if (createdMs !== undefined) for (const reject of refused) countsAt(reject.siteId, createdMs).rejected++
  return [...sites.values()]
}

const rejectsOf = (placed: readonly Placed[], refused: readonly Reject[]) => {
  const createdMs = placed[0]?.submission.createdMs ?? 0
  return [
    ...placed.flatMap(({ submission, unit }) =>
      unit.rejects.map((reject) => ({ ...reject, createdMs: submission.createdMs })),
    ),
    ...refused.map((reject) => ({ ...reject, createdMs })),
  ]
}

const rejectOf = (row: Row, reason: string): Reject => ({
  ...{ index: row.index, siteId: row.siteId, code: 'row_refused', message: reason, payload: rawOf(row.line) },
})

/** The key of a half derives from its group's, so that a replay, which halves the same way, finds what was stored. */
const half = (group: Group, from: number, to?: number): Group => ({
  commitKey: createNameUuid(group.commitKey)(from === 0 ? 'first half' : 'second half'),
  submissions: group.submissions.slice(from, to),
})

/** Of a group that was committed before it is only known that it was: its submissions count as stored. */
const outcomesOf = (group: Group, committed: Commit | undefined): Outcome[] =>
  group.submissions.map(({ units }) => ({
    duplicates: units.map((unit) => committed?.duplicates.has(unit) ?? false),
    refused: [],
  }))
