import { once } from 'node:events'
import type { Db, Tx } from '../db.ts'
import { pageviewEventTypes, quarterOf } from '../types.ts'
import type { TrafficEvent } from './events.ts'
import type { TrafficRequest } from './requests.ts'

export type InsertOptions = {
  db: Db
  requests: Iterable<TrafficRequest>
  /** Events of one batch, at least; a request is never divided. */
  batchEvents?: number
  onProgress?: (eventsInserted: number) => void
}
export type InsertReport = { events: number; batches: number }

const batchEventsDefault = 1_000
/** Batches of one transaction. */
const transactionBatches = 20

type Row = { event: TrafficEvent; request: TrafficRequest; createdMs: number; raw: string }
type Batch = { commitKey: string; storedMs: number; bytes: number; rows: Row[] }

/**
 * Writes traffic into the buffer without a collector, as if each event had arrived when it happened: for statistics on
 * a history that no test can wait for. Keeps the tables' contract (events and ledger row in one transaction, one
 * `stored_at` per batch, never running backwards; a batch's commit key is its first request's, so that the same traffic
 * inserted again is refused), but not the collector's privacy rules: user ids stay as sent.
 */
export const insertTraffic = async (options: InsertOptions): Promise<InsertReport> => {
  const report: InsertReport = { events: 0, batches: 0 }
  let pending: Batch[] = []
  const write = async (): Promise<void> => {
    const batches = pending
    pending = []
    if (batches.length === 0) return
    await options.db.transaction((tx) => writeBatches(tx, batches))
    report.batches += batches.length
    report.events += batches.reduce((sum, { rows }) => sum + rows.length, 0)
    options.onProgress?.(report.events)
  }
  for (const batch of batchesOf(options)) {
    pending.push(batch)
    if (pending.length === transactionBatches) await write()
  }
  await write()
  return report
}

const batchesOf = function* ({ requests, batchEvents }: InsertOptions): Generator<Batch, void> {
  let storedMs = 0
  let rows: Row[] = []
  const batch = (): Batch => {
    const bytes = rows.reduce((sum, { raw }) => sum + Buffer.byteLength(raw), 0)
    return { commitKey: rows[0]?.request.key ?? '', storedMs, bytes, rows }
  }
  for (const request of requests) {
    for (const event of request.events) {
      const createdMs = Date.parse(event.timestamp)
      storedMs = Math.max(storedMs, createdMs)
      rows.push({ event, request, createdMs, raw: rawOf(event, request) })
    }
    if (rows.length < (batchEvents ?? batchEventsDefault)) continue
    yield batch()
    rows = []
  }
  if (rows.length > 0) yield batch()
}

/** The event with what it inherits from its envelope, as the collector keeps it. */
const rawOf = (event: TrafficEvent, { siteId, visitorId, sessionId }: TrafficRequest): string =>
  JSON.stringify({ ...event, ...(sessionId && { sessionId }), ...(visitorId && { visitorId }), siteId })

const writeBatches = async (tx: Tx, batches: Batch[]): Promise<void> => {
  const ids = await insertBatches(tx, batches)
  const { stream, done } = tx.copyFrom(
    `copy events_log (batch_id, n, stored_at, event_id, event_type, session_id, visitor_id, user_id, site_id, "timestamp",
       url, path, user_agent, ip_address, raw_event_data, created_at) from stdin`,
  )
  // Awaited below; a failure before that must not count as unhandled.
  done.catch(() => undefined)
  for (const batch of batches) {
    const text = copyText(ids.get(batch.commitKey) ?? 0, batch)
    if (!stream.write(text)) await Promise.race([once(stream, 'drain'), done])
  }
  stream.end()
  await done
  await insertBatchSites(tx, batches, ids)
}

/** The ids of the ledger rows by commit key. */
const insertBatches = async (tx: Tx, batches: Batch[]): Promise<Map<string, number>> => {
  const rows = await tx.query<{ commit_key: string; batch_id: number }>(
    `insert into batches (commit_key, stored_at, events, bytes, created_min, created_max)
     select * from unnest($1::uuid[], $2::timestamptz[], $3::int[], $4::bigint[], $5::timestamptz[], $6::timestamptz[])
     returning commit_key, batch_id`,
    [
      batches.map(({ commitKey }) => commitKey),
      batches.map(({ storedMs }) => isoOf(storedMs)),
      batches.map(({ rows }) => rows.length),
      batches.map(({ bytes }) => bytes),
      batches.map(({ rows }) => isoOf(rows.reduce((min, { createdMs }) => Math.min(min, createdMs), Infinity))),
      batches.map(({ rows }) => isoOf(rows.reduce((max, { createdMs }) => Math.max(max, createdMs), 0))),
    ],
  )
  return new Map(rows.map(({ commit_key, batch_id }) => [commit_key, batch_id]))
}

const insertBatchSites = async (tx: Tx, batches: Batch[], ids: Map<string, number>): Promise<void> => {
  const counts = batches.flatMap((batch) => siteCounts(ids.get(batch.commitKey) ?? 0, batch))
  await tx.execute(
    `insert into batch_sites (batch_id, site_id, quarter, events, pageviews)
     select * from unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::int[], $5::int[])`,
    [
      counts.map(({ batchId }) => batchId),
      counts.map(({ siteId }) => siteId),
      counts.map(({ quarterMs }) => isoOf(quarterMs)),
      counts.map(({ events }) => events),
      counts.map(({ pageviews }) => pageviews),
    ],
  )
}

const siteCounts = (batchId: number, { rows }: Batch) => {
  const counts = new Map<
    string,
    { batchId: number; siteId: string; quarterMs: number; events: number; pageviews: number }
  >()
  for (const { event, request, createdMs } of rows) {
    const quarterMs = quarterOf(createdMs)
    const key = `${request.siteId} ${quarterMs}`
    const count = counts.get(key) ?? { batchId, siteId: request.siteId, quarterMs, events: 0, pageviews: 0 }
    counts.set(key, count)
    count.events++
    if (pageviewEventTypes.includes(event.eventType)) count.pageviews++
  }
  return [...counts.values()]
}

const isoOf = (instantMs: number): string => new Date(instantMs).toISOString()

const copyText = (batchId: number, { storedMs, rows }: Batch): string => {
  const storedAt = isoOf(storedMs)
  let text = ''
  for (const [n, { event, request, raw }] of rows.entries())
    text += `${[
      ...[batchId, n, storedAt, event.eventId, field(event.eventType), field(request.sessionId)],
      ...[field(request.visitorId), field(event.userId), field(request.siteId), event.timestamp, field(event.url)],
      ...[field(event.path), field(request.userAgent), '\\N', field(raw), event.timestamp],
    ].join('\t')}\n`
  return text
}

/** A field of COPY's text format. */
const field = (value: string | null | undefined): string =>
  value === null || value === undefined
    ? '\\N'
    : value.replaceAll('\\', '\\\\').replaceAll('\t', '\\t').replaceAll('\n', '\\n').replaceAll('\r', '\\r')
