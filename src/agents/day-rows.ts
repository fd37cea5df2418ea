import type { Db, Queryable, Tx } from '../db.ts'
import type { MadeDay } from './day-report.ts'
import { addDays, type Calendar, type Day } from './days.ts'
import { definitionOf, type FunnelFile } from './funnel-file.ts'
import { insightsOf } from './insights.ts'
import { writeReport } from './report-rows.ts'

export type SiteDayRef = { siteId: string; day: Day }

/** Days are counted anew as far back as alerts look. */
const recountDays = 42

/**
 * Marks days whose report does not hold any more: those that were not over when it was made and are now, those whose
 * funnels were counted by another definition, and those of an earlier version, which counted no people. A site that was there lately has a row for each day, also for one on which
 * nothing came: that is what its report has to say.
 */
export const markStaleDays = async (
  db: Queryable,
  calendar: Calendar,
  asOfMs: number,
  file: FunnelFile,
): Promise<void> => {
  const today = calendar.dayOf(asOfMs)
  await db.execute(
    `insert into site_days (site_id, day)
     select s.site_id, d.day::date from (select site_id, max(day) as last from site_days where events > 0 group by 1) as s
     cross join lateral generate_series(s.last + 1, least(s.last + 7, $1::date - 1), interval '1 day') as d(day)
     on conflict do nothing`,
    [today],
  )
  await db.execute(
    `update site_days set is_stale = true where not is_stale and day < $1::date and totals ->> 'isComplete' = 'false'`,
    [today],
  )
  await db.execute(
    `update site_days set is_stale = true where not is_stale and totals is not null and totals ->> 'paying' is null`,
  )
  // Events that left the buffer unread, on a full disk: their days are not judged.
  await db.execute(
    `insert into site_days (site_id, day)
     select distinct site_id, (quarter at time zone $1::text)::date from unread_events on conflict do nothing`,
    [calendar.timeZone],
  )
  await db.execute(
    `update site_days s set is_stale = true
     where not is_stale and totals ->> 'level' <> 'red' and exists (
       select from unread_events u
       where u.site_id = s.site_id and (u.quarter at time zone $1::text)::date = s.day and u.events > 0)`,
    [calendar.timeZone],
  )
  const definitions = file.funnels
    .filter(({ counts }) => counts === 'sessions')
    .map((one) => `${one.id} ${definitionOf(one)}`)
  await db.execute(
    `update site_days s set is_stale = true
     where not is_stale and day >= $1::date and exists (
       select from funnel_days f where f.site_id = s.site_id and f.day = s.day
         and f.funnel_id || ' ' || f.definition <> all($2::text[]))`,
    [addDays(today, -recountDays), definitions],
  )
}

/** Sites that are reported of a day, those with most events: anybody can make up sites. */
export const sitesMax = 100

export const selectStaleDays = async (db: Queryable): Promise<SiteDayRef[]> => {
  const rows = await db.query<{ site_id: string; day: string }>(
    `select site_id, day::text as day
     from (select site_id, day, is_stale, row_number() over (partition by day order by events desc, site_id) as place
           from site_days where day in (select day from site_days where is_stale)) as s
     where is_stale and place <= $1::int order by s.day, site_id`,
    [sitesMax],
  )
  return rows.map(({ site_id, day }) => ({ siteId: site_id, day }))
}

/** Stores what was made of a day. Resolves to whether the report says something new. */
export const writeDay = (db: Db, { siteId, day }: SiteDayRef, made: MadeDay, runId: number): Promise<boolean> =>
  db.transaction(async (tx) => {
    const isNew = await writeReport(tx, { kind: 'day', siteId, key: day, day }, made.report, runId)
    await writeFunnelDays(tx, { siteId, day }, made)
    const insights = insightsOf(made.report)
    for (const insight of insights)
      await writeReport(tx, { kind: 'insight', siteId, key: insight.id, day }, insight, runId)
    await tx.execute(
      `delete from reports where kind = 'insight' and site_id = $1::text and day = $2::date and key <> all($3::text[])`,
      [siteId, day, insights.map(({ id }) => id)],
    )
    await tx.execute(
      'update site_days set is_stale = false, totals = $3::json where site_id = $1::text and day = $2::date',
      [siteId, day, JSON.stringify(made.totals)],
    )
    return isNew
  })

const writeFunnelDays = async (tx: Tx, { siteId, day }: SiteDayRef, { cells }: MadeDay): Promise<void> => {
  await tx.execute(
    'delete from funnel_days where site_id = $1::text and day = $2::date and funnel_id <> all($3::text[])',
    [siteId, day, cells.map(({ funnel }) => funnel.id)],
  )
  for (const { funnel, definition, rows } of cells)
    await tx.execute(
      `insert into funnel_days (site_id, funnel_id, day, definition, cells)
       values ($1::text, $2::text, $3::date, $4::text, $5::json)
       on conflict (site_id, funnel_id, day) do update set definition = excluded.definition, cells = excluded.cells`,
      [siteId, funnel.id, day, definition, JSON.stringify(rows)],
    )
}

/** The currency most of a site's orders are in. */
export const selectCurrencies = async (db: Queryable): Promise<Map<string, string>> => {
  const rows = await db.query<{ site_id: string; currency: string }>(
    `select distinct on (site_id) site_id, currency
     from (select site_id, currency, count(*) as orders from orders where currency is not null group by 1, 2) as c
     order by site_id, orders desc, currency`,
  )
  return new Map(rows.map(({ site_id, currency }) => [site_id, currency]))
}
