import type { Clock } from '../clock.ts'
import type { Db } from '../db.ts'
import { messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { judgeDays, judgeToday } from './alerts.ts'
import { groupBy } from './customer-visits.ts'
import { makeDay } from './day-report.ts'
import { markStaleDays, type SiteDayRef, selectCurrencies, selectStaleDays, writeDay } from './day-rows.ts'
import { type Calendar, createCalendar, type Day, dayMs } from './days.ts'
import { eachAtOnce } from './each-at-once.ts'
import { forgetOld } from './forget-old.ts'
import { type ForgetNotes, forgetPersons } from './forget-person.ts'
import { type FunnelFile, typesOfFunnels } from './funnel-file.ts'
import { withAgentsLock } from './lock.ts'
import { hash16 } from './make-fact.ts'
import { lastWholeDay, makeWeeks } from './make-weeks.ts'
import { deleteKeptBefore } from './narrate/cache.ts'
import { compare } from './paths.ts'
import { countUnread, createReader } from './read-batches.ts'
import { areWeeksMade, insertRun, markWeeks, type RunKind, selectAsOf, updateRun } from './run-rows.ts'
import type { Segment } from './segment-file.ts'
import type { CustomerKey } from './segments.ts'
import { programHash } from './vault/program-hash.ts'

export type EngineDeps = {
  db: Db
  clock: Clock
  log: Log
  timeZone: string
  sessionTimeoutMs: number
  keepDays: number
  clientId: string
  nodeId: string
  /** Read anew for each run: the operator may change them meanwhile. */
  funnels: () => FunnelFile
  segments: () => Segment[]
  /** Customers that get a profile. */
  customersMax: number
  customerKey: CustomerKey
  /** Between two steps, so that collecting never waits for reading. */
  pauseMs: number
  stepEvents?: number
  /** Sites that are reported of at the same time: the database and this process are busy at once. Default: one. */
  sitesAtOnce?: number
  /** Removes the notes about customers, wherever they were delivered. Throws while that cannot be done. */
  forgetNotes?: ForgetNotes | undefined
}
export type RunProgress = { phase: 'reading' | 'days' | 'alerts' | 'weeks'; done: number; total: number }
export type RunOptions = { kind: RunKind; signal?: AbortSignal; onProgress?: (progress: RunProgress) => void }
export type RunReport = {
  runId: number | null
  kind: RunKind
  events: number
  batches: number
  days: { siteId: string; day: Day }[]
  reports: number
  judgedDays: number
  alertsOpened: number
  asOf: string | null
}

/**
 * The engine: reads what is unread, makes the reports of the days that changed, judges whole days. Deterministic: the
 * same events give the same figures, in whatever order and in how many runs they are read; a run without news changes
 * no row.
 */
export const createEngine = (deps: EngineDeps) => {
  const calendar = createCalendar(deps.timeZone)
  return {
    calendar,
    run: (options: RunOptions): Promise<RunReport> =>
      withAgentsLock(deps.db, (lost) => {
        const signal = options.signal ? AbortSignal.any([options.signal, lost]) : lost
        return runOnce(deps, calendar, { ...options, signal })
      }),
  }
}
export type Engine = ReturnType<typeof createEngine>

type Working = Required<Pick<RunOptions, 'kind' | 'signal'>> & Pick<RunOptions, 'onProgress'>

const runOnce = async (deps: EngineDeps, calendar: Calendar, options: Working): Promise<RunReport> => {
  const { db, clock, log } = deps
  const file = deps.funnels()
  const report: RunReport = {
    ...{ runId: null, kind: options.kind, events: 0, batches: 0, days: [], reports: 0, judgedDays: 0 },
    ...{ alertsOpened: 0, asOf: null },
  }
  let asOfMs = await selectAsOf(db)
  const end = (error: string | null): Promise<unknown> =>
    report.runId === null
      ? Promise.resolve()
      : updateRun(db, report.runId, { ...report, endedMs: clock.now(), asOfMs, error })
  /** A run is written down when there is something to do. */
  const begin = async (): Promise<number> => (report.runId ??= await insertRun(db, options.kind, clock.now()))
  try {
    asOfMs = await readAll(deps, calendar, file, options, { report, begin, asOfMs })
    if (!options.signal.aborted) await forgetPersons(deps)
    // Texts by a model are paid for: they are kept by the clock, and go also while nobody is asked.
    await deleteKeptBefore(db, clock.now() - deps.keepDays * dayMs)
    if (asOfMs !== null && options.kind !== 'read') {
      report.asOf = new Date(asOfMs).toISOString()
      await makeDays(deps, calendar, file, options, { report, begin, asOfMs })
      if (options.kind === 'nightly') await makeNight(deps, calendar, file, options, { report, begin, asOfMs })
    }
    await end(null)
  } catch (error) {
    await end(messageOf(error)).catch((failure: unknown) =>
      log.warn({ err: failure }, 'a run could not be written down'),
    )
    throw error
  }
  return report
}

type State = { report: RunReport; begin: () => Promise<number>; asOfMs: number | null }

const readAll = async (
  deps: EngineDeps,
  calendar: Calendar,
  file: FunnelFile,
  { signal, onProgress }: Working,
  { report, begin, asOfMs }: State,
): Promise<number | null> => {
  const { db, clock } = deps
  const { batches, events: total } = await countUnread(db)
  if (batches === 0) return asOfMs
  const runId = await begin()
  const reader = createReader({
    ...{ db, calendar, sessionTimeoutMs: deps.sessionTimeoutMs, keepMs: deps.keepDays * dayMs },
    keptTypes: typesOfFunnels(file),
    ...(deps.stepEvents !== undefined && { stepEvents: deps.stepEvents }),
  })
  let latest = asOfMs
  while (!signal.aborted) {
    const step = await reader.step(runId)
    if (!step) break
    report.batches += step.batches
    report.events += step.events
    if (step.asOfMs !== null) latest = Math.max(latest ?? 0, step.asOfMs)
    onProgress?.({ phase: 'reading', done: report.events, total: Math.max(total, report.events) })
    await clock.sleep(deps.pauseMs, signal)
  }
  return latest
}

const makeDays = async (
  deps: EngineDeps,
  calendar: Calendar,
  file: FunnelFile,
  { signal, onProgress }: Working,
  { report, begin, asOfMs }: State & { asOfMs: number },
): Promise<void> => {
  const { db, clock } = deps
  await markStaleDays(db, calendar, asOfMs, file)
  const stale = await selectStaleDays(db)
  const currencies = await selectCurrencies(db)
  const runId = stale.length > 0 ? await begin() : 0
  const makeOne = async (ref: SiteDayRef): Promise<void> => {
    if (signal.aborted) return
    const made = await makeDay({ db, calendar, file, ...ref, asOfMs, currency: currencies.get(ref.siteId) })
    if (await writeDay(db, ref, made, runId)) report.reports++
    report.days.push(ref)
    onProgress?.({ phase: 'days', done: report.days.length, total: stale.length })
    await clock.sleep(deps.pauseMs, signal)
  }
  // A day looks at earlier ones of its site, never at another site.
  for (const refs of groupBy(stale, ({ day }) => day).values()) await eachAtOnce(refs, deps.sitesAtOnce ?? 1, makeOne)
  report.days.sort((a, b) => compare(a.day, b.day) || compare(a.siteId, b.siteId))
  if (signal.aborted) return
  const { clientId, nodeId } = deps
  const judged = await judgeDays({ db, calendar, file, clientId, nodeId, currencies }, report.runId ?? 0, asOfMs)
  report.judgedDays = judged.days
  report.alertsOpened = judged.opened
  if (report.runId !== null)
    report.alertsOpened += await judgeToday({ db, calendar, file, clientId, nodeId, currencies }, report.runId, asOfMs)
  onProgress?.({ phase: 'alerts', done: 1, total: 1 })
}

/** What looks at weeks, unless it was made of the same days, funnels and segments already. */
const makeNight = async (
  deps: EngineDeps,
  calendar: Calendar,
  file: FunnelFile,
  { signal, onProgress }: Working,
  { report, begin, asOfMs }: State & { asOfMs: number },
): Promise<void> => {
  const { db, clock, pauseMs, customersMax, customerKey, keepDays, sitesAtOnce = 1 } = deps
  const segments = deps.segments()
  const lastDay = await lastWholeDay(db, calendar, asOfMs)
  const weeksOf = hash16(JSON.stringify([programHash(), lastDay, calendar.timeZone, file, segments, customersMax]))
  if (signal.aborted || (await areWeeksMade(db, weeksOf, lastDay))) return
  const runId = await begin()
  report.reports += await makeWeeks({
    ...{ db, clock, calendar, file, customersMax, customerKey, lastDay, pauseMs, signal, runId, segments, sitesAtOnce },
    currencies: await selectCurrencies(db),
    onProgress: (done, total) => onProgress?.({ phase: 'weeks', done, total }),
  })
  await forgetOld({ db, clock, calendar, keepDays, pauseMs, signal }, asOfMs)
  if (!signal.aborted) await markWeeks(db, runId, weeksOf)
}
