import type { Clock } from '../clock.ts'
import type { Db } from '../db.ts'
import { makeCustomers } from './customers.ts'
import { sitesMax } from './day-rows.ts'
import { addDays, type Calendar, type Day } from './days.ts'
import { eachAtOnce } from './each-at-once.ts'
import type { FunnelFile } from './funnel-file.ts'
import type { Yardstick } from './judge-person.ts'
import { type MadeWindows, makeWindows } from './make-windows.ts'
import {
  fitCustomers,
  gatherPeople,
  learnPropensity,
  selectCurrency,
  selectCustomers,
  selectRfmLimits,
} from './people.ts'
import { dropReports, writeReport } from './report-rows.ts'
import type { Segment } from './segment-file.ts'
import { type CustomerKey, makeSegments } from './segments.ts'

export type WeeksOptions = {
  db: Db
  clock: Clock
  calendar: Calendar
  file: FunnelFile
  segments: readonly Segment[]
  currencies: ReadonlyMap<string, string>
  customersMax: number
  customerKey: CustomerKey
  /** The last day of all windows. */
  lastDay: Day
  runId: number
  pauseMs: number
  /** Sites at the same time. */
  sitesAtOnce: number
  signal: AbortSignal
  onProgress: (done: number, total: number) => void
}

/** Reports of all sites and of all people; resolves to how many say something new. */
export const makeWeeks = async (options: WeeksOptions): Promise<number> => {
  const { db, clock, lastDay } = options
  const sites = await selectSites(db, lastDay)
  const total = sites.length + 2
  let [changed, done] = [0, 0]
  await eachAtOnce(sites, options.sitesAtOnce, async (siteId) => {
    if (options.signal.aborted) return
    const made = await makeWindows({ ...options, siteId, lastDay, currency: options.currencies.get(siteId) })
    const news = await writeWindows(options, siteId, lastDay, made)
    changed += news
    options.onProgress(++done, total)
    await clock.sleep(options.pauseMs, options.signal)
  })
  if (options.signal.aborted) return changed
  changed += await writePeople(options, lastDay)
  options.onProgress(total, total)
  return changed
}

/** The last day that is over; on the very first day, that one. */
export const lastWholeDay = async (db: Db, calendar: Calendar, asOfMs: number): Promise<Day> => {
  const today = calendar.dayOf(asOfMs)
  const [row] = await db.query<{ first: string | null }>(
    'select min(day)::text as first from site_days where events > 0',
  )
  return (row?.first ?? today) < today ? addDays(today, -1) : today
}

const sitesWindowDays = 35

const selectSites = async (db: Db, lastDay: Day): Promise<string[]> => {
  const rows = await db.query<{ site_id: string }>(
    `select site_id from (
       select site_id, sum(events) as events from site_days where day >= $1::date and events > 0 and totals is not null group by 1
       order by 2 desc, 1 limit $2::int) as s order by site_id`,
    [addDays(lastDay, -sitesWindowDays), sitesMax],
  )
  return rows.map(({ site_id }) => site_id)
}

const writeWindows = (
  { db, runId }: WeeksOptions,
  siteId: string,
  day: Day,
  { funnels, attribution, cohorts, heatmaps }: MadeWindows,
): Promise<number> =>
  db.transaction(async (tx) => {
    let changed = 0
    const write = async (kind: 'funnel' | 'attribution' | 'cohort' | 'heatmap', key: string, body: object) => {
      if (await writeReport(tx, { kind, siteId, key, day }, body, runId)) changed++
    }
    for (const funnel of funnels) await write('funnel', funnel.funnelId, funnel)
    await write('attribution', attribution.goal, attribution)
    await write('cohort', 'week', cohorts)
    const mapKey = ({ rawPath, device }: { rawPath: string; device: string }) => `${device} ${rawPath}`
    for (const map of heatmaps) await write('heatmap', mapKey(map), map)
    await dropReports(
      tx,
      'funnel',
      siteId,
      funnels.map(({ funnelId }) => funnelId),
    )
    await dropReports(tx, 'heatmap', siteId, heatmaps.map(mapKey))
    return changed
  })

/** Segments and customers: everybody is gathered once, in one transaction, and both are made from that. */
const writePeople = (options: WeeksOptions, day: Day): Promise<number> =>
  options.db.transaction(async (tx) => {
    const { calendar, runId } = options
    const untilMs = calendar.endOf(day)
    const currency = await selectCurrency(tx)
    await gatherPeople(tx, untilMs, currency)
    const yardstick: Yardstick = {
      untilMs,
      rfm: await selectRfmLimits(tx, untilMs),
      model: await fitCustomers(tx, untilMs),
      propensity: await learnPropensity(tx, untilMs),
    }
    let changed = 0
    const segments = await makeSegments(tx, options.segments, yardstick, day, currency, options.customerKey)
    for (const segment of segments)
      if (await writeReport(tx, { kind: 'segment', siteId: '', key: segment.id, day }, segment, runId)) changed++
    await dropReports(
      tx,
      'segment',
      '',
      segments.map(({ id }) => id),
    )
    const rows = await selectCustomers(tx, options.customersMax)
    const keys: string[] = []
    for await (const customer of makeCustomers({ ...options, db: tx, yardstick, currency }, rows)) {
      keys.push(customer.key)
      if (await writeReport(tx, { kind: 'customer', siteId: '', key: customer.key, day }, customer, runId)) changed++
    }
    await dropReports(tx, 'customer', '', keys)
    return changed
  })
