import type { Queryable } from '../db.ts'
import { type Attribution, createAttribution } from './attribution/attribute.ts'
import type { Touch } from './attribution/touch-weights.ts'
import { makeCohorts } from './cohorts.ts'
import { addDays, type Calendar, type Day, dayMs } from './days.ts'
import { type FunnelFile, isForSite } from './funnel-file.ts'
import { createPageViewers, makeHeatmaps, selectBusyPages } from './heatmaps.ts'
import { createFacts } from './make-fact.ts'
import type {
  AttributionReport,
  CohortReport,
  DayReport,
  FunnelReport,
  HeatmapReport,
  QualityVerdict,
} from './report.ts'
import { selectReports } from './report-rows.ts'
import { worthIn } from './spending.ts'
import { type PersonVisits, readPersons, type Visit, visitsQuery } from './visits.ts'
import { createWindowFunnel } from './window-funnel.ts'

/** Days that funnels, attribution and heat maps look at. */
export const windowDays = 28

export type MadeWindows = {
  funnels: FunnelReport[]
  attribution: AttributionReport
  cohorts: CohortReport
  heatmaps: HeatmapReport[]
}
export type WindowOptions = {
  db: Queryable
  calendar: Calendar
  file: FunnelFile
  siteId: string
  /** The last day of the window. */
  lastDay: Day
  currency: string | undefined
}

/** What looks at weeks: one walk over the people of a site, each with all their visits. */
export const makeWindows = async (options: WindowOptions): Promise<MadeWindows> => {
  const { db, calendar, file, siteId, lastDay, currency } = options
  const firstDay = addDays(lastDay, 1 - windowDays)
  const [fromMs, toMs] = [calendar.startOf(firstDay), calendar.endOf(lastDay)]
  const lookbackMs = file.attribution.lookback_days * dayMs
  const facts = createFacts({ dims: { site: siteId }, fromMs, toMs, query: visitsQuery, currency })
  const funnels = file.funnels.filter((funnel) => isForSite(funnel, siteId)).map(createWindowFunnel)
  const attribution = createAttribution(file.attribution.path)
  const window = { from: firstDay, to: lastDay }
  const busy = await selectBusyPages(db, siteId, window)
  const pages = createPageViewers(busy)
  for await (const { personKey, visits } of readPersons(db, { siteId, fromMs: fromMs - lookbackMs, toMs, currency })) {
    const inside = visits.filter(({ startMs }) => startMs >= fromMs)
    if (inside.length === 0) continue
    for (const funnel of funnels) funnel.addPerson(inside, ({ startMs }) => calendar.dayOf(startMs))
    attribute(attribution, { personKey, visits }, inside, { lookbackMs, currency })
    for (const visit of inside) pages.add(visit)
  }
  const credited = attribution.report(facts, {
    ...{ siteId, goal: 'purchase', lookbackDays: file.attribution.lookback_days },
  })
  const cohorts = await makeCohorts(db, calendar, siteId, lastDay)
  const quality = await worstQuality(db, siteId, firstDay, lastDay)
  return {
    funnels: funnels
      .filter((one) => one.isUsed())
      .map((one) => ({
        ...one.report(facts, siteId),
        attribution: buysAtTheEnd(one.funnel.steps.at(-1)?.event) ? credited : null,
        ...{ cohorts, quality, alertIds: [] },
      })),
    attribution: credited,
    cohorts,
    heatmaps: await makeHeatmaps(db, calendar, siteId, window, { busy, viewers: pages.viewers }),
  }
}

const buysAtTheEnd = (event: string | string[] | undefined): boolean => [event].flat().includes('purchase')

/** Each order with the visits that led to it; who ordered nothing in the window walked a path that led nowhere. */
const attribute = (
  attribution: Attribution,
  { personKey, visits }: PersonVisits,
  inside: readonly Visit[],
  { lookbackMs, currency }: { lookbackMs: number; currency: string | undefined },
): void => {
  const buying = inside.filter(({ orders }) => orders > 0)
  for (const buyer of buying)
    for (const act of buyer.acts) {
      const { type, atMs } = act
      if (type !== 'purchase') continue
      const path = visits
        .filter(({ startMs }) => startMs <= buyer.startMs && startMs >= atMs - lookbackMs)
        .map(({ channel, startMs }): Touch => ({ channel, ageDays: (atMs - startMs) / dayMs }))
      attribution.addConversion(path, worthIn(act, currency), personKey)
    }
  const last = inside.at(-1)
  if (buying.length > 0 || !last) return
  attribution.addNull(
    inside
      .filter(({ startMs }) => startMs >= last.startMs - lookbackMs)
      .map(({ channel, startMs }) => ({ channel, ageDays: (last.startMs - startMs) / dayMs })),
    personKey,
  )
}

/** Above this share of days that cannot be judged, the weeks cannot, either. */
const redShareMax = 0.25

/** The verdict of the worst day of the window; a month with one broken day is told to have one, and still judged. */
const worstQuality = async (db: Queryable, siteId: string, from: Day, to: Day): Promise<QualityVerdict> => {
  const days = await selectReports<DayReport>(db, { kind: 'day', sites: [siteId], from, to })
  const order = ['red', 'amber', 'green']
  const verdicts = days.map(({ body }) => body.quality)
  const [worst] = verdicts.sort((a, b) => order.indexOf(a.level) - order.indexOf(b.level) || (a.day < b.day ? 1 : -1))
  if (!worst) return { rawSite: siteId, day: to, level: 'green', checks: [], vetoes: [] }
  const red = verdicts.filter(({ level }) => level === 'red').length
  return worst.level === 'red' && red <= redShareMax * verdicts.length
    ? { ...worst, level: 'amber', vetoes: [] }
    : worst
}
