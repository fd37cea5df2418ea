import type { Queryable } from '../db.ts'
import { addDays, type Calendar, type Day, dayMs } from './days.ts'
import type { Fact, FactDims } from './fact.ts'
import { definitionOf, type Funnel, type FunnelFile, isForSite } from './funnel-file.ts'
import {
  addProgress,
  createFunnelCells,
  createFunnelTally,
  type FunnelCell,
  type FunnelTally,
  isUsed,
  summarizeFunnel,
} from './funnel-tally.ts'
import { judgeQuality, selectHistory, selectUnread } from './judge-quality.ts'
import { createFacts, type FactMaker } from './make-fact.ts'
import { createMatcher, type Matcher } from './match-funnel.ts'
import { compare, createPathTally, largest } from './paths.ts'
import type { BreakdownRow, CountRow, DayReport, DropoffPoint, FunnelSummary, QualityVerdict } from './report.ts'
import type { Act } from './session.ts'
import { median, quantileOfSorted } from './statistics/quantiles.ts'
import { type Range, readVisits, selectVisitsOf, type Visit, visitsQuery } from './visits.ts'

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
export type MadeDay = {
  report: DayReport
  totals: DayTotalsRow
  cells: { funnel: Funnel; definition: string; rows: FunnelCell[] }[]
}

export type DayOptions = {
  db: Queryable
  calendar: Calendar
  file: FunnelFile
  siteId: string
  day: Day
  asOfMs: number
  currency: string | undefined
}

const breakdownRowsMax = 10
const searchesMax = 10
const slowPagesMax = 10
const measurementsMin = 10
const dropoffsMax = 5

/** Reads one day of a site and writes its report. The day's visits are those that began in it. */
export const makeDay = async (options: DayOptions): Promise<MadeDay> => {
  const { db, calendar, file, siteId, day, asOfMs } = options
  const range = { siteId, fromMs: calendar.startOf(day), toMs: calendar.endOf(day), currency: options.currency }
  const facts = createFacts({ ...range, dims: { site: siteId, day }, query: visitsQuery })
  const funnels = file.funnels.filter((funnel) => isForSite(funnel, siteId)).map((funnel) => createDayFunnel(funnel))
  const figures = createDayFigures()
  const paths = createPathTally()
  const byVisitor = new Map<string, Act[]>()
  for await (const visit of readVisits(db, range)) {
    figures.add(visit)
    paths.add(visit)
    const hour = calendar.hourOf(visit.startMs)
    for (const funnel of funnels) funnel.addVisit(visit, hour)
    const acts = byVisitor.get(visit.visitorKey)
    if (acts) acts.push(...visit.acts)
    else byVisitor.set(visit.visitorKey, [...visit.acts])
  }
  for (const acts of byVisitor.values()) for (const funnel of funnels) funnel.addVisitor(acts)
  const history = await selectHistory(db, siteId, day)
  const isComplete = asOfMs >= range.toMs
  const counted = { ...figures.totals(), visitors: byVisitor.size }
  const quality = judgeQuality({
    ...{ facts, siteId, day, isComplete, history, calendar, asOfMs, sent: counted.sent, arrived: counted.arrived },
    unread: await selectUnread(db, siteId, calendar, day),
  })
  const totals: DayTotalsRow = {
    ...{ sessions: counted.sessions, visitors: counted.visitors, newVisitors: counted.newVisitors },
    ...{ orders: counted.orders, revenueMicros: counted.revenueMicros, converted: counted.converted },
    ...{ sent: counted.sent, arrived: counted.arrived, level: quality.level, isComplete },
  }
  const journeys = await readJourneys(db, figures.converted(), range, file.attribution.lookback_days)
  const summaries = funnels.filter(({ tally }) => isUsed(tally)).map((one) => one.summary(facts, siteId))
  const site = history.find((one) => one.day === day)
  const before = await selectTotals(db, siteId, day)
  return {
    totals,
    cells: funnels.flatMap(({ funnel, cells }) =>
      funnel.counts === 'sessions' ? [{ funnel, definition: definitionOf(funnel), rows: cells.rows() }] : [],
    ),
    report: {
      ...{ rawSite: siteId, day, window: facts.window, isComplete, previousDay: null, nextDay: null, quality },
      totals: dayTotals(facts, totals, figures, journeys, before, {
        events: (site?.events ?? 0) - (site?.botEvents ?? 0),
        pageviews: site?.pageviews ?? 0,
      }),
      funnels: summaries,
      topDropoffs: topDropoffs(summaries),
      ...figures.breakdowns(facts),
      searches: figures.searches(facts),
      slowPages: await readSlowPages(db, facts, siteId, day),
      friction: figures.friction(facts),
      paths: paths.graph(facts),
      alertIds: [],
    },
  }
}

