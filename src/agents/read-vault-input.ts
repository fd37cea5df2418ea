import type { Queryable } from '../db.ts'
import { withVisitorsMarked } from './counts-visitors.ts'
import { compare } from './paths.ts'
import type {
  CustomerProfile,
  DayReport,
  DropoffAlert,
  FunnelReport,
  HeatmapReport,
  Insight,
  ReadReports,
  SegmentReport,
  SiteDay,
  VaultInput,
} from './report.ts'
import { selectReports } from './report-rows.ts'

/**
 * Everything that notes are written from, as the last run left it: the days of the range, and what looks at weeks as of
 * its last run. Reads documents only; nothing is computed here, so that a note and its figures can never differ.
 */
export const readVaultInput: ReadReports = async (db, range) => {
  const { sites, from, to, timeZone } = range
  const daysWithReport = await selectDays(db)
  const alerts = await selectAlerts(db, range)
  const funnels = (await selectReports<FunnelReport>(db, { kind: 'funnel', sites })).map(({ body }) =>
    withVisitorsMarked(withAlerts(body, alerts), [body]),
  )
  const all = async <T>(kind: 'customer' | 'segment' | 'heatmap', limit?: number): Promise<T[]> =>
    (await selectReports<T>(db, { kind, ...(kind !== 'customer' && kind !== 'segment' && { sites }), limit })).map(
      ({ body }) => body,
    )
  return {
    ...{ timeZone, daysWithReport, funnels, alerts },
    days: await readDays(db, range, { daysWithReport, alerts }),
    customers: newestFirst(await all<CustomerProfile>('customer'))
      .filter(({ rawSites }) => !sites || rawSites.some((site) => sites.includes(site)))
      .slice(0, range.customersMax),
    insights: await readInsights(db, { sites, from, to }),
    segments: await all<SegmentReport>('segment'),
    heatmaps: await all<HeatmapReport>('heatmap'),
  }
}

/** The latest reports of days in a range, so many at most, how many there are before them, and the alerts. */
export const readLatestDays = async (db: Queryable, range: Days, most: number): Promise<LatestDays> => {
  const daysWithReport = await selectDays(db)
  const alerts = await selectAlerts(db, range)
  const all = daysWithReport.filter(
    ({ rawSite, day }) => day >= range.from && day <= range.to && (range.sites?.includes(rawSite) ?? true),
  )
  const from = all.at(-most)?.day ?? all[0]?.day ?? range.from
  const days = await readDays(db, { ...range, from }, { daysWithReport, alerts })
  days.sort((a, b) => compare(a.day, b.day) || compare(a.rawSite, b.rawSite))
  return { alerts, days: days.slice(-most), earlier: Math.max(0, all.length - most) }
}
export type LatestDays = Pick<VaultInput, 'days' | 'alerts'> & { readonly earlier: number }

type Days = { sites?: readonly string[] | undefined; from: string; to: string }

/** Reports of days, each with its neighbours and its alerts. */
export const readDays = async (
  db: Queryable,
  { sites, from, to }: Days,
  { daysWithReport, alerts }: Pick<VaultInput, 'daysWithReport' | 'alerts'>,
): Promise<DayReport[]> => {
  const neighbours = new Map<string, string[]>()
  for (const { rawSite, day } of daysWithReport) {
    const own = neighbours.get(rawSite)
    if (own) own.push(day)
    else neighbours.set(rawSite, [day])
  }
  return (await selectReports<DayReport>(db, { kind: 'day', sites, from, to })).map(({ body }) => {
    const own = neighbours.get(body.rawSite) ?? []
    const at = own.indexOf(body.day)
    return {
      ...withVisitorsMarked(body, body.funnels),
      previousDay: own[at - 1] ?? null,
      nextDay: own[at + 1] ?? null,
      alertIds: alerts
        .filter(({ rawSite, window }) => rawSite === body.rawSite && overlaps(window, body.window))
        .map(({ id }) => id),
    }
  })
}

export const readInsights = async (db: Queryable, { sites, from, to }: Days): Promise<Insight[]> =>
  (await selectReports<Insight>(db, { kind: 'insight', sites, from, to })).map(({ body }) => body)

export const withAlerts = (funnel: FunnelReport, alerts: readonly DropoffAlert[]): FunnelReport => ({
  ...funnel,
  alertIds: alerts
    .filter((one) => one.rawSite === funnel.rawSite && one.funnelId === funnel.funnelId)
    .map(({ id }) => id),
})

const overlaps = (a: { from: string; to: string }, b: { from: string; to: string }): boolean =>
  a.from < b.to && b.from < a.to

const newestFirst = (customers: CustomerProfile[]): CustomerProfile[] =>
  customers.sort((a, b) => (a.lastSeen < b.lastSeen ? 1 : a.lastSeen > b.lastSeen ? -1 : a.key < b.key ? -1 : 1))

const selectDays = async (db: Queryable): Promise<SiteDay[]> => {
  const rows = await db.query<{ site_id: string; day: string }>(
    `select site_id, day::text as day from reports where kind = 'day' order by day, site_id`,
  )
  return rows.map(({ site_id, day }) => ({ rawSite: site_id, day }))
}

/** Open alerts, and those whose window or end lies in the range. */
export const selectAlerts = async (db: Queryable, { sites, from, to }: Days): Promise<DropoffAlert[]> => {
  const rows = await db.query<{ body: string }>(
    `select body from dropoff_alerts
     where ($1::text[] is null or site_id = any($1::text[]))
       and (state = 'open' or (to_day >= $2::date and from_day <= $3::date) or closed_at::date between $2::date and $3::date + 1)
     order by opened_at, alert_id`,
    [sites ?? null, from, to],
  )
  return rows.map(({ body }) => JSON.parse(body) as DropoffAlert)
}
