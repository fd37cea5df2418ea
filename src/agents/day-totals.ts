import type { Queryable } from '../db.ts'
import type { DayFigures } from './day-figures.ts'
import { addDays, type Day, dayMs, daysBetween } from './days.ts'
import type { Fact } from './fact.ts'
import type { Compared, FactMaker } from './make-fact.ts'
import type { DayReport, QualityVerdict } from './report.ts'
import { median, quantileOfSorted } from './statistics/quantiles.ts'
import { type Range, selectVisitsOf, type Visit } from './visits.ts'

/** What a day's report says of its site in a few numbers; later days compare with it. */
export type DayTotalsRow = {
  sessions: number
  visitors: number
  newVisitors: number
  orders: number
  /** Orders whose worth is in `revenueMicros`. */
  paidOrders: number
  /** Who ordered, and who paid such an order, counted up to ten. */
  ordering: number
  paying: number
  revenueMicros: number
  converted: number
  /** Funnels of which somebody got beyond the first step. */
  usedFunnels?: string[]
  sent: number
  arrived: number
  /** The quality verdict, and whether the day was over. */
  level: QualityVerdict['level']
  isComplete: boolean
}
/** Totals as they are stored. A day of an earlier version that was not counted anew lacks its people: they are told of nobody. */
export const readTotals = (text: string): DayTotalsRow => {
  const totals = JSON.parse(text) as DayTotalsRow
  return { ...{ paidOrders: totals.orders, ordering: 0, paying: 0 }, ...totals }
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

export type EarlierDays = {
  /** The four same weekdays before, without days that were not over and those whose tracking was not in order. */
  sameWeekday: DayTotalsRow[]
  /** Funnels that were used in the four weeks before. */
  usedFunnels: ReadonlySet<string>
}

const weeks = 4

/** What a day is compared with. */
export const selectEarlier = async (db: Queryable, siteId: string, day: Day): Promise<EarlierDays> => {
  const rows = await db.query<{ day: string; totals: string }>(
    `select day::text as day, totals from site_days
     where site_id = $1::text and day >= $2::date and day < $3::date and totals is not null order by day`,
    [siteId, addDays(day, -7 * weeks), day],
  )
  const days = rows.map((row) => ({ day: row.day, totals: readTotals(row.totals) }))
  return {
    sameWeekday: days
      .filter((one) => daysBetween(one.day, day) % 7 === 0)
      .map(({ totals }) => totals)
      .filter(({ level, isComplete }) => level !== 'red' && isComplete),
    usedFunnels: new Set(days.flatMap(({ totals }) => totals.usedFunnels ?? [])),
  }
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
  const { sessions, visitors, newVisitors, orders, paidOrders, ordering, paying, revenueMicros, converted } = totals
  const { pageviews, bounces } = figures.totals()
  const usual = (
    value: (row: DayTotalsRow) => number,
    people: (row: DayTotalsRow) => number = (row) => row.visitors,
    grain?: number,
  ): Compared | undefined => {
    if (before.length < weekdaysToCompareMin) return undefined
    const days = before.map(value)
    // The median is the value of the day in the middle, or of two: it is about as many people as the smaller of them.
    const middle = [...before]
      .sort((a, b) => value(a) - value(b))
      .slice(Math.ceil(before.length / 2) - 1, Math.floor(before.length / 2) + 1)
    const basis = 'median of the same weekday'
    return { value: median(days) ?? 0, n: Math.min(...middle.map(people)), basis, days, ...(grain && { grain }) }
  }
  /** What an order brought on those days, else today: the size of a case of revenue. */
  const [paid, micros] = [...before, ...(before.some((row) => row.revenueMicros > 0) ? [] : [totals])].reduce(
    ([some, sum], row) => [some + row.paidOrders, sum + row.revenueMicros],
    [0, 0],
  )
  const usualRate = usual((row) => (row.sessions === 0 ? 0 : row.converted / row.sessions))
  const share = before.reduce(({ part, of }, row) => ({ part: part + row.converted, of: of + row.sessions }), {
    part: 0,
    of: 0,
  })
  const taken = Float64Array.from(journeys.map(({ seconds }) => seconds)).sort()
  const seconds = (metric: 'journey_seconds' | 'journey_seconds_p90', share: number): Fact =>
    facts.fact(metric, quantileOfSorted(taken, share), {
      ...{ unit: 'seconds', n: taken.length, people: ordering, method: 'quantile_type_7' },
    })
  return {
    events: facts.count('events', counted.events),
    pageviews: facts.count('pageviews', counted.pageviews),
    sessions: facts.count('sessions', sessions, {}, { compare: usual((row) => row.sessions) }),
    visitors: facts.count('visitors', visitors, {}, { compare: usual((row) => row.visitors) }),
    newVisitors: facts.count(
      'new_visitors',
      newVisitors,
      {},
      {
        compare: usual(
          (row) => row.newVisitors,
          (row) => row.newVisitors,
        ),
      },
    ),
    returningVisitors: facts.count('returning_visitors', visitors - newVisitors),
    orders: facts.count(
      'orders',
      orders,
      {},
      {
        people: ordering,
        compare: usual(
          (row) => row.orders,
          (row) => row.ordering,
        ),
      },
    ),
    revenue: facts.money(
      'revenue',
      revenueMicros,
      paidOrders,
      {},
      {
        people: paying,
        compare: usual(
          (row) => row.revenueMicros / 1e6,
          (row) => row.paying,
          micros / 1e6 / Math.max(1, paid),
        ),
      },
    ),
    conversionRate: facts.share(
      'conversion_rate',
      converted,
      sessions,
      {},
      { compare: usualRate && { ...usualRate, share } },
    ),
    // Orders in another currency, or without an amount, are worth nothing here: they are no part of the average, either.
    averageOrderValue: facts.money(
      'average_order_value',
      paidOrders === 0 ? null : revenueMicros / paidOrders,
      paidOrders,
      {},
      { people: paying },
    ),
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
      ...{ n: journeys.length, people: ordering, method: 'quantile_type_7' },
    }),
  }
}