const createDayFunnel = (funnel: Funnel) => {
  const matcher: Matcher = createMatcher(funnel)
  const tally: FunnelTally = createFunnelTally(funnel)
  const cells = createFunnelCells(funnel.steps.length)
  return {
    funnel,
    tally,
    cells,
    addVisit(visit: Visit, hour: number): void {
      if (funnel.counts !== 'sessions') return
      const progress = matcher(visit.acts)
      addProgress(tally, progress)
      cells.add(hour, visit.device, visit.channel, visit.isNew ? 'new' : 'returning', progress.length)
    },
    /** Of one day: how far a visitor came on it. */
    addVisitor(acts: readonly Act[]): void {
      if (funnel.counts === 'visitors') addProgress(tally, matcher(acts))
    },
    summary: (facts: FactMaker, siteId: string): FunnelSummary => summarizeFunnel(funnel, tally, facts, siteId),
  }
}

type Sum = { sessions: number; converted: number; revenueMicros: number }
const dimensions = {
  channels: [(visit: Visit) => visit.channel, (channel: string) => ({ channel })],
  sources: [(visit: Visit) => visit.source, (source: string) => ({ source })],
  campaigns: [(visit: Visit) => visit.campaign, (campaign: string) => ({ campaign })],
  devices: [(visit: Visit) => visit.device, (device: string) => ({ device })],
  browsers: [(visit: Visit) => visit.browser, (browser: string) => ({ browser })],
  visitorKinds: [(visit: Visit) => (visit.isNew ? 'new' : 'returning'), (kind: string) => ({ visitor_kind: kind })],
  entryPages: [(visit: Visit) => visit.entryPath, (page: string) => ({ page, order: 'entry' })],
  exitPages: [(visit: Visit) => visit.exitPath, (page: string) => ({ page, order: 'exit' })],
} as const satisfies Record<string, readonly [(visit: Visit) => string | null, (value: string) => FactDims]>
type DimensionName = keyof typeof dimensions

/** Adds up visits. */
const createDayFigures = () => {
  const sum = {
    ...{ sessions: 0, newVisitors: 0, orders: 0, revenueMicros: 0, converted: 0, sent: 0, arrived: 0 },
    ...{ pageviews: 0, bounces: 0 },
  }
  const engaged: number[] = []
  const buyers: Visit[] = []
  const queries = new Map<string, number>()
  const troubles = new Map<string, number>()
  const rows = Object.fromEntries(Object.keys(dimensions).map((name) => [name, new Map<string, Sum>()])) as Record<
    DimensionName,
    Map<string, Sum>
  >
  return {
    add(visit: Visit): void {
      sum.sessions++
      sum.pageviews += visit.pageviews
      sum.sent += visit.sent
      sum.arrived += visit.arrived
      sum.orders += visit.orders
      sum.revenueMicros += visit.revenueMicros
      if (visit.isNew) sum.newVisitors++
      if (visit.orders > 0) {
        sum.converted++
        buyers.push(visit)
      }
      // As Google Analytics 4 has it: one page, under ten seconds of attention, nothing bought.
      if (visit.pageviews <= 1 && visit.engagedMs < 10_000 && visit.orders === 0) sum.bounces++
      engaged.push(visit.engagedMs / 1000)
      for (const { type, text } of visit.acts) {
        if (type === 'search' && text) queries.set(text, (queries.get(text) ?? 0) + 1)
        if (type in frictionMetrics) troubles.set(type, (troubles.get(type) ?? 0) + 1)
      }
      for (const name of Object.keys(dimensions) as DimensionName[]) {
        const value = dimensions[name][0](visit)
        if (value === null) continue
        const row = rows[name].get(value) ?? { sessions: 0, converted: 0, revenueMicros: 0 }
        rows[name].set(value, row)
        row.sessions++
        if (visit.orders > 0) row.converted++
        row.revenueMicros += visit.revenueMicros
      }
    },
    totals: () => sum,
    converted: () => buyers,
    engagedMedian: () => median(engaged),
    breakdowns: (facts: FactMaker): Pick<DayReport, DimensionName> =>
      Object.fromEntries(
        (Object.keys(dimensions) as DimensionName[]).map((name) => [
          name,
          breakdown(facts, dimensions[name][1], rows[name], sum.sessions),
        ]),
      ) as Record<DimensionName, BreakdownRow[]>,
    searches: (facts: FactMaker): CountRow[] =>
      largest(queries, searchesMax).map(([query, times]) => ({
        rawValue: query,
        count: facts.count('searches', times, { query }),
      })),
    friction: (facts: FactMaker): Fact[] =>
      Object.entries(frictionMetrics).map(([type, metric]) => facts.count(metric, troubles.get(type) ?? 0)),
  }
}
type DayFigures = ReturnType<typeof createDayFigures>

