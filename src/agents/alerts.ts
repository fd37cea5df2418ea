import type { Db, Queryable, Tx } from '../db.ts'
import { insertOutbox } from '../outbox.ts'
import { type AlertContext, type AlertState, describeAlert, severityOf } from './alert-report.ts'
import { addDays, type Calendar, type Day, daysBetween, daysFrom, isoOf } from './days.ts'
import { type DayCells, rateOf } from './expect-dropoff.ts'
import { definitionOf, type Funnel, type FunnelFile, isForSite } from './funnel-file.ts'
import type { FunnelCell } from './funnel-tally.ts'
import { factsIn, hash16 } from './make-fact.ts'
import { type Counts, count, readCounts } from './page-tally.ts'
import type { DropoffAlert } from './report.ts'
import { writeFacts } from './report-rows.ts'
import { baselineDays, type DropoffTest, hourlyLook, type Judged, locateLoss, testDropoffs } from './test-dropoffs.ts'

export type AlertDeps = {
  db: Db
  calendar: Calendar
  file: FunnelFile
  clientId: string
  nodeId: string
  currencies: ReadonlyMap<string, string>
}

type SiteDayState = { complete: boolean; vetoed: boolean; types: Counts; orders: number; revenueMicros: number }
type StoredAlert = {
  alert_id: string
  site_id: string
  funnel_id: string
  step: number
  state: 'open' | 'closed'
  severity: DropoffAlert['severity']
  from_day: string
  to_day: string
  opened: number
  changed: number
  body: string
}

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
    const funnels = (await selectFunnels(tx, deps, sites, alerts, from, day)).map((one) => ({
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
      if (one) opened += await raise(tx, deps, runId, { ...one, found, open, sites, day, atMs: asOfMs })
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
  const funnels = await selectFunnels(tx, deps, sites, alerts, from, day)
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
        opened += await raise(tx, deps, runId, {
          found,
          open,
          funnel,
          judged,
          sites,
          day,
          atMs: deps.calendar.endOf(day),
        })
      else if (open && (isWell(own, open) || daysBetween(open.to_day, day) >= staleDays))
        await clear(tx, deps, open, deps.calendar.endOf(day))
    }
  await tx.execute(
    `insert into judged_days (site_id, day, tests)
     select site_id, day, $2::int from site_days where day = $1::date and totals is not null on conflict do nothing`,
    [day, tests.length],
  )
  return opened
}

const selectSiteDays = async (tx: Queryable, from: Day, to: Day): Promise<Map<string, Map<Day, SiteDayState>>> => {
  const rows = await tx.query<{ site_id: string; day: string; types: string; totals: string }>(
    `select site_id, day::text as day, types, totals from site_days
     where day >= $1::date and day <= $2::date and totals is not null`,
    [from, to],
  )
  const sites = new Map<string, Map<Day, SiteDayState>>()
  for (const { site_id, day, types, totals } of rows) {
    const days = sites.get(site_id) ?? new Map<Day, SiteDayState>()
    sites.set(site_id, days)
    const read = JSON.parse(totals) as { level: string; isComplete: boolean; orders: number; revenueMicros: number }
    days.set(day, {
      ...{ complete: true, vetoed: read.level === 'red', types: readCounts(types) },
      ...{ orders: read.orders, revenueMicros: read.revenueMicros },
    })
  }
  return sites
}

const selectAlerts = (tx: Queryable, from: Day): Promise<StoredAlert[]> =>
  tx.query<StoredAlert>(
    `select alert_id, site_id, funnel_id, step, state, severity, from_day::text as from_day, to_day::text as to_day,
            extract(epoch from opened_at)::float8 * 1000 as opened, extract(epoch from changed_at)::float8 * 1000 as changed,
            body
     from dropoff_alerts where to_day >= $1::date or state = 'open' order by alert_id`,
    [from],
  )

type JudgedFunnel = { funnel: Funnel; judged: Judged }

const selectFunnels = async (
  tx: Queryable,
  { file }: AlertDeps,
  sites: Map<string, Map<Day, SiteDayState>>,
  alerts: readonly StoredAlert[],
  from: Day,
  to: Day,
): Promise<JudgedFunnel[]> => {
  const rows = await tx.query<{ site_id: string; funnel_id: string; day: string; definition: string; cells: string }>(
    `select site_id, funnel_id, day::text as day, definition, cells from funnel_days
     where day >= $1::date and day <= $2::date order by site_id, funnel_id, day`,
    [from, to],
  )
  const found = new Map<string, JudgedFunnel & { days: Map<Day, DayCells> }>()
  for (const row of rows) {
    const funnel = file.funnels.find(({ id }) => id === row.funnel_id)
    if (!funnel || definitionOf(funnel) !== row.definition || !isForSite(funnel, row.site_id)) continue
    const key = `${row.site_id} ${row.funnel_id}`
    let one = found.get(key)
    if (!one) {
      const days = new Map<Day, DayCells>()
      const own = alerts.filter((alert) => alert.site_id === row.site_id && alert.funnel_id === funnel.id)
      const state = sites.get(row.site_id)
      one = {
        funnel,
        days,
        judged: {
          ...{ siteId: row.site_id, funnelId: funnel.id, steps: funnel.steps.length, days },
          isJudged: (day) => state?.get(day)?.vetoed === false,
          isAlerted: (step, day) => own.some((a) => a.step === step && day >= a.from_day && day <= a.to_day),
        },
      }
      found.set(key, one)
    }
    one.days.set(row.day, { day: row.day, cells: JSON.parse(row.cells) as FunnelCell[] })
  }
  // A funnel that nobody got beyond the first step of is not this site's.
  return [...found.values()].filter(({ days }) =>
    [...days.values()].some(({ cells }) => cells.some((c) => (c[4][1] ?? 0) > 0)),
  )
}

type Raise = {
  found: DropoffTest
  open: StoredAlert | undefined
  funnel: Funnel
  judged: Judged
  sites: Map<string, Map<Day, SiteDayState>>
  day: Day
  /** When it was found. */
  atMs: number
}

/** Opens an alert, or renews the open one. Resolves to 1 for a new one. */
const raise = async (tx: Tx, deps: AlertDeps, runId: number, raised: Raise): Promise<number> => {
  const { found, open, funnel, judged, day, atMs } = raised
  const test = located(found, judged, open, day)
  const severity = severityOf(test.difference)
  const isMaterial = !open || open.severity !== severity
  const state: AlertState = {
    id: open?.alert_id ?? `a_${hash16(JSON.stringify([found.siteId, funnel.id, found.step, day]))}`,
    ...{ severity, state: 'open', closedAt: null },
    openedAt: isoOf(open?.opened ?? atMs),
    changedAt: isoOf(isMaterial ? atMs : (open?.changed ?? atMs)),
  }
  const alert = describeAlert(test, state, contextOf(deps, raised, test))
  await writeAlert(tx, alert, found.step, test)
  await writeFacts(tx, found.siteId, factsIn(alert), runId)
  if (isMaterial) await announce(tx, deps, 'alert.raised', alert, atMs)
  return open ? 0 : 1
}

/** The test over the days that the loss is found to have lasted, with the expectation of the days before it. */
const located = (found: DropoffTest, { days }: Judged, open: StoredAlert | undefined, day: Day): DropoffTest => {
  const first = open && open.from_day < found.from ? open.from_day : found.from
  const earliest = [addDays(first, -2), addDays(day, -13)].sort()[1] ?? first
  const span = daysFrom(earliest, day)
  const cells = span.flatMap((one) => days.get(one) ?? [])
  const place = locateLoss(cells, found.step, found.expected.rate) ?? found
  const now = cells.filter((one) => one.day >= place.from && one.day <= place.to)
  const rate = rateOf(now, found.step)
  if (rate.reached === 0) return found
  return { ...found, ...place, now: rate, difference: rate.lost / rate.reached - found.expected.rate }
}

const contextOf = (deps: AlertDeps, { funnel, judged, sites }: Raise, test: DropoffTest): AlertContext => {
  const inWindow = (day: Day): boolean => day >= test.from && day <= test.to
  const baseline = new Set(test.expected.days)
  const state = sites.get(test.siteId) ?? new Map<Day, SiteDayState>()
  const typesOf = (isIn: (day: Day) => boolean): Counts => {
    const sum: Counts = new Map()
    for (const [day, { types }] of state) if (isIn(day)) for (const [type, times] of types) count(sum, type, times)
    return sum
  }
  let [orders, revenue] = [0, 0]
  for (const day of baseline) {
    orders += state.get(day)?.orders ?? 0
    revenue += state.get(day)?.revenueMicros ?? 0
  }
  const cells = [...judged.days.values()]
  return {
    ...{ calendar: deps.calendar, funnel, currency: deps.currencies.get(test.siteId) },
    now: cells.filter(({ day }) => inWindow(day)),
    before: cells.filter(({ day }) => baseline.has(day)),
    typesNow: typesOf(inWindow),
    typesBefore: typesOf((day) => baseline.has(day)),
    orderMicros: orders === 0 ? null : revenue / orders,
  }
}

const writeAlert = (tx: Tx, alert: DropoffAlert, step: number, { from, to }: DropoffTest): Promise<number> =>
  tx.execute(
    `insert into dropoff_alerts (alert_id, site_id, funnel_id, step, state, severity, opened_at, changed_at, closed_at,
                                 from_day, to_day, body)
     values ($1::text, $2::text, $3::text, $4::int, $5::text, $6::text, $7::timestamptz, $8::timestamptz, null,
             $9::date, $10::date, $11::json)
     on conflict (alert_id) do update set severity = excluded.severity, changed_at = excluded.changed_at,
       from_day = excluded.from_day, to_day = excluded.to_day, body = excluded.body`,
    [
      ...[alert.id, alert.rawSite, alert.funnelId, step, alert.state, alert.severity, alert.openedAt, alert.changedAt],
      ...[from, to, JSON.stringify(alert)],
    ],
  )

/** Days after the alert's window are as they should be. */
const isWell = (tests: readonly DropoffTest[], open: StoredAlert): boolean => {
  const later = tests.filter(({ from }) => from > open.to_day)
  return later.length > 0 && later.every(({ p }) => p > recoveredP)
}

const clear = async (tx: Tx, deps: AlertDeps, open: StoredAlert, atMs: number): Promise<void> => {
  const at = isoOf(atMs)
  const body = { ...(JSON.parse(open.body) as DropoffAlert), state: 'closed' as const, closedAt: at, changedAt: at }
  await tx.execute(
    `update dropoff_alerts set state = 'closed', closed_at = $2::timestamptz, changed_at = $2::timestamptz, body = $3::json
     where alert_id = $1::text`,
    [open.alert_id, at, JSON.stringify(body)],
  )
  await announce(tx, deps, 'alert.cleared', body, atMs)
}

const announce = (
  tx: Tx,
  { clientId, nodeId }: AlertDeps,
  type: 'alert.raised' | 'alert.cleared',
  alert: DropoffAlert,
  atMs: number,
): Promise<string> =>
  insertOutbox(tx, {
    ...{ clientId, nodeId, type, occurredMs: atMs },
    key: `${nodeId}/dropoff/${alert.id}/${alert.changedAt}`,
    data: {
      ...{ alert: 'funnel.dropoff', alert_id: alert.id, site: alert.rawSite, funnel: alert.funnelId },
      ...{ from_step: alert.fromStep, to_step: alert.toStep, severity: alert.severity },
      ...{ drop_off: alert.current.value, expected: alert.baseline.value, people: alert.current.n },
      ...{ q: alert.qValue.value, from: alert.window.from, to: alert.window.to },
    },
  })
