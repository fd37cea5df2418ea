import type { Tx } from '../db.ts'
import { clip, fieldOf } from './clip.ts'
import { type Calendar, type Day, isoOf } from './days.ts'
import { type Counts, count, keepLargest, readCounts, writeCounts } from './page-tally.ts'
import type { ReadEvent } from './read-event.ts'
import { msOf } from './session-rows.ts'

/** What the tracking of a site and day looks like; the raw material of the quality verdict. */
export type SiteDay = {
  siteId: string
  day: Day
  events: number
  pageviews: number
  botEvents: number
  /** Arrived more than an hour after they happened. */
  late: number
  /** Their clock was so wrong that the time of arrival stands in. */
  misdated: number
  rejected: number
  duplicates: number
  consents: Counts
  types: Counts
  /** Seconds by which clocks were corrected, in powers of two: `0`, `1`, `2`, `4` … */
  skew: Counts
  hours: Counts
  lastMs: number | null
}

const lateMs = 3_600_000
/** Event types of a site and day that are told apart: anybody can make up types. */
const typesMax = 300

export const createSiteTally = (calendar: Calendar) => {
  const days = new Map<string, SiteDay>()
  const dayOf = (siteId: string, day: Day): SiteDay => {
    const key = `${day} ${siteId}`
    const known = days.get(key)
    if (known) return known
    const fresh: SiteDay = {
      ...{ siteId, day, events: 0, pageviews: 0, botEvents: 0, late: 0, misdated: 0, rejected: 0, duplicates: 0 },
      ...{ consents: new Map(), types: new Map(), skew: new Map(), hours: new Map(), lastMs: null },
    }
    days.set(key, fresh)
    return fresh
  }
  return {
    add(event: ReadEvent, day: Day): void {
      const site = dayOf(event.siteId, day)
      site.events++
      if (event.isBot) {
        site.botEvents++
        return
      }
      if (event.type === 'pageview') site.pageviews++
      if (event.createdMs - event.atMs > lateMs) site.late++
      if (event.isMisdated) site.misdated++
      if (event.skewSeconds !== null) count(site.skew, skewBucket(event.skewSeconds))
      if (event.type === 'consent') count(site.consents, clip(fieldOf(event.data, 'state'), 20) ?? 'unknown')
      if (site.types.has(event.type) || site.types.size < typesMax) count(site.types, event.type)
      count(site.hours, String(calendar.hourOf(event.atMs)))
      site.lastMs = Math.max(site.lastMs ?? 0, event.atMs)
    },
    addRefused(siteId: string, day: Day, refused: { rejected: number; duplicates: number }): void {
      const site = dayOf(siteId, day)
      site.rejected += refused.rejected
      site.duplicates += refused.duplicates
    },
    /** Marks a day whose sessions changed, although no event of it came. */
    touch: (siteId: string, day: Day): void => void dayOf(siteId, day),
    write: (tx: Tx): Promise<void> => writeDays(tx, [...days.values()]),
  }
}

const skewBucket = (seconds: number): string =>
  String(Math.abs(seconds) < 1 ? 0 : 2 ** Math.floor(Math.log2(Math.abs(seconds))))

export type SiteDayRow = {
  site_id: string
  day: string
  events: number
  pageviews: number
  bot_events: number
  late: number
  misdated: number
  rejected: number
  duplicates: number
  consents: string
  types: string
  skew: string
  hours: string
  last_ms: number | null
}
export const siteDayColumns = `site_id, day::text as day, events, pageviews, bot_events, late, misdated, rejected,
  duplicates, consents, types, skew, hours, ${msOf('last_event')} as last_ms`

export const siteDayOf = (row: SiteDayRow): SiteDay => ({
  ...{ siteId: row.site_id, day: row.day, events: row.events, pageviews: row.pageviews, botEvents: row.bot_events },
  ...{ late: row.late, misdated: row.misdated, rejected: row.rejected, duplicates: row.duplicates },
  ...{ consents: readCounts(row.consents), types: readCounts(row.types), skew: readCounts(row.skew) },
  ...{ hours: readCounts(row.hours), lastMs: row.last_ms },
})

const writeDays = async (tx: Tx, fresh: SiteDay[]): Promise<void> => {
  if (fresh.length === 0) return
  const stored = await tx.query<SiteDayRow>(
    `select ${siteDayColumns} from site_days
     where (site_id, day) in (select * from unnest($1::text[], $2::date[])) for update`,
    [fresh.map(({ siteId }) => siteId), fresh.map(({ day }) => day)],
  )
  const known = new Map(stored.map((row) => [`${row.day} ${row.site_id}`, siteDayOf(row)]))
  for (const site of fresh) {
    const before = known.get(`${site.day} ${site.siteId}`)
    if (!before) continue
    for (const name of ['events', 'pageviews', 'botEvents', 'late', 'misdated', 'rejected', 'duplicates'] as const)
      site[name] += before[name]
    for (const name of ['consents', 'types', 'skew', 'hours'] as const)
      for (const [key, by] of before[name]) count(site[name], key, by)
    site.lastMs = Math.max(site.lastMs ?? 0, before.lastMs ?? 0) || null
  }
  await tx.execute(
    `insert into site_days (site_id, day, events, pageviews, bot_events, late, misdated, rejected, duplicates, consents,
                            types, skew, hours, last_event)
     select * from unnest($1::text[], $2::date[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
                          $8::bigint[], $9::bigint[], $10::json[], $11::json[], $12::json[], $13::json[], $14::timestamptz[])
     on conflict (site_id, day) do update set events = excluded.events, pageviews = excluded.pageviews,
       bot_events = excluded.bot_events, late = excluded.late, misdated = excluded.misdated,
       rejected = excluded.rejected, duplicates = excluded.duplicates, consents = excluded.consents,
       types = excluded.types, skew = excluded.skew, hours = excluded.hours, last_event = excluded.last_event,
       is_stale = true`,
    [
      ...[fresh.map((one) => one.siteId), fresh.map((one) => one.day), fresh.map((one) => one.events)],
      ...[fresh.map((one) => one.pageviews), fresh.map((one) => one.botEvents), fresh.map((one) => one.late)],
      ...[fresh.map((one) => one.misdated), fresh.map((one) => one.rejected), fresh.map((one) => one.duplicates)],
      fresh.map((one) => writeCounts(keepLargest(one.consents, 10))),
      fresh.map((one) => writeCounts(keepLargest(one.types, typesMax))),
      ...[fresh.map((one) => writeCounts(one.skew)), fresh.map((one) => writeCounts(one.hours))],
      fresh.map((one) => (one.lastMs === null ? null : isoOf(one.lastMs))),
    ],
  )
}
