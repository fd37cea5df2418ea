import type { Queryable } from '../db.ts'
import { createDayFigures } from './day-figures.ts'
import { type DayTotalsRow, dayTotals, readJourneys, selectEarlier } from './day-totals.ts'
import type { Calendar, Day } from './days.ts'
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
import { createMatcher, inTime, type Matcher } from './match-funnel.ts'
import { compare, createPathTally } from './paths.ts'
import type { DayReport, DropoffPoint, FunnelSummary } from './report.ts'
import type { Act } from './session.ts'
import { selectLoadingTimes, slowPages } from './slow-pages.ts'
import { readVisits, type Visit, visitsQuery } from './visits.ts'

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

const dropoffsMax = 5

/** Reads one day of a site and writes its report. The day's visits are those that began in it. */
export const makeDay = async (options: DayOptions): Promise<MadeDay> => {
  const { db, calendar, file, siteId, day, asOfMs } = options
  const range = { siteId, fromMs: calendar.startOf(day), toMs: calendar.endOf(day), currency: options.currency }
  const funnels = file.funnels.filter((funnel) => isForSite(funnel, siteId)).map((funnel) => createDayFunnel(funnel))
  const measured = await selectLoadingTimes(db, siteId, day)
  const figures = createDayFigures(measured)
  const paths = createPathTally()
  const asksPeople = funnels.some(({ funnel }) => funnel.counts === 'visitors')
  const visitors = new Set<string>()
  const byPerson = new Map<string, Act[]>()
  for await (const visit of readVisits(db, range)) {
    figures.add(visit)
    paths.add(visit)
    const hour = calendar.hourOf(visit.startMs)
    for (const funnel of funnels) funnel.addVisit(visit, hour)
    visitors.add(visit.visitorKey)
    if (!asksPeople) continue
    const acts = byPerson.get(visit.personKey)
    if (acts) acts.push(...visit.acts)
    else byPerson.set(visit.personKey, [...visit.acts])
  }
  for (const [person, acts] of byPerson) for (const funnel of funnels) funnel.addPerson(acts, person)
  const facts = createFacts({ ...range, dims: { site: siteId, day }, query: visitsQuery, people: figures.people() })
  const history = await selectHistory(db, siteId, day)
  const isComplete = asOfMs >= range.toMs
  const counted = { ...figures.totals(), visitors: visitors.size }
  const quality = judgeQuality({
    ...{ facts, siteId, day, isComplete, history, calendar, asOfMs, sent: counted.sent, arrived: counted.arrived },
    unread: await selectUnread(db, siteId, calendar, day),
  })
  const totals: DayTotalsRow = {
    ...{ sessions: counted.sessions, visitors: counted.visitors, newVisitors: counted.newVisitors },
    ...{ orders: counted.orders, paidOrders: counted.paidOrders },
    ...{ ordering: figures.ordering(), paying: counted.buyers.length },
    ...{ revenueMicros: counted.revenueMicros, converted: counted.converted },
    usedFunnels: funnels.filter(({ tally }) => isUsed(tally)).map(({ funnel }) => funnel.id),
    ...{ sent: counted.sent, arrived: counted.arrived, level: quality.level, isComplete },
  }
  const journeys = await readJourneys(db, figures.converted(), range, file.attribution.lookback_days)
  const earlier = await selectEarlier(db, siteId, day)
  // On its worst day nobody gets beyond the first step of a funnel: that it is the site's shows on the days before.
  const summaries = funnels
    .filter(({ funnel, tally }) => isUsed(tally) || earlier.usedFunnels.has(funnel.id))
    .map((one) => one.summary(facts, siteId))
  const site = history.find((one) => one.day === day)
  return {
    totals,
    cells: funnels.flatMap(({ funnel, cells }) =>
      funnel.counts === 'sessions' ? [{ funnel, definition: definitionOf(funnel), rows: cells.rows() }] : [],
    ),
    report: {
      ...{ rawSite: siteId, day, window: facts.window, isComplete, previousDay: null, nextDay: null, quality },
      totals: dayTotals(facts, totals, figures, journeys, earlier.sameWeekday, {
        events: (site?.events ?? 0) - (site?.botEvents ?? 0),
        pageviews: site?.pageviews ?? 0,
      }),
      funnels: summaries,
      topDropoffs: topDropoffs(summaries),
      ...figures.breakdowns(facts),
      searches: figures.searches(facts),
      slowPages: slowPages(facts, measured, figures.viewers),
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
      addProgress(tally, progress, visit.personKey)
      cells.add(hour, visit.device, visit.channel, visit.isNew ? 'new' : 'returning', progress.length)
    },
    /** Of one day: how far a person came on it, with all devices. */
    addPerson(acts: readonly Act[], personKey: string): void {
      if (funnel.counts === 'visitors') addProgress(tally, matcher(inTime(acts)), personKey)
    },
    summary: (facts: FactMaker, siteId: string): FunnelSummary => summarizeFunnel(funnel, tally, facts, siteId),
  }
}

const topDropoffs = (funnels: readonly FunnelSummary[]): DropoffPoint[] =>
  funnels
    .flatMap(({ funnelId, name, steps }) =>
      steps.flatMap((step, index) =>
        step.lost && step.dropoff && step.dropoff.value !== null
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
