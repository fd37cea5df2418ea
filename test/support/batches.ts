import { randomUUID } from 'node:crypto'
import type { Db, Tx } from '../../src/db.ts'

export type TestEvent = {
  event_id?: string
  event_type?: string
  site_id?: string | null
  visitor_id?: string | null
  session_id?: string | null
  user_id?: string | null
  timestamp?: string
  created_at?: string
  url?: string | null
  path?: string | null
  user_agent?: string | null
  ip_address?: string | null
  raw_event_data?: string
}

/** When a batch was stored that retention may drop: TimescaleDB lets go of whole chunks, and only of past ones. */
export const longAgo = '2026-11-01T00:00:00Z'

const quarterMs = 15 * 60 * 1000

/** Writes one batch as the collector does: ledger row, events, counts per site and quarter. */
export const insertBatch = (db: Db, events: readonly TestEvent[], storedAt?: string): Promise<number> =>
  db.transaction((tx) => insertBatchIn(tx, events, storedAt))

export const insertBatchIn = async (tx: Tx, events: readonly TestEvent[], storedAt?: string): Promise<number> => {
  const rows = events.map((event, n) => {
    const created = event.created_at ?? '2026-11-20T17:30:00.000000Z'
    return {
      n,
      event_id: event.event_id ?? randomUUID(),
      event_type: event.event_type ?? 'pageview',
      site_id: event.site_id === undefined ? 'shop.example.com' : event.site_id,
      visitor_id: event.visitor_id ?? null,
      session_id: event.session_id ?? null,
      user_id: event.user_id ?? null,
      timestamp: event.timestamp ?? created,
      created_at: created,
      url: event.url ?? null,
      path: event.path ?? null,
      user_agent: event.user_agent ?? null,
      ip_address: event.ip_address ?? null,
      raw_event_data: event.raw_event_data ?? '{}',
    }
  })
  const [batch] = await tx.query<{ batch_id: number }>(
    `insert into batches (commit_key, events, bytes, created_min, created_max, stored_at)
     values (gen_random_uuid(), $1::int, $2::bigint, $3::timestamptz, $4::timestamptz, coalesce($5::timestamptz, now()))
     returning batch_id`,
    [
      rows.length,
      rows.reduce((sum, row) => sum + Buffer.byteLength(row.raw_event_data), 0),
      rows.map((row) => row.created_at).sort()[0] ?? null,
      rows
        .map((row) => row.created_at)
        .sort()
        .at(-1) ?? null,
      storedAt ?? null,
    ],
  )
  const batchId = batch?.batch_id ?? 0
  await tx.execute(
    `insert into events_log (batch_id, n, stored_at, event_id, event_type, session_id, visitor_id, user_id, site_id,
       "timestamp", url, path, user_agent, ip_address, raw_event_data, created_at)
     select $1::bigint, n, (select stored_at from batches where batch_id = $1::bigint), event_id, event_type, session_id,
       visitor_id, user_id, site_id, "timestamp", url, path, user_agent, ip_address, raw_event_data::json, created_at
     from jsonb_to_recordset($2::jsonb) as e(n int, event_id uuid, event_type text, session_id text, visitor_id text,
       user_id text, site_id text, "timestamp" timestamptz, url text, path text, user_agent text, ip_address text,
       raw_event_data text, created_at timestamptz)`,
    [batchId, JSON.stringify(rows)],
  )
  const counts = new Map<string, { site_id: string; quarter: string; events: number; pageviews: number }>()
  for (const row of rows) {
    const quarter = new Date(Math.floor(Date.parse(row.created_at) / quarterMs) * quarterMs).toISOString()
    const key = `${row.site_id ?? ''} ${quarter}`
    const count = counts.get(key) ?? { site_id: row.site_id ?? '', quarter, events: 0, pageviews: 0 }
    count.events++
    if (row.event_type === 'pageview' || row.event_type === 'page_view') count.pageviews++
    counts.set(key, count)
  }
  await tx.execute(
    `insert into batch_sites (batch_id, site_id, quarter, events, pageviews)
     select $1::bigint, site_id, quarter, events, pageviews
     from jsonb_to_recordset($2::jsonb) as c(site_id text, quarter timestamptz, events int, pageviews int)`,
    [batchId, JSON.stringify([...counts.values()])],
  )
  return batchId
}

/** As if the agents had read everything: rows that they have not read stay in the buffer. */
export const markRead = (db: Pick<Db, 'execute'>): Promise<number> =>
  db.execute('update batches set agents_run_id = 0 where agents_run_id is null')
