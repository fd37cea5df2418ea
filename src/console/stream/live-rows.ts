import type { Queryable } from '../../db.ts'
import { type Json, parseJson, writeJson } from '../../json.ts'
import type { NewBatch } from './new-batches.ts'

/** Where a row is, and what streams are filtered by. */
export type LiveRow = {
  batchId: number
  n: number
  storedAt: string
  site: string | null
  type: string
  visitor: string | null
}

/** The first rows of these batches. The ledger's times keep TimescaleDB to the chunks they lie in. */
export const selectLiveRows = (db: Queryable, batches: readonly NewBatch[], most: number): Promise<LiveRow[]> =>
  db.query<LiveRow>(
    `select batch_id as "batchId", n, stored_at::text as "storedAt", site_id as site, event_type as type,
            visitor_id as visitor
     from events_log
     where batch_id = any($1::bigint[]) and stored_at >= $2::timestamptz and stored_at <= $3::timestamptz
     order by batch_id, n limit $4::int`,
    [batches.map(({ batchId }) => batchId), ...between(batches), most],
  )

type Row = { batch_id: number; n: number; raw: string } & Record<string, unknown>

/** Rows as they are stored, as JSON texts, without address and user agent; those that have left the buffer are not there. */
export const selectRowTexts = async (db: Queryable, rows: readonly LiveRow[]): Promise<Map<string, string>> => {
  if (rows.length === 0) return new Map()
  const found = await db.query<Row>(
    `select e.batch_id, e.n, event_id, event_type, site_id, visitor_id, session_id, user_id,
            to_char("timestamp" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "timestamp",
            to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as created_at, url, path,
            raw_event_data as raw
     from unnest($1::bigint[], $2::int[]) as w(batch_id, n) join events_log e on e.batch_id = w.batch_id and e.n = w.n
     where e.stored_at >= $3::timestamptz and e.stored_at <= $4::timestamptz`,
    [rows.map(({ batchId }) => batchId), rows.map(({ n }) => n), ...between(rows)],
  )
  return new Map(
    found.map(({ batch_id, n, raw, ...columns }) => [
      placeOf({ batchId: batch_id, n }),
      `${JSON.stringify(columns).slice(0, -1)},"raw_event_data":${withoutSender(raw)}}`,
    ]),
  )
}

export const placeOf = ({ batchId, n }: { batchId: number; n: number }): string => `${batchId}/${n}`

const between = (of: readonly { storedAt: string }[]): [string, string] => {
  const times = of.map(({ storedAt }) => storedAt).sort()
  return [times[0] ?? 'infinity', times.at(-1) ?? '-infinity']
}

/** Keys under which senders put an address or a user agent, at any depth. */
const senderKeys = /^(ip|ips|ip_?address|client_?ip|remote_?addr(ess)?|x_?forwarded_?for|user_?agent(_?data)?|ua)$/i

/** The raw event without them; its numbers keep their digits. */
export const withoutSender = (raw: string): string => {
  const { value, marked } = parseJson(raw)
  return writeJson(strip(value), marked)
}

const strip = (value: Json): Json => {
  if (Array.isArray(value)) return value.map(strip)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, one]) => (senderKeys.test(key) ? [] : [[key, strip(one as Json)]])),
  ) as Json
}
