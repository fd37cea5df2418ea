import type { Queryable } from '../db.ts'
import { AppError } from '../errors.ts'
import { type Calendar, type Day, isoOf } from './days.ts'
import { createDirectlyFollows, type DirectlyFollows } from './directly-follows.ts'
import type { CustomerProfile, DropoffAlert } from './report.ts'
import { msOf, readTrail } from './session-rows.ts'
import { readVisits } from './visits.ts'

/** A page of rows, and where the next one begins; null at the end. */
export type Page<T> = { rows: T[]; next: string | null }
export type PageOptions = { after: string | undefined; limit: number }

const cursorOf = (parts: readonly (string | number)[]): string =>
  Buffer.from(JSON.stringify(parts)).toString('base64url')

/** Throws `request_invalid` for what is no cursor of ours. */
const readCursor = (cursor: string | undefined): [string, string] | null => {
  if (cursor === undefined) return null
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (Array.isArray(parts) && parts.length === 2 && !Number.isNaN(Date.parse(String(parts[0]))))
      return [String(parts[0]), String(parts[1])]
  } catch {
    // Told below.
  }
  throw new AppError('request_invalid', 'after must be the `next` of an earlier answer.')
}

export type SessionSummary = {
  session: string
  site: string
  person: string
  from: string
  to: string
  channel: string
  source: string | null
  device: string
  pageviews: number
  orders: number
  acts: { at: string; type: string; text?: string }[]
}

/** Sessions of a site, of a person, or all, newest first, each with what was done in it. */
export const selectSessions = async (
  db: Queryable,
  filter: { site: string | undefined; person: string | undefined } & PageOptions,
): Promise<Page<SessionSummary>> => {
  const after = readCursor(filter.after)
  if (after && !/^\d{1,18}$/.test(after[1]))
    throw new AppError('request_invalid', 'after must be the `next` of an earlier answer.')
  const rows = await db.query<{
    session_id: number
    site_id: string
    person_key: string
    at: string
    started: number
    ended: number
    channel: string
    source: string | null
    device: string
    pageviews: number
    orders: number
    trail: string
  }>(
    `select session_id, site_id, person_key, started_at::text as at, ${msOf('started_at')} as started,
            ${msOf('ended_at')} as ended, channel, source, device, pageviews, orders, trail
     from sessions
     where ($1::text is null or site_id = $1::text) and ($2::text is null or person_key = $2::text)
       and ($3::timestamptz is null or (started_at, session_id) < ($3::timestamptz, $4::bigint)) and not is_bot
     order by started_at desc, session_id desc limit $5::int`,
    [filter.site ?? null, filter.person ?? null, after?.[0] ?? null, after?.[1] ?? null, filter.limit],
  )
  const last = rows.at(-1)
  return {
    rows: rows.map((row) => ({
      ...{ session: `s_${row.session_id}`, site: row.site_id, person: row.person_key, from: isoOf(row.started) },
      ...{ to: isoOf(row.ended), channel: row.channel, source: row.source, device: row.device },
      ...{ pageviews: row.pageviews, orders: row.orders },
      acts: readTrail(row.trail, row.started).map(({ atMs, type, text }) => ({
        ...{ at: isoOf(atMs), type },
        ...(text !== undefined && { text }),
      })),
    })),
    next: last && rows.length === filter.limit ? cursorOf([last.at, last.session_id]) : null,
  }
}

/** Profiles of customers, those seen last first. */
export const selectCustomerPage = async (
  db: Queryable,
  { after: cursor, limit }: PageOptions,
): Promise<Page<CustomerProfile>> => {
  const after = readCursor(cursor)
  const rows = await db.query<{ body: string; key: string; last_seen: string }>(
    `select body, key, body ->> 'lastSeen' as last_seen from reports
     where kind = 'customer' and ($1::text is null or (body ->> 'lastSeen', key) < ($1::text, $2::text))
     order by body ->> 'lastSeen' desc, key desc limit $3::int`,
    [after?.[0] ?? null, after?.[1] ?? null, limit],
  )
  const last = rows.at(-1)
  return {
    rows: rows.map(({ body }) => JSON.parse(body) as CustomerProfile),
    next: last && rows.length === limit ? cursorOf([last.last_seen, last.key]) : null,
  }
}

export const selectCustomer = async (db: Queryable, key: string): Promise<CustomerProfile | null> => {
  const [row] = await db.query<{ body: string }>(
    `select body from reports where kind = 'customer' and site_id = '' and key = $1::text`,
    [key],
  )
  return row ? (JSON.parse(row.body) as CustomerProfile) : null
}

export const selectAlertPage = async (
  db: Queryable,
  { state, limit }: { state: 'open' | 'closed' | undefined; limit: number },
): Promise<DropoffAlert[]> => {
  const rows = await db.query<{ body: string }>(
    `select body from dropoff_alerts where ($1::text is null or state = $1::text)
     order by changed_at desc, alert_id limit $2::int`,
    [state ?? null, limit],
  )
  return rows.map(({ body }) => JSON.parse(body) as DropoffAlert)
}

const journeysShown = 100

/** Which page followed which on a site, between two local days, both included: edges, starts, ends and whole ways. */
export const readJourneys = async (
  db: Queryable,
  calendar: Calendar,
  { site, from, to }: { site: string; from: Day; to: Day },
): Promise<DirectlyFollows> => {
  const graph = createDirectlyFollows()
  for await (const { acts } of readVisits(db, {
    siteId: site,
    fromMs: calendar.startOf(from),
    toMs: calendar.endOf(to),
  }))
    graph.add(
      acts.flatMap(({ type, text, atMs }) =>
        type === 'pageview' && text !== undefined ? [{ label: text, atMs }] : [],
      ),
    )
  return graph.result(journeysShown)
}
