import type { Db, Queryable, Tx } from '../db.ts'
import { shortId } from './clip.ts'
import type { Calendar } from './days.ts'
import { createDeviceReader, type Device } from './device.ts'
import { type DeviceEvent, foldSessions, readOrder } from './fold-sessions.ts'
import { createPageTally } from './page-tally.ts'
import { type EventRow, isUserId, type ReadEvent, readEvent } from './read-event.ts'
import { advanceRun } from './run-rows.ts'
import type { Session } from './session.ts'
import { msOf, type Reach, selectSessionsNear, writeSessions } from './session-rows.ts'
import { createSiteTally } from './site-tally.ts'
import {
  type Login,
  refreshVisitors,
  resolvePersons,
  type TraitRow,
  type VisitorRef,
  writeLogins,
  writeOrders,
  writeTraits,
} from './visitor-rows.ts'

export type ReadOptions = {
  db: Db
  calendar: Calendar
  sessionTimeoutMs: number
  /** Events of days before this are not kept. */
  keepMs: number
  /** Event types that funnels ask for beyond the ones that are always kept. */
  keptTypes: ReadonlySet<string>
  /** Events of one transaction: bounds its time and memory. */
  stepEvents?: number
}
export type Step = { batches: number; events: number; asOfMs: number | null }

/** A step of this size takes a third of a second. Its rows and those of the next one are in memory: some ten megabytes each. */
const stepEventsDefault = 10_000
/** Batches looked at to fill a step: small ones, of single events, come by the thousand. */
const stepBatchesMax = 5_000

/**
 * Reads unread batches once: claims them and writes what they add to sessions, visitors, identities, orders, pages and
 * days, in one transaction, so that each event is counted exactly once whatever is interrupted. The claim's own predicate
 * is `agents_run_id is null`: a batch that commits late is as unread as any other. One reader at a time (see lock.ts).
 */
export const createReader = (options: ReadOptions) => {
  const deviceOf = createDeviceReader()
  let ahead: Promise<Ahead | null> | undefined
  return {
    /** Resolves to null when nothing is unread. */
    step(runId: number): Promise<Step | null> {
      const fetched = ahead
      ahead = undefined
      return options.db.transaction(async (tx) => {
        const claimed = await claim(tx, runId, options.stepEvents ?? stepEventsDefault)
        if (!claimed) return null
        const found = await fetched
        const rows = found && isSame(found.batchIds, claimed.batchIds) ? found.rows : await selectEvents(tx, claimed)
        ahead ??= fetchAhead(options, claimed)
        return readStep(tx, runId, options, deviceOf, claimed, rows)
      })
    },
  }
}

export const countUnread = async (db: Pick<Db, 'query'>): Promise<{ batches: number; events: number }> => {
  const [row] = await db.query<{ batches: number; events: number }>(
    'select count(*) as batches, coalesce(sum(events), 0)::bigint as events from batches where agents_run_id is null',
  )
  return row ?? { batches: 0, events: 0 }
}

type Claimed = { batchIds: number[]; events: number; from: string; to: string; asOfMs: number | null }
type ClaimedRow = { batch_id: number; events: number; stored_at: Date; created: number | null }

/** Unread batches of a step: `$1` events, and `$2` batches of others that are taken already. */
const nextBatches = `select batch_id from (
    select batch_id, events, sum(events) over (order by batch_id) as running
    from (select batch_id, events from batches where agents_run_id is null and batch_id <> all($2::bigint[])
          order by batch_id limit ${stepBatchesMax}) as next
  ) as counted where running - events < $1::bigint`
const claimedColumns = `batch_id, events, stored_at, ${msOf('created_max')} as created`

const claim = async (tx: Tx, runId: number, eventsMax: number): Promise<Claimed | null> =>
  claimedOf(
    await tx.query<ClaimedRow>(
      `update batches set agents_run_id = $3::bigint where agents_run_id is null and batch_id in (${nextBatches})
       returning ${claimedColumns}`,
      [eventsMax, [], runId],
    ),
  )

