import type { Tx } from '../db.ts'
import type { Channel } from './channel.ts'
import { copyRows } from './copy-rows.ts'
import { isoOf } from './days.ts'
import type { DeviceKind } from './device.ts'
import { type Act, ordersOf, type PageSeqs, pathAt, type Session, stageOf } from './session.ts'

type Row = {
  session_id: number
  site_id: string
  visitor_key: string
  started: number
  ended: number
  user_id: string | null
  events: number
  pageviews: number
  engaged_ms: number
  channel: Channel
  source: string | null
  campaign: string | null
  landed: number | null
  device: DeviceKind
  browser: string | null
  os: string | null
  language: string | null
  is_bot: boolean
  trail: string
  pages: string
}

/** Milliseconds since 1970 of a timestamptz, exact to the microsecond and rounded to the millisecond. */
export const msOf = (column: string): string => `round(extract(epoch from ${column}) * 1000)::float8`

const sessionColumns = `s.session_id, s.site_id, s.visitor_key, ${msOf('s.started_at')} as started,
  ${msOf('s.ended_at')} as ended, s.user_id, s.events, s.pageviews, s.engaged_ms, s.channel, s.source, s.campaign,
  ${msOf('s.landed_at')} as landed, s.device, s.browser, s.os, s.language, s.is_bot, s.trail, s.pages`

/** What a visitor's new events may reach. */
export type Reach = { siteId: string; visitorKey: string; fromMs: number; toMs: number }

/**
 * Stored sessions that touch the reach of their visitor. Looked up visitor by visitor (a subquery with `offset 0` is never
 * made a join): the planner would read the whole table for some hundred of them, again in each step.
 */
export const selectSessionsNear = async (tx: Tx, reaches: readonly Reach[]): Promise<Session[]> => {
  const rows = await tx.query<Row>(
    `select ${sessionColumns}
     from unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[]) as w(site_id, visitor_key, from_at, to_at)
     cross join lateral (
       select * from sessions s where s.site_id = w.site_id and s.visitor_key = w.visitor_key
         and s.started_at <= w.to_at and s.ended_at >= w.from_at offset 0) as s`,
    [
      reaches.map(({ siteId }) => siteId),
      reaches.map(({ visitorKey }) => visitorKey),
      reaches.map(({ fromMs }) => isoOf(fromMs)),
      reaches.map(({ toMs }) => isoOf(toMs)),
    ],
  )
  return rows.map(sessionOfRow)
}

const sessionOfRow = (row: Row): Session => ({
  ...{ id: row.session_id, siteId: row.site_id, visitorKey: row.visitor_key, startMs: row.started, endMs: row.ended },
  ...{ userId: row.user_id, userAtMs: row.user_id === null ? 0 : row.ended, events: row.events },
  ...{ pageviews: row.pageviews, engagedMs: row.engaged_ms, channel: row.channel, source: row.source },
  ...{ campaign: row.campaign, landedMs: row.landed, device: row.device, browser: row.browser, os: row.os },
  ...{
    language: row.language,
    isBot: row.is_bot,
    acts: readTrail(row.trail, row.started),
    pages: readPages(row.pages),
  },
})

type TrailItem = [offsetMs: number, type: string, text?: string | null, revenueMicros?: number, currency?: string]

/** The acts of a stored trail. */
export const readTrail = (trail: string, startMs: number): Act[] =>
  (JSON.parse(trail) as TrailItem[]).map(([offsetMs, type, text, revenueMicros, currency]) => ({
    ...{ atMs: startMs + offsetMs, type },
    ...(text !== undefined && text !== null && { text }),
    ...(revenueMicros !== undefined && { revenueMicros }),
    ...(currency !== undefined && { currency }),
  }))

const writeTrail = (acts: readonly Act[], startMs: number): string =>
  JSON.stringify(
    acts.map(({ atMs, type, text, revenueMicros, currency }) => {
      const item: TrailItem = [atMs - startMs, type]
      if (text !== undefined || revenueMicros !== undefined) item.push(text ?? null)
      if (revenueMicros !== undefined) item.push(revenueMicros)
      if (currency !== undefined) item.push(currency)
      return item
    }),
  )

const readPages = (text: string): PageSeqs =>
  new Map(
    (JSON.parse(text) as [string, number, number, number][]).map(([pageId, highest, lowest, seen]) => [
      pageId,
      { highest, lowest, seen },
    ]),
  )
const writePages = (pages: PageSeqs): string =>
  JSON.stringify([...pages].map(([pageId, { highest, lowest, seen }]) => [pageId, highest, lowest, seen]))

/** Names that a COPY of sessions fills, in order. */
const columns = [
  ...['session_id', 'site_id', 'visitor_key', 'person_key', 'started_at', 'ended_at', 'user_id', 'events', 'pageviews'],
  ...[
    'engaged_ms',
    'orders',
    'revenue_micros',
    'stage',
    'channel',
    'source',
    'campaign',
    'landed_at',
    'device',
    'browser',
    'os',
  ],
  ...['language', 'entry_path', 'exit_path', 'is_bot', 'trail', 'pages'],
]

/** The person behind a visitor who never said who they are. */
export const strangerKey = (siteId: string, visitorKey: string): string =>
  visitorKey.startsWith('user:') ? visitorKey : `visitor:${siteId}:${visitorKey}`

/** Writes changed sessions anew, and removes those that are part of another now. Gives new ones their id. */
export const writeSessions = async (
  tx: Tx,
  changed: readonly Session[],
  absorbed: readonly number[],
): Promise<void> => {
  const old = [...changed.flatMap(({ id }) => (id === null ? [] : [id])), ...absorbed]
  if (old.length > 0) await tx.execute('delete from sessions where session_id = any($1::bigint[])', [old])
  const fresh = changed.filter(({ id }) => id === null)
  if (fresh.length > 0) {
    const ids = await tx.query<{ id: number }>(
      `select nextval(pg_get_serial_sequence('sessions', 'session_id')) as id from generate_series(1, $1::int)`,
      [fresh.length],
    )
    for (const [index, session] of fresh.entries()) session.id = ids[index]?.id ?? null
  }
  const rows = changed.map((session) => {
    const orders = ordersOf(session.acts)
    const revenue = orders.reduce((sum, { revenueMicros = 0 }) => sum + revenueMicros, 0)
    return [
      ...[session.id, session.siteId, session.visitorKey, strangerKey(session.siteId, session.visitorKey)],
      ...[isoOf(session.startMs), isoOf(session.endMs), session.userId, session.events, session.pageviews],
      ...[
        session.engagedMs,
        orders.length,
        revenue,
        stageOf(session.acts),
        session.channel,
        session.source,
        session.campaign,
      ],
      ...[session.landedMs === null ? null : isoOf(session.landedMs), session.device, session.browser, session.os],
      ...[session.language, pathAt(session.acts, 'first'), pathAt(session.acts, 'last'), session.isBot],
      ...[writeTrail(session.acts, session.startMs), writePages(session.pages)],
    ]
  })
  await copyRows(tx, 'sessions', columns, rows)
}