const frictionMetrics = {
  js_error: 'js_errors',
  rage_click: 'rage_clicks',
  form_error: 'form_errors',
  form_abandon: 'form_abandons',
} as const

const breakdown = (
  facts: FactMaker,
  dimsOf: (value: string) => FactDims,
  rows: Map<string, Sum>,
  all: number,
): BreakdownRow[] =>
  [...rows]
    .sort(([a, x], [b, y]) => y.sessions - x.sessions || compare(a, b))
    .slice(0, breakdownRowsMax)
    .map(([value, { sessions, converted, revenueMicros }]) => {
      const dims = dimsOf(value)
      return {
        rawValue: value,
        sessions: facts.count('sessions', sessions, dims),
        share: facts.share('session_share', sessions, all, dims),
        conversionRate: facts.share('conversion_rate', converted, sessions, dims),
        revenue: facts.money('revenue', revenueMicros, sessions, dims),
      }
    })

type Journey = { seconds: number; sessions: number }

/** From the first visit within the lookback to the order, of each visit with an order. */
const readJourneys = async (
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
const selectTotals = async (db: Queryable, siteId: string, day: Day): Promise<DayTotalsRow[]> => {
  const days = [7, 14, 21, 28].map((back) => addDays(day, -back))
  const rows = await db.query<{ totals: string }>(
    `select totals from site_days where site_id = $1::text and day = any($2::date[]) and totals is not null order by day`,
    [siteId, days],
  )
  return rows.map(({ totals }) => JSON.parse(totals) as DayTotalsRow)
}

const weekdaysToCompareMin = 2

const dayTotals = (
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

const topDropoffs = (funnels: readonly FunnelSummary[]): DropoffPoint[] =>
  funnels
    .flatMap(({ funnelId, name, steps }) =>
      steps.flatMap((step, index) =>
        step.lost && step.dropoff
          ? [
              {
                ...{ funnelId, funnelName: name, fromStep: step.name, toStep: steps[index + 1]?.name ?? '' },
                ...{ lost: step.lost, rate: step.dropoff },
              },
            ]
          : [],
      ),
    )
    .sort((a, b) => (b.lost.value ?? 0) - (a.lost.value ?? 0) || compare(a.fromStep, b.fromStep))
    .slice(0, dropoffsMax)

/** Loading times of the day's pages, all devices together. */
const readSlowPages = async (db: Queryable, facts: FactMaker, siteId: string, day: Day): Promise<CountRow[]> => {
  const rows = await db.query<{ path: string; lcp: string }>(
    `select path, lcp from page_days where site_id = $1::text and day = $2::date and lcp::text <> '[]' and path <> ''`,
    [siteId, day],
  )
  const pages = new Map<string, number[]>()
  for (const { path, lcp } of rows) {
    const times = pages.get(path) ?? []
    pages.set(path, times)
    for (const [ms, count] of JSON.parse(lcp) as [string, number][])
      for (let one = 0; one < count; one++) times.push(Number(ms))
  }
  return [...pages]
    .filter(([, times]) => times.length >= measurementsMin)
    .map(([page, times]) => ({
      rawValue: page,
      count: facts.fact('page_load_p75', (quantileOfSorted(Float64Array.from(times).sort(), 0.75) ?? 0) / 1000, {
        ...{ unit: 'seconds', n: times.length, dims: { page }, method: 'lcp_p75' },
      }),
    }))
    .sort((a, b) => (b.count.value ?? 0) - (a.count.value ?? 0) || compare(a.rawValue, b.rawValue))
    .slice(0, slowPagesMax)
}