const claimedOf = (rows: readonly ClaimedRow[]): Claimed | null => {
  if (rows.length === 0) return null
  const stored = rows.map((row) => row.stored_at.getTime())
  const created = rows.flatMap((row) => row.created ?? [])
  return {
    batchIds: rows.map((row) => row.batch_id).sort((a, b) => a - b),
    events: rows.reduce((sum, row) => sum + row.events, 0),
    // A millisecond around them: a Date has no microseconds.
    from: new Date(least(stored) - 1).toISOString(),
    to: new Date(greatest(stored) + 1).toISOString(),
    asOfMs: created.length === 0 ? null : greatest(created),
  }
}

/** Rows of the batches that the next step will most likely claim. */
type Ahead = { batchIds: number[]; rows: EventRow[] }

/**
 * Reads the next step's rows while this one's are worked through: the database and this process are busy at once. Nothing
 * is claimed by it: the step claims as ever, and reads again when it gets other batches. A person who is forgotten
 * meanwhile is removed after all was read, in the same run (see run.ts). Null when it fails: the step will say why.
 */
const fetchAhead = async ({ db, stepEvents }: ReadOptions, { batchIds }: Claimed): Promise<Ahead | null> => {
  try {
    const next = claimedOf(
      await db.query<ClaimedRow>(`select ${claimedColumns} from batches where batch_id in (${nextBatches})`, [
        ...[stepEvents ?? stepEventsDefault, batchIds],
      ]),
    )
    return next && { batchIds: next.batchIds, rows: await selectEvents(db, next) }
  } catch {
    return null
  }
}

const isSame = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((id, index) => id === b[index])

const least = (values: readonly number[]): number => values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
const greatest = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b), 0)

/**
 * The bounds on stored_at let TimescaleDB look into the chunks of these batches only. Put in order here: the database
 * would sort some ten megabytes on its disk.
 */
const selectEvents = async (db: Queryable, { batchIds, from, to }: Claimed): Promise<EventRow[]> => {
  const rows = await db.query<EventRow & { batch_id: number; n: number }>(
    `select batch_id, n, event_id, event_type, session_id, visitor_id, user_id, site_id, ${msOf('"timestamp"')} as happened,
            ${msOf('created_at')} as created, path, user_agent, raw_event_data as raw
     from events_log where batch_id = any($1::bigint[]) and stored_at >= $2::timestamptz and stored_at <= $3::timestamptz`,
    [batchIds, from, to],
  )
  return rows.sort((a, b) => a.batch_id - b.batch_id || a.n - b.n)
}

const selectRefused = (tx: Tx, batchIds: number[]) =>
  tx.query<{ site_id: string; quarter_ms: number; rejected: number; duplicates: number }>(
    `select site_id, ${msOf('quarter')} as quarter_ms, sum(rejected)::int as rejected, sum(duplicates)::int as duplicates
     from batch_sites where batch_id = any($1::bigint[]) and (rejected > 0 or duplicates > 0) group by 1, 2`,
    [batchIds],
  )

const readStep = async (
  tx: Tx,
  runId: number,
  options: ReadOptions,
  deviceOf: (userAgent: string | null) => Device,
  claimed: Claimed,
  rows: readonly EventRow[],
): Promise<Step> => {
  const { calendar, keepMs } = options
  const step = { batches: claimed.batchIds.length, events: claimed.events, asOfMs: claimed.asOfMs }
  const oldestMs = calendar.startOf(calendar.dayOf((claimed.asOfMs ?? Date.parse(claimed.to)) - keepMs))
  const pages = createPageTally()
  const sites = createSiteTally(calendar)
  const events: DeviceEvent[] = []
  for (const row of rows) {
    const event = readEvent(row, oldestMs)
    if (!event) continue
    const device = deviceOf(event.userAgent)
    const day = calendar.dayOf(event.atMs)
    sites.add(event, day)
    pages.add(event, day, device.kind)
    if (event.visitorKey !== null) events.push({ event, device })
  }
  for (const row of await selectRefused(tx, claimed.batchIds))
    sites.addRefused(shortId(row.site_id), calendar.dayOf(row.quarter_ms), row)

  await markKnownOrders(tx, events)
  const { visitors, changed } = await writeVisits(tx, events, options)
  for (const { siteId, startMs } of changed) sites.touch(siteId, calendar.dayOf(startMs))
  await writePeople(tx, events, visitors)
  await pages.write(tx)
  await sites.write(tx)
  if (step.asOfMs !== null) await advanceRun(tx, runId, step.asOfMs)
  return step
}

