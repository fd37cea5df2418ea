import type { Queryable } from '../db.ts'
import type { Channel } from './channel.ts'
import { isoOf } from './days.ts'
import type { DeviceKind } from './device.ts'
import type { Act } from './session.ts'
import { msOf, readTrail } from './session-rows.ts'
import { spendingOf } from './spending.ts'

/** A stored session as reports read it. */
export type Visit = {
  id: number
  visitorKey: string
  personKey: string
  startMs: number
  endMs: number
  /** The visitor's first one. */
  isNew: boolean
  channel: Channel
  source: string | null
  campaign: string | null
  device: DeviceKind
  browser: string | null
  os: string | null
  language: string | null
  entryPath: string | null
  exitPath: string | null
  pageviews: number
  engagedMs: number
  orders: number
  /** Orders whose worth is in `revenueMicros`. */
  paidOrders: number
  revenueMicros: number
  acts: Act[]
  /** Of all its page loads: events that were sent, as far as can be told, and those that arrived. */
  sent: number
  arrived: number
}

type Row = {
  session_id: number
  visitor_key: string
  person_key: string
  started: number
  ended: number
  is_new: boolean
  channel: Channel
  source: string | null
  campaign: string | null
  device: DeviceKind
  browser: string | null
  os: string | null
  language: string | null
  entry_path: string | null
  exit_path: string | null
  pageviews: number
  engaged_ms: number
  orders: number
  trail: string
  pages: string
}

const columns = `s.session_id, s.visitor_key, s.person_key, ${msOf('s.started_at')} as started, ${msOf('s.ended_at')} as ended,
  (v.first_seen = s.started_at and v.past_sessions = 0) as is_new, s.channel, s.source, s.campaign, s.device, s.browser, s.os,
  s.language, s.entry_path, s.exit_path, s.pageviews, s.engaged_ms, s.orders, s.trail, s.pages`

/** What figures about sessions are read with; named on each of them. Known bots are no visits. */
export const visitsQuery = `select ${columns}
  from sessions s join visitors v on v.site_id = s.site_id and v.visitor_key = s.visitor_key
  where s.site_id = $1::text and s.started_at >= $2::timestamptz and s.started_at < $3::timestamptz and not s.is_bot`

const visitOf = (row: Row, currency: string | undefined): Visit => {
  const acts = readTrail(row.trail, row.started)
  let sent = 0
  let arrived = 0
  if (row.pages !== '[]')
    for (const [, highest, lowest, seen] of JSON.parse(row.pages) as [string, number, number, number][]) {
      sent += highest - lowest + 1
      arrived += Math.min(seen, highest - lowest + 1)
    }
  return {
    id: row.session_id,
    visitorKey: row.visitor_key,
    personKey: row.person_key,
    startMs: row.started,
    endMs: row.ended,
    isNew: row.is_new,
    channel: row.channel,
    source: row.source,
    campaign: row.campaign,
    device: row.device,
    browser: row.browser,
    os: row.os,
    language: row.language,
    entryPath: row.entry_path,
    exitPath: row.exit_path,
    pageviews: row.pageviews,
    engagedMs: row.engaged_ms,
    orders: row.orders,
    ...(row.orders === 0 ? { paidOrders: 0, revenueMicros: 0 } : spendingOf(acts, currency)),
    acts,
    sent,
    arrived,
  }
}

/** Visits of a page of results: bounds the memory, and how long others wait while they are looked at. */
const pageRows = 1_000
export type Range = { siteId: string; fromMs: number; toMs: number; currency?: string | undefined }

/** Visits that began in a range, in the order of their beginning. */
export const readVisits = async function* (db: Queryable, range: Range): AsyncGenerator<Visit, void> {
  let after: [string, number] | null = null
  for (;;) {
    const rows: (Row & { at: string })[] = await db.query<Row & { at: string }>(
      `select * from (${visitsQuery.replace('select ', 'select s.started_at::text as at, ')}
         and ($4::timestamptz is null or (s.started_at, s.session_id) > ($4::timestamptz, $5::bigint))
       order by s.started_at, s.session_id limit ${pageRows}) as q`,
      [range.siteId, isoOf(range.fromMs), isoOf(range.toMs), after?.[0] ?? null, after?.[1] ?? null],
    )
    for (const row of rows) yield visitOf(row, range.currency)
    const last = rows.at(-1)
    if (!last || rows.length < pageRows) return
    after = [last.at, last.session_id]
  }
}

/** All visits of one person on a site within the range, in the order of time. */
export type PersonVisits = { personKey: string; visits: Visit[] }
/** Of one person; a machine that comes more often than this is no person. */
const visitsOfPersonMax = 1_000

/** Persons with visits in a range, one after the other. */
export const readPersons = async function* (db: Queryable, range: Range): AsyncGenerator<PersonVisits, void> {
  let after: [string, string, number] | null = null
  let person: PersonVisits | undefined
  for (;;) {
    const rows: (Row & { at: string })[] = await db.query<Row & { at: string }>(
      `select * from (${visitsQuery.replace('select ', 'select s.started_at::text as at, ')}
         and ($4::text is null or (s.person_key, s.started_at, s.session_id) > ($4::text, $5::timestamptz, $6::bigint))
       order by s.person_key, s.started_at, s.session_id limit ${pageRows}) as q`,
      [range.siteId, isoOf(range.fromMs), isoOf(range.toMs), ...(after ?? [null, null, null])],
    )
    for (const row of rows) {
      if (person?.personKey !== row.person_key) {
        if (person) yield person
        person = { personKey: row.person_key, visits: [] }
      }
      if (person.visits.length < visitsOfPersonMax) person.visits.push(visitOf(row, range.currency))
    }
    const last = rows.at(-1)
    if (!last || rows.length < pageRows) break
    after = [last.person_key, last.at, last.session_id]
  }
  if (person) yield person
}

/** Visits of some persons on a site that began before a moment, by person. */
export const selectVisitsOf = async (
  db: Queryable,
  range: Range,
  personKeys: readonly string[],
): Promise<Map<string, Visit[]>> => {
  const byPerson = new Map<string, Visit[]>()
  if (personKeys.length === 0) return byPerson
  const rows = await db.query<Row>(
    `${visitsQuery} and s.person_key = any($4::text[]) order by s.person_key, s.started_at, s.session_id`,
    [range.siteId, isoOf(range.fromMs), isoOf(range.toMs), personKeys],
  )
  for (const row of rows) {
    const visits = byPerson.get(row.person_key) ?? []
    byPerson.set(row.person_key, visits)
    if (visits.length < visitsOfPersonMax) visits.push(visitOf(row, range.currency))
  }
  return byPerson
}
