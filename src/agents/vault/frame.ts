import type { Db, Queryable } from '../../db.ts'
import { addDays } from '../days.ts'
import { hash16 } from '../make-fact.ts'
import { selectAlerts, withAlerts } from '../read-vault-input.ts'
import type { DropoffAlert, FunnelReport, HeatmapReport, Insight, SegmentReport, SiteDay } from '../report.ts'
import { type ReportKind, type StoredReport, selectReports } from '../report-rows.ts'
import { customerPlace, dayPlace, funnelPlace, heatmapPlace, insightPlace } from './note-paths.ts'
import { programHash } from './program-hash.ts'
import type { VaultDeps } from './scope.ts'

/**
 * All that the vault is made of, but the reports of days and customers, which are many and large: of these their hashes, so
 * that only those are read whose notes have news.
 */
export type VaultFrame = {
  readonly daysWithReport: readonly SiteDay[]
  readonly customers: readonly { key: string }[]
  readonly alerts: readonly DropoffAlert[]
  readonly insights: readonly Insight[]
  readonly funnels: readonly FunnelReport[]
  readonly segments: readonly SegmentReport[]
  readonly heatmaps: readonly HeatmapReport[]
  /**
   * What a note is made from, but for its links and its text, as a hash by note id. Without one: alerts, segments and the
   * index, which are few, and are rendered each time.
   */
  readonly sources: ReadonlyMap<string, string>
}

/** Reads before the reports that it leaves out: one that changes meanwhile has another hash the next time. */
export const readFrame = async (deps: VaultDeps, from: string, to: string): Promise<VaultFrame> => {
  const { db } = deps
  const sources = new Map<string, string>()
  const note = (noteId: string, ...of: readonly unknown[]): void => {
    const writer = deps.narrator === null ? 'plain' : ['model', deps.writer]
    sources.set(noteId, hash16(JSON.stringify([programHash(), deps.timeZone, writer, ...of])))
  }
  const isMeant = ({ rawSite }: { rawSite: string }): boolean => deps.isForClient?.(rawSite) ?? true
  const select = async <T extends { rawSite: string }>(kind: ReportKind, range = {}): Promise<StoredReport<T>[]> =>
    (await selectReports<T>(db, { kind, ...range })).filter(({ body }) => isMeant(body))
  const days = (await selectDays(db, from)).filter(isMeant)
  const customers = await selectCustomers(deps)
  const alerts = (await selectAlerts(db, { from, to })).filter(isMeant)
  const insights = await select<Insight>('insight', { from, to })
  const funnels = (await select<FunnelReport>('funnel')).map(({ body, sha256 }) => ({
    ...{ sha256, body: withAlerts(body, alerts) },
  }))
  const heatmaps = await select<HeatmapReport>('heatmap')
  const segments = await selectReports<SegmentReport>(db, { kind: 'segment' })

  const told = new Map<string, string[]>()
  for (const { body } of insights) told.set(keyOf(body), [...(told.get(keyOf(body)) ?? []), body.id])
  const neighbours = neighboursOf(days)
  for (const day of days)
    note(
      dayPlace(day).id,
      ...[day.sha256, neighbours.get(keyOf(day)), told.get(keyOf(day)) ?? [], alertsNear(alerts, day)],
    )
  for (const { key, sha256 } of customers) note(customerPlace(key).id, sha256)
  for (const { body, sha256 } of insights) note(insightPlace(body).id, sha256)
  for (const { body, sha256 } of funnels) note(funnelPlace(body).id, sha256, body.alertIds)
  for (const { body, sha256 } of heatmaps) note(heatmapPlace(body).id, sha256)
  const bodies = <T>(all: readonly { body: T }[]): T[] => all.map(({ body }) => body)
  return {
    ...{ daysWithReport: days, customers, alerts, sources, insights: bodies(insights) },
    ...{ funnels: bodies(funnels), segments: bodies(segments), heatmaps: bodies(heatmaps) },
  }
}

/** Keys of customers with a profile who visited a site. */
export const selectCustomersOf = async (db: Queryable, siteId: string): Promise<Set<string>> => {
  const rows = await db.query<{ key: string }>(
    `select key from reports where kind = 'customer' and (body -> 'rawSites')::jsonb ? $1::text`,
    [siteId],
  )
  return new Set(rows.map(({ key }) => key))
}

type HashedDay = SiteDay & { sha256: string }

const selectDays = async (db: Db, from: string): Promise<HashedDay[]> => {
  const rows = await db.query<{ site_id: string; day: string; sha256: string }>(
    `select site_id, day::text as day, sha256 from reports where kind = 'day' and day >= $1::date order by day, site_id`,
    [from],
  )
  return rows.map(({ site_id, day, sha256 }) => ({ rawSite: site_id, day, sha256 }))
}

type HashedCustomer = { key: string; sha256: string }

/**
 * Those who were seen last, where there are more than may have a profile, and who were seen on the client's sites alone: a
 * profile tells of all of a person's visits. To know either every body has to be looked at.
 */
const selectCustomers = async ({ db, customersMax, isForClient }: VaultDeps): Promise<HashedCustomer[]> => {
  const ofAll = `from reports where kind = 'customer'`
  const rows = await db.query<HashedCustomer>(`select key, sha256 ${ofAll} order by key`)
  if (rows.length <= customersMax && isForClient === undefined) return rows
  const known = await db.query<HashedCustomer & { sites: string }>(
    `select key, sha256, body -> 'rawSites' as sites ${ofAll} order by body ->> 'lastSeen' desc, key`,
  )
  return known
    .filter(({ sites }) => (JSON.parse(sites) as string[]).every((site) => isForClient?.(site) ?? true))
    .slice(0, customersMax)
}

export const keyOf = ({ rawSite, day }: SiteDay): string => JSON.stringify([rawSite, day])

const neighboursOf = (days: readonly SiteDay[]): Map<string, (string | null)[]> => {
  const bySite = new Map<string, SiteDay[]>()
  for (const day of days) {
    const own = bySite.get(day.rawSite)
    if (own) own.push(day)
    else bySite.set(day.rawSite, [day])
  }
  return new Map(
    [...bySite.values()].flatMap((own) =>
      own.map((day, at): [string, (string | null)[]] => [
        keyOf(day),
        [own[at - 1]?.day ?? null, own[at + 1]?.day ?? null],
      ]),
    ),
  )
}

/** Alerts that may touch the day, with their windows: days are local, windows are in UTC, so one day more on both sides. */
const alertsNear = (alerts: readonly DropoffAlert[], { rawSite, day }: SiteDay): string[][] =>
  alerts
    .filter((one) => one.rawSite === rawSite && one.window.from < addDays(day, 2) && one.window.to > addDays(day, -1))
    .map(({ id, window }) => [id, window.from, window.to])
