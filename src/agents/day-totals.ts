import type { Queryable } from '../db.ts'
import type { DayFigures } from './day-figures.ts'
import { addDays, type Day, dayMs } from './days.ts'
import type { Fact } from './fact.ts'
import type { FactMaker } from './make-fact.ts'
import type { DayReport, QualityVerdict } from './report.ts'
import { median, quantileOfSorted } from './statistics/quantiles.ts'
import { type Range, selectVisitsOf, type Visit } from './visits.ts'

/** What a day's report says of its site in a few numbers; later days compare with it. */
export type DayTotalsRow = {
  sessions: number
  visitors: number
  newVisitors: number
  orders: number
  revenueMicros: number
  converted: number
  sent: number
  arrived: number
  /** The quality verdict, and whether the day was over. */
  level: QualityVerdict['level']
  isComplete: boolean
}
type Journey = { seconds: number; sessions: number }

/** From the first visit within the lookback to the order, of each visit with an order. */
export const readJourneys = async (
  db: Queryable,
  buyers: readonly Visit[],
  range: Range,
  lookbackDays: number,
): Promise<Journey[]> => {
  const earlier = await selectVisitsOf(db, { ...range, fromMs: range.fromMs - lookbackDays * dayMs }, [
    ...new Set(buyers.map(({ personKey }) => personKey)),
  ])
  return buyers.map((buyer) => {
    const orderMs = buyer.acts.find(({ type }) => type === 'purchase')?.atMs ?? buyer.endMs
    const before = (earlier.get(buyer.personKey) ?? []).filter(
      ({ startMs }) => startMs <= buyer.startMs && startMs >= orderMs - lookbackDays * dayMs,
    )
    return { seconds: (orderMs - (before[0]?.startMs ?? buyer.startMs)) / 1000, sessions: Math.max(1, before.length) }
  })
}

/** Totals of the four same weekdays before. */
export const selectTotals = async (db: Queryable, siteId: string, day: Day): Promise<DayTotalsRow[]> => {
  const days = [7, 14, 21, 28].map((back) => addDays(day, -back))
  const rows = await db.query<{ totals: string }>(
    `select totals from site_days where site_id = $1::text and day = any($2::date[]) and totals is not null order by day`,
    [siteId, days],
  )
  return rows.map(({ totals }) => JSON.parse(totals) as DayTotalsRow)
}

const weekdaysToCompareMin = 2

export const dayTotals = (
  facts: FactMaker,
  totals: DayTotalsRow,
  figures: DayFigures,
  journeys: readonly Journey[],
  before: readonly DayTotalsRow[],
  counted: { events: number; pageviews: number },
): DayReport['totals'] => {
  const { sessions, visitors, newVisitors, orders, revenueMicros, converted } = totals
  const { pageviews, bounces } = figures.totals()
  const usual = (value: (row: DayTotalsRow) => number) => {
    if (before.length < weekdaysToCompareMin) return undefined
    return { value: median(before.map(value)) ?? 0, n: before.length, basis: 'median of the same weekday' }
  }
  const taken = Float64Array.from(journeys.map(({ seconds }) => seconds)).sort()
  const seconds = (metric: 'journey_seconds' | 'journey_seconds_p90', share: number): Fact =>
    facts.fact(metric, quantileOfSorted(taken, share), {
      ...{ unit: 'seconds', n: taken.length, method: 'quantile_type_7' },
    })
  return {
    events: facts.count('events', counted.events),
    pageviews: facts.count('pageviews', counted.pageviews),
    sessions: facts.count(
      'sessions',
      sessions,
      {},
      usual((row) => row.sessions),
    ),
    visitors: facts.count(
      'visitors',
      visitors,
      {},
      usual((row) => row.visitors),
    ),
    newVisitors: facts.count(
      'new_visitors',
      newVisitors,
      {},
      usual((row) => row.newVisitors),
    ),
    returningVisitors: facts.count('returning_visitors', visitors - newVisitors),
    orders: facts.count(
      'orders',
      orders,
      {},
      usual((row) => row.orders),
    ),
    revenue: facts.money('revenue', revenueMicros, orders, {}, { compare: usual((row) => row.revenueMicros / 1e6) }),
    conversionRate: facts.share(
      'conversion_rate',
      converted,
      sessions,
      {},
      {
        compare: usual((row) => (row.sessions === 0 ? 0 : row.converted / row.sessions)),
      },
    ),
    averageOrderValue: facts.money('average_order_value', orders === 0 ? null : revenueMicros / orders, orders),
    engagedSeconds: facts.fact('engaged_seconds', figures.engagedMedian(), {
      ...{ unit: 'seconds', n: sessions, method: 'quantile_type_7' },
    }),
    bounceShare: facts.share('bounce_share', bounces, sessions),
    pagesPerSession: facts.fact('pages_per_session', sessions === 0 ? null : pageviews / sessions, {
      ...{ unit: 'ratio', n: sessions, method: 'mean' },
    }),
    journeySeconds: seconds('journey_seconds', 0.5),
    journeySecondsP90: seconds('journey_seconds_p90', 0.9),
    journeySessions: facts.fact('journey_sessions', median(journeys.map((one) => one.sessions)), {
      ...{ n: journeys.length, method: 'quantile_type_7' },
    }),
  }
}
