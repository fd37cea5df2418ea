import type { Queryable } from '../db.ts'
import { addDays, type Calendar, type Day, isoOf, mondayOf } from './days.ts'
import type { Fact } from './fact.ts'
import { createFacts } from './make-fact.ts'
import type { CohortReport } from './report.ts'

/** Weeks of a report. */
const weeksMax = 9

/** Visitors by the week they were first seen in and the channel of their first visit, and the later weeks with a visit. */
const cohortQuery = `with seen as (
    select v.visitor_key, v.first_channel as channel, (v.first_seen at time zone $4::text)::date as first_day,
           (s.started_at at time zone $4::text)::date as day
    from visitors v join sessions s on s.site_id = v.site_id and s.visitor_key = v.visitor_key
    where v.site_id = $1::text and v.first_seen >= $2::timestamptz and v.first_seen < $3::timestamptz
      and s.started_at < $3::timestamptz and not v.is_bot)
  select (date_trunc('week', first_day))::date::text as week, channel,
         ((date_trunc('week', day)::date - date_trunc('week', first_day)::date) / 7)::int as later,
         count(distinct visitor_key)::int as visitors
  from seen group by 1, 2, 3 order by 1, 2, 3`

type Row = { week: string; channel: string; later: number; visitors: number }

/** Weekly cohorts of a site up to a day, each channel and all together. A week that is not over says nothing yet. */
export const makeCohorts = async (
  db: Queryable,
  calendar: Calendar,
  siteId: string,
  lastDay: Day,
): Promise<CohortReport> => {
  const firstWeek = addDays(mondayOf(lastDay), -7 * (weeksMax - 1))
  const [fromMs, toMs] = [calendar.startOf(firstWeek), calendar.endOf(lastDay)]
  const rows = await db.query<Row>(cohortQuery, [siteId, isoOf(fromMs), isoOf(toMs), calendar.timeZone])
  const facts = createFacts({ dims: { site: siteId }, fromMs, toMs, query: cohortQuery })
  const cohorts = new Map<string, { week: Day; channel: string; seen: Map<number, number> }>()
  for (const { week, channel, later, visitors } of rows)
    for (const name of [channel, 'all']) {
      const key = `${week} ${name === 'all' ? '' : name}`
      const cohort = cohorts.get(key) ?? { week, channel: name, seen: new Map<number, number>() }
      cohorts.set(key, cohort)
      cohort.seen.set(later, (cohort.seen.get(later) ?? 0) + visitors)
    }
  /** The last day of the week is in the data. */
  const isOver = (week: Day): boolean => addDays(week, 6) <= lastDay
  return {
    rawSite: siteId,
    rows: [...cohorts]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, { week, channel, seen }]) => {
        const size = seen.get(0) ?? 0
        const dims = { week, channel }
        const returned: (Fact | null)[] = []
        for (let later = 1; addDays(week, 7 * later) <= lastDay; later++)
          returned.push(
            isOver(addDays(week, 7 * later))
              ? facts.share('cohort_returned', seen.get(later) ?? 0, size, { ...dims, order: String(later) })
              : null,
          )
        return { week, channel, size: facts.count('cohort_size', size, dims), returned }
      }),
  }
}