/** An order whose page is loaded again is no second order: it becomes an event like any other. */
const markKnownOrders = async (tx: Tx, events: { event: ReadEvent }[]): Promise<void> => {
  const purchases = events.filter(({ event }) => event.type === 'purchase' && !event.isBot)
  if (purchases.length === 0) return
  const rows = purchases.map(({ event }) => {
    const { text: orderKey, revenueMicros, currency = null } = readOrder(event)
    const { siteId, visitorKey, atMs } = event
    return { event, siteId, visitorKey: visitorKey ?? '', atMs, orderKey, revenueMicros, currency }
  })
  const fresh = await writeOrders(tx, rows)
  for (const { event, siteId, orderKey } of rows)
    if (!fresh.delete(`${siteId} ${orderKey}`)) event.type = 'purchase_again'
}

/** Folds the events into sessions, visitor by visitor. */
const writeVisits = async (
  tx: Tx,
  events: DeviceEvent[],
  options: ReadOptions,
): Promise<{ visitors: VisitorRef[]; changed: Session[] }> => {
  const visits = new Map<string, { reach: Reach; fresh: DeviceEvent[]; stored: Session[] }>()
  for (const one of events) {
    const { siteId, visitorKey, atMs } = one.event
    const key = `${siteId}\u0000${visitorKey}`
    const known = visits.get(key)
    if (known) {
      known.fresh.push(one)
      known.reach.fromMs = Math.min(known.reach.fromMs, atMs)
      known.reach.toMs = Math.max(known.reach.toMs, atMs)
    } else {
      const reach = { siteId, visitorKey: visitorKey ?? '', fromMs: atMs, toMs: atMs }
      visits.set(key, { reach, fresh: [one], stored: [] })
    }
  }
  const { sessionTimeoutMs: timeoutMs } = options
  const reaches = [...visits.values()].map(({ reach }) => ({
    ...reach,
    fromMs: reach.fromMs - timeoutMs,
    toMs: reach.toMs + timeoutMs,
  }))
  for (const session of await selectSessionsNear(tx, reaches))
    visits.get(`${session.siteId}\u0000${session.visitorKey}`)?.stored.push(session)
  const changed: Session[] = []
  const absorbed: number[] = []
  for (const { fresh, stored } of visits.values()) {
    const folded = foldSessions(stored, fresh, { timeoutMs, kept: options.keptTypes })
    changed.push(...folded.changed)
    absorbed.push(...folded.absorbed)
  }
  await writeSessions(tx, changed, absorbed)
  const visitors = reaches.map(({ siteId, visitorKey }) => ({ siteId, visitorKey }))
  await refreshVisitors(tx, visitors)
  return { visitors, changed }
}

/** Who said who they are. Only an explicit `identify` links a visitor to a user. */
const writePeople = async (tx: Tx, events: { event: ReadEvent }[], visitors: VisitorRef[]): Promise<void> => {
  const logins: Login[] = []
  const traits: TraitRow[] = []
  for (const { event } of events) {
    if (event.type !== 'identify' || event.isBot || !isUserId(event.userId)) continue
    const { siteId, visitorKey, userId, atMs } = event
    if (visitorKey !== null && !visitorKey.startsWith('user:')) logins.push({ siteId, visitorKey, userId, atMs })
    for (const [name, value] of event.traits) traits.push({ userId, name, atMs, value })
  }
  if (logins.length > 0) await writeLogins(tx, logins)
  if (traits.length > 0) await writeTraits(tx, traits)
  await resolvePersons(tx, visitors)
}
