import { addPerson, type People, tellableParts } from './enough-people.ts'
import type { Fact, FactDims, FactMetric } from './fact.ts'
import type { FactMaker } from './make-fact.ts'
import { compare, largest } from './paths.ts'
import type { BreakdownRow, CountRow, DayReport } from './report.ts'
import { median } from './statistics/quantiles.ts'
import type { Visit } from './visits.ts'

const breakdownRowsMax = 10
const searchesMax = 10

type Sum = {
  sessions: number
  converted: number
  paidOrders: number
  revenueMicros: number
  people: People
  /** Who brought the revenue. */
  buyers: People
}
const emptySum = (): Sum => ({
  ...{ sessions: 0, converted: 0, paidOrders: 0, revenueMicros: 0, people: [], buyers: [] },
})
const addVisit = (sum: Sum, { personKey, orders, paidOrders, revenueMicros }: Visit): void => {
  sum.sessions++
  if (orders > 0) sum.converted++
  sum.paidOrders += paidOrders
  sum.revenueMicros += revenueMicros
  addPerson(sum.people, personKey)
  if (paidOrders > 0) addPerson(sum.buyers, personKey)
}

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
/** A session enters by one page and leaves by another: figures that may not be taken for each other have two names. */
const metricsOf: Partial<Record<DimensionName, readonly [count: FactMetric, share: FactMetric]>> = {
  entryPages: ['entries', 'entry_share'],
  exitPages: ['exits', 'exit_share'],
}

/** Adds up visits. `measured` are the pages whose viewers are counted. */
export const createDayFigures = (measured: { has(page: string): boolean }) => {
  const sum = {
    ...emptySum(),
    ...{ newVisitors: 0, orders: 0, sent: 0, arrived: 0, pageviews: 0, bounces: 0 },
  }
  /** Whoever ordered, at whatever worth. */
  const ordering: People = []
  const engaged: number[] = []
  const buyers: Visit[] = []
  const queries = new Map<string, number>()
  const searchers = new Map<string, People>()
  const troubles = new Map<string, number>()
  const troubled = new Map<string, People>()
  const viewers = new Map<string, People>()
  /** Buyers whose visits have no value of a dimension. */
  const others = new Map<DimensionName, People>()
  const rows = Object.fromEntries(Object.keys(dimensions).map((name) => [name, new Map<string, Sum>()])) as Record<
    DimensionName,
    Map<string, Sum>
  >
  return {
    add(visit: Visit): void {
      const { personKey } = visit
      addVisit(sum, visit)
      sum.pageviews += visit.pageviews
      sum.sent += visit.sent
      sum.arrived += visit.arrived
      sum.orders += visit.orders
      if (visit.isNew) sum.newVisitors++
      if (visit.orders > 0) {
        buyers.push(visit)
        addPerson(ordering, personKey)
      }
      // As Google Analytics 4 has it: one page, under ten seconds of attention, nothing bought.
      if (visit.pageviews <= 1 && visit.engagedMs < 10_000 && visit.orders === 0) sum.bounces++
      engaged.push(visit.engagedMs / 1000)
      for (const { type, text } of visit.acts) {
        if (type === 'pageview' && text && measured.has(text)) addPerson(peopleOf(viewers, text), personKey)
        if (type === 'search' && text) {
          queries.set(text, (queries.get(text) ?? 0) + 1)
          addPerson(peopleOf(searchers, text), personKey)
        }
        if (type in frictionMetrics) {
          troubles.set(type, (troubles.get(type) ?? 0) + 1)
          addPerson(peopleOf(troubled, type), personKey)
        }
      }
      for (const name of Object.keys(dimensions) as DimensionName[]) {
        const value = dimensions[name][0](visit)
        if (value === null) {
          if (visit.paidOrders > 0) addPerson(peopleOf(others, name), personKey)
          continue
        }
        const row = rows[name].get(value) ?? emptySum()
        rows[name].set(value, row)
        addVisit(row, visit)
      }
    },
    totals: () => sum,
    converted: () => buyers,
    /** Of the day, counted up to ten: who came, who ordered, and who saw a page that was measured. */
    people: () => sum.people.length,
    ordering: () => ordering.length,
    viewers: (page: string) => viewers.get(page)?.length ?? 0,
    engagedMedian: () => median(engaged),
    breakdowns: (facts: FactMaker): Pick<DayReport, DimensionName> =>
      Object.fromEntries(
        (Object.keys(dimensions) as DimensionName[]).map((name) => [
          name,
          breakdown(facts, name, rows[name], sum.sessions, others.get(name) ?? []),
        ]),
      ) as Record<DimensionName, BreakdownRow[]>,
    searches: (facts: FactMaker): CountRow[] =>
      largest(queries, searchesMax).map(([query, times]) => ({
        rawValue: query,
        count: facts.count('searches', times, { query }, { people: peopleOf(searchers, query).length }),
      })),
    friction: (facts: FactMaker): Fact[] =>
      Object.entries(frictionMetrics).map(([type, metric]) =>
        facts.count(metric, troubles.get(type) ?? 0, {}, { people: peopleOf(troubled, type).length }),
      ),
  }
}
export type DayFigures = ReturnType<typeof createDayFigures>

const frictionMetrics = {
  js_error: 'js_errors',
  rage_click: 'rage_clicks',
  form_error: 'form_errors',
  form_abandon: 'form_abandons',
} as const

const peopleOf = <Key>(all: Map<Key, People>, key: Key): People => {
  const known = all.get(key)
  if (known) return known
  const people: People = []
  all.set(key, people)
  return people
}

const breakdown = (
  facts: FactMaker,
  name: DimensionName,
  rows: Map<string, Sum>,
  all: number,
  others: People,
): BreakdownRow[] => {
  const sorted = [...rows].sort(([a, x], [b, y]) => y.sessions - x.sessions || compare(a, b))
  const shown = sorted.slice(0, breakdownRowsMax)
  const among = sorted.length > breakdownRowsMax ? undefined : sorted.length
  const tellable = tellableParts(
    shown.map(([, { buyers }]) => buyers),
    [...others, ...sorted.slice(breakdownRowsMax).flatMap(([, { buyers }]) => buyers)],
  )
  const [counted, share] = metricsOf[name] ?? (['sessions', 'session_share'] as const)
  return shown.map(([value, { sessions, converted, paidOrders, revenueMicros, people: some, buyers }]) => {
    const dims: FactDims = dimensions[name][1](value)
    const { order: _, ...named } = dims
    const own = name in metricsOf ? named : dims
    const people = some.length
    return {
      rawValue: value,
      sessions: facts.count(counted, sessions, own, { people, among }),
      share: facts.share(share, sessions, all, own, { people, among }),
      conversionRate: facts.share('conversion_rate', converted, sessions, dims, { people, among }),
      revenue: facts.money('revenue', revenueMicros, paidOrders, dims, { people: tellable(buyers), among }),
    }
  })
}
