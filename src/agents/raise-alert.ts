import type { Db, Tx } from '../db.ts'
import { insertOutbox } from '../outbox.ts'
import { type AlertContext, type AlertState, describeAlert, severityOf } from './alert-report.ts'
import { type SiteDayState, type StoredAlert, writeAlert } from './alert-rows.ts'
import { addDays, type Calendar, type Day, daysFrom, isoOf } from './days.ts'
import { rateOf } from './expect-dropoff.ts'
import type { Funnel, FunnelFile } from './funnel-file.ts'
import { factsIn, hash16 } from './make-fact.ts'
import { type Counts, count } from './page-tally.ts'
import type { DropoffAlert } from './report.ts'
import { writeFacts } from './report-rows.ts'
import { type DropoffTest, type Judged, locateLoss } from './test-dropoffs.ts'

export type AlertDeps = {
  db: Db
  calendar: Calendar
  file: FunnelFile
  clientId: string
  nodeId: string
  currencies: ReadonlyMap<string, string>
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
export const raiseAlert = async (tx: Tx, deps: AlertDeps, runId: number, raised: Raise): Promise<number> => {
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

const contextOf = (deps: AlertDeps, { found, funnel, judged, sites }: Raise, test: DropoffTest): AlertContext => {
  const inWindow = (day: Day): boolean => day >= test.from && day <= test.to
  const baseline = new Set(test.expected.days)
  const state = sites.get(test.siteId) ?? new Map<Day, SiteDayState>()
  const typesOf = (isIn: (day: Day) => boolean): Counts => {
    const sum: Counts = new Map()
    for (const [day, { types }] of state) if (isIn(day)) for (const [type, times] of types) count(sum, type, times)
    return sum
  }
  let [orders, revenue, payers] = [0, 0, 0]
  for (const day of baseline) {
    orders += state.get(day)?.paidOrders ?? 0
    revenue += state.get(day)?.revenueMicros ?? 0
    payers = Math.max(payers, state.get(day)?.paying ?? 0)
  }
  const cells = [...judged.days.values()]
  return {
    ...{ calendar: deps.calendar, funnel, currency: deps.currencies.get(test.siteId), tested: found },
    // Cells know sessions and no people: at least so many came to the site on one of the days.
    people: Math.max(0, ...[...state].map(([day, { visitors }]) => (inWindow(day) ? visitors : 0))),
    ...{ orders, payers },
    now: cells.filter(({ day }) => inWindow(day)),
    before: cells.filter(({ day }) => baseline.has(day)),
    typesNow: typesOf(inWindow),
    typesBefore: typesOf((day) => baseline.has(day)),
    orderMicros: orders === 0 ? null : revenue / orders,
  }
}

export const clearAlert = async (tx: Tx, deps: AlertDeps, open: StoredAlert, atMs: number): Promise<void> => {
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
