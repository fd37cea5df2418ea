import type { Queryable } from '../db.ts'
import { domainOf, isLocal } from './domain.ts'
import type { Billable } from './price.ts'

export type Range = { startsMs: number; endsMs: number }
export type SiteUsage = { site: string; events: number; pageviews: number; rejected: number; duplicates: number }
export type Totals = Omit<SiteUsage, 'site'> & { sites: number }
export type Usage = { totals: Totals; sites: SiteUsage[] }

/**
 * Sites that are read one by one. Anyone can invent site ids, so the rest is only summed up; sites of approved domains
 * come first, and are therefore always among them.
 */
export const sitesMax = 50_000

const instant = (n: number): string => `to_timestamp($${n}::float8 / 1000)`

/** Puts sites of these domains first; `right` instead of `like`, because `_` is legal in a host. */
const approvedFirst = (n: number): string =>
  `(exists (select from unnest($${n}::text[]) as d(domain)
     where site_id = domain or right(site_id, length(domain) + 1) = '.' || domain))::int desc`

/** Usage of all nodes now, per site: recounted from the ledger, approved or not. */
export const selectUsage = async (db: Queryable, range: Range, approved: readonly string[]): Promise<Usage> => {
  const sums = `sum(events)::bigint as events, sum(pageviews)::bigint as pageviews, sum(rejected)::bigint as rejected,
                sum(duplicates)::bigint as duplicates`
  const rows = await db.query<SiteUsage & { totals: Totals }>(
    `with per_site as (
       select site_id, ${sums} from client_usage
       where quarter >= ${instant(1)} and quarter < ${instant(2)} group by site_id
     ), totals as (
       select jsonb_build_object('sites', count(*), 'events', coalesce(sum(events), 0), 'rejected', coalesce(sum(rejected), 0),
                'pageviews', coalesce(sum(pageviews), 0), 'duplicates', coalesce(sum(duplicates), 0)) as totals from per_site
     )
     select totals, site_id as site, events, pageviews, rejected, duplicates
     from totals left join (select * from per_site order by ${approvedFirst(3)}, pageviews desc, events desc, site_id
                            limit $4::int) s on true`,
    [range.startsMs, range.endsMs, approved, sitesMax],
  )
  const [first] = rows
  if (!first) throw new Error('An aggregate has one row.')
  const sites = rows
    .filter((row) => row.site !== null)
    .map(({ site, events, pageviews, rejected, duplicates }) => ({ site, events, pageviews, rejected, duplicates }))
  return { totals: first.totals, sites }
}

/** The last part of each node and epoch up to which no manifest is missing, and that manifest's sha256. */
export type Covered = { node: string; epoch: string; through: number; sha256: string }

/** What is verified in the backup, of this node and all others: everything a statement may count. */
export const selectCovered = (db: Queryable, nodeId: string): Promise<Covered[]> =>
  db.query<Covered>(
    `with known as (
       select $1::text as node, epoch, seq as part, manifest_sha256 as sha256 from export_parts p
       where adopted or exists (select from deliveries d where d.part_id = p.part_id and d.object_id is null
                                  and d.destination = 'backup' and d.state = 'verified')
       union all select node_id, epoch, part, sha256 from node_manifests
     ), gapless as (
       select *, row_number() over (partition by node, epoch order by part) as position from known
     )
     select distinct on (node, epoch) node, epoch, part as through, sha256
     from gapless where part = position order by node, epoch, part desc`,
    [nodeId],
  )

export type QuarterUsage = { node: string; site: string; quarterMs: number; events: number; pageviews: number }

/** Usage by the covered manifests, per node, site and quarter. */
export const selectCoveredUsage = (
  db: Queryable,
  range: Range,
  covered: readonly Covered[],
  nodeId: string,
): Promise<QuarterUsage[]> =>
  db.query<QuarterUsage>(
    `select c.node, site_id as site, (extract(epoch from quarter) * 1000)::bigint as "quarterMs",
            sum(events)::bigint as events, sum(pageviews)::bigint as pageviews
     from manifest_usage u
     join unnest($3::text[], $4::text[], $5::bigint[]) as c(node, epoch, through)
       on c.node = coalesce(u.node_id, $6::text) and c.epoch = u.epoch and u.part <= c.through
     where quarter >= ${instant(1)} and quarter < ${instant(2)}
     group by 1, 2, 3`,
    [
      ...[range.startsMs, range.endsMs],
      ...[covered.map((one) => one.node), covered.map((one) => one.epoch), covered.map((one) => one.through)],
      nodeId,
    ],
  )

/** The earliest quarter in which anything arrived, in milliseconds since 1970; null when nothing did. */
export const selectEarliest = async (db: Queryable): Promise<number | null> => {
  // Three questions, because each of them is answered by the first entries of an index.
  const [row] = await db.query<{ earliest: number | null }>(
    `select (extract(epoch from least(
       (select min(quarter) from part_usage where events > 0),
       (select min(quarter) from node_usage where events > 0),
       (select min(quarter) from batches join batch_sites s using (batch_id) where part_id is null and s.events > 0)
     )) * 1000)::bigint as earliest`,
  )
  return row?.earliest ?? null
}

export type Decisions = { approved: ReadonlySet<string>; blocked: ReadonlySet<string> }

/** Whether the usage of a domain is billed: approved, or not refused where the terms bill what is undecided. */
export const isBilled = (domain: string, decisions: Decisions, billUnapproved: boolean): boolean =>
  !isLocal(domain) && (decisions.approved.has(domain) || (billUnapproved && !decisions.blocked.has(domain)))

/** What is billed of these sites. */
export const billableOf = (
  sites: readonly { site: string; events: number; pageviews: number }[],
  decisions: Decisions,
  billUnapproved: boolean,
): Billable => {
  const billed = { events: 0, pageviews: 0 }
  const domains = new Set<string>()
  for (const { site, events, pageviews } of sites) {
    const domain = domainOf(site)
    if (!isBilled(domain, decisions, billUnapproved) || events === 0) continue
    domains.add(domain)
    billed.events += events
    billed.pageviews += pageviews
  }
  return { ...billed, domains: domains.size }
}
