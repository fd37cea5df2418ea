import type { Queryable, Tx } from '../db.ts'
import { readTotals } from './day-totals.ts'
import type { Day } from './days.ts'
import type { DayCells } from './expect-dropoff.ts'
import { definitionOf, type Funnel, type FunnelFile, isForSite } from './funnel-file.ts'
import type { FunnelCell } from './funnel-tally.ts'
import { type Counts, readCounts } from './page-tally.ts'
import type { DropoffAlert } from './report.ts'
import type { DropoffTest, Judged } from './test-dropoffs.ts'

export type SiteDayState = {
  complete: boolean
  vetoed: boolean
  types: Counts
  visitors: number
  /** Orders whose worth is in `revenueMicros`. */
  paidOrders: number
  /** Who paid one, counted up to ten. */
  paying: number
  revenueMicros: number
}
export type StoredAlert = {
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

export const selectSiteDays = async (
  tx: Queryable,
  from: Day,
  to: Day,
): Promise<Map<string, Map<Day, SiteDayState>>> => {
  const rows = await tx.query<{ site_id: string; day: string; types: string; totals: string }>(
    `select site_id, day::text as day, types, totals from site_days
     where day >= $1::date and day <= $2::date and totals is not null`,
    [from, to],
  )
  const sites = new Map<string, Map<Day, SiteDayState>>()
  for (const { site_id, day, types, totals } of rows) {
    const days = sites.get(site_id) ?? new Map<Day, SiteDayState>()
    sites.set(site_id, days)
    const read = readTotals(totals)
    days.set(day, {
      ...{ complete: true, vetoed: read.level === 'red', types: readCounts(types) },
      ...{ visitors: read.visitors, paidOrders: read.paidOrders, revenueMicros: read.revenueMicros },
      paying: read.paying,
    })
  }
  return sites
}

export const selectAlerts = (tx: Queryable, from: Day): Promise<StoredAlert[]> =>
  tx.query<StoredAlert>(
    `select alert_id, site_id, funnel_id, step, state, severity, from_day::text as from_day, to_day::text as to_day,
            extract(epoch from opened_at)::float8 * 1000 as opened, extract(epoch from changed_at)::float8 * 1000 as changed,
            body
     from dropoff_alerts where to_day >= $1::date or state = 'open' order by alert_id`,
    [from],
  )

export type JudgedFunnel = { funnel: Funnel; judged: Judged }

export const selectFunnels = async (
  tx: Queryable,
  file: FunnelFile,
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

export const writeAlert = (tx: Tx, alert: DropoffAlert, step: number, { from, to }: DropoffTest): Promise<number> =>
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
