import type { Tx } from '../db.ts'
import { type StoredAlert, selectAlerts, selectFunnels, selectSiteDays } from './alert-rows.ts'
import { addDays, type Day, daysBetween } from './days.ts'
import type { DayCells } from './expect-dropoff.ts'
import { type AlertDeps, clearAlert, raiseAlert } from './raise-alert.ts'
import { baselineDays, type DropoffTest, hourlyLook, testDropoffs } from './test-dropoffs.ts'

const historyDays = baselineDays + 14
/** An alert that nothing confirmed for so long is closed. */
const staleDays = 7
/** A step is well again when its latest days are no longer unusual by themselves. */
const recoveredP = 0.05

/**
 * Judges every whole day that was not judged yet, in the order of time, so that a history that is read at once gives the
 * alerts that it would have given day by day. Opens, renews and closes alerts; tells the outside about what is material:
 * a new alert, another severity, the end.
 */
export const judgeDays = async (
  deps: AlertDeps,
  runId: number,
  asOfMs: number,
): Promise<{ days: number; opened: number }> => {
  const { db, calendar } = deps
  const lastDay = addDays(calendar.dayOf(asOfMs), -1)
  const rows = await db.query<{ day: string }>(
    `select distinct s.day::text as day from site_days s left join judged_days j using (site_id, day)
     where j.day is null and s.totals ->> 'isComplete' = 'true' and s.day <= $1::date order by 1`,
    [lastDay],
  )
  let opened = 0
  for (const { day } of rows) opened += await db.transaction((tx) => judgeNight(tx, deps, runId, day))
  return { days: rows.length, opened }
}

/** The last hour is left out: its visits are under way, and not to have ordered yet is no loss. */
const underWayMs = 3_600_000

/**
 * Looks at the day that is not over: its hours so far against the same hours of the days before. Spends a small part of
 * the promise, so that it finds what is badly broken, and leaves the rest to the night. Resolves to how many were opened.
 */
export const judgeToday = (deps: AlertDeps, runId: number, asOfMs: number): Promise<number> => {
  const { db, calendar, file } = deps
  const untilMs = asOfMs - underWayMs
  const day = calendar.dayOf(untilMs)
  const hour = calendar.hourOf(untilMs)
  if (hour === 0 || day !== calendar.dayOf(asOfMs)) return Promise.resolve(0)
  return db.transaction(async (tx) => {
    const from = addDays(day, -historyDays)
    const sites = await selectSiteDays(tx, from, day)
    const alerts = await selectAlerts(tx, from)
    const funnels = (await selectFunnels(tx, file, sites, alerts, from, day)).map((one) => ({
      ...one,
      judged: { ...one.judged, days: untilHour(one.judged.days, hour) },
    }))
    const tests = testDropoffs(
      funnels.map(({ judged }) => judged),
      day,
      file.alerts,
      hourlyLook,
    )
    let opened = 0
    for (const found of tests.filter(
      ({ q, difference }) => q <= file.alerts.q && difference >= file.alerts.points_min,
    )) {
      const one = funnels.find(({ judged }) => judged.siteId === found.siteId && judged.funnelId === found.funnelId)
      const open = alerts.find(
        (alert) =>
          alert.state === 'open' &&
          alert.site_id === found.siteId &&
          alert.funnel_id === found.funnelId &&
          alert.step === found.step,
      )
      if (one) opened += await raiseAlert(tx, deps, runId, { ...one, found, open, sites, day, atMs: asOfMs })
    }
    return opened
  })
}

const untilHour = (days: ReadonlyMap<Day, DayCells>, hour: number): Map<Day, DayCells> =>
  new Map([...days].map(([day, { cells }]) => [day, { day, cells: cells.filter(([at]) => at < hour) }]))

const judgeNight = async (tx: Tx, deps: AlertDeps, runId: number, day: Day): Promise<number> => {
  const { file } = deps
  const from = addDays(day, -historyDays)
  const sites = await selectSiteDays(tx, from, day)
  const alerts = await selectAlerts(tx, from)
  const funnels = await selectFunnels(tx, file, sites, alerts, from, day)
  const tests = testDropoffs(
    funnels.map(({ judged }) => judged),
    day,
    file.alerts,
  )
  let opened = 0
  for (const { funnel, judged } of funnels)
    for (let step = 0; step < judged.steps - 1; step++) {
      const own = tests.filter((one) => one.siteId === judged.siteId && one.funnelId === funnel.id && one.step === step)
      const open = alerts.find(
        (one) =>
          one.state === 'open' && one.site_id === judged.siteId && one.funnel_id === funnel.id && one.step === step,
      )
      const found = own
        .filter(({ q, difference }) => q <= file.alerts.q && difference >= file.alerts.points_min)
        .sort((a, b) => a.p - b.p)[0]
      if (found)
        opened += await raiseAlert(tx, deps, runId, {
          found,
          open,
          funnel,
          judged,
          sites,
          day,
          atMs: deps.calendar.endOf(day),
        })
      else if (open && (isWell(own, open) || daysBetween(open.to_day, day) >= staleDays))
        await clearAlert(tx, deps, open, deps.calendar.endOf(day))
    }
  await tx.execute(
    `insert into judged_days (site_id, day, tests)
     select site_id, day, $2::int from site_days where day = $1::date and totals is not null on conflict do nothing`,
    [day, tests.length],
  )
  return opened
}

/** Days after the alert's window are as they should be. */
const isWell = (tests: readonly DropoffTest[], open: StoredAlert): boolean => {
  const later = tests.filter(({ from }) => from > open.to_day)
  return later.length > 0 && later.every(({ p }) => p > recoveredP)
}
