import type { Fact, FactDims } from './fact.ts'
import type { FactMaker } from './make-fact.ts'
import { compare, largest } from './paths.ts'
import type { BreakdownRow, CountRow, DayReport } from './report.ts'
import { median } from './statistics/quantiles.ts'
import type { Visit } from './visits.ts'

const breakdownRowsMax = 10
const searchesMax = 10

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
export const createDayFigures = () => {
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
export type DayFigures = ReturnType<typeof createDayFigures>

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
