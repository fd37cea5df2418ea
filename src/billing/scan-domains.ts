import { insertAudit } from '../audit.ts'
import type { Clock } from '../clock.ts'
import type { Db, Queryable, Tx } from '../db.ts'
import { insertOutbox } from '../outbox.ts'
import { domainOf, isLocal, isSum, matchesPattern } from './domain.ts'
import { selectDecisions, selectDomains, upsertDecision } from './domains.ts'
import type { PlansFile } from './plans.ts'
import { type Evidence, sampleEvidence, suspicionsOf } from './suspicion.ts'

const dayMs = 24 * 3600 * 1000
/** A scan looks back this far; a domain that was quiet for longer begins anew. */
const lookBackMs = 35 * dayMs
/** Sites that a scan reads, the busiest first. */
const sitesReadMax = 20_000
/** Undecided domains in the table: anyone can invent more. The busiest stay. */
export const undecidedMax = 1000
/** Undecided domains that are proposed at one time; each is one event for the outside, and one question to a person. */
export const pendingMax = 200
/** Domains whose events are sampled in one scan. */
const sampledMax = 200
/** So many undecided domains are no client's. */
const floodDomainsMin = 500

export type ScanDeps = { db: Db; clock: Clock; clientId: string; nodeId: string; rules: PlansFile['domains'] }

type Seen = { domain: string; sites: string[]; events: number; pageviews: number; firstMs: number; lastMs: number }

/**
 * Looks at all sites of the last weeks and keeps the table of domains: counts are recounted, never added up. A domain that
 * was seen often enough is proposed for billing (`domain.discovered`), unless its events look forged. What does not fit
 * into the table is counted in `domain_scan`, and a flood raises an alert, once a day.
 */
export const scanDomains = (deps: ScanDeps): Promise<void> =>
  deps.db.transaction(async (tx) => {
    const nowMs = deps.clock.now()
    const { seen, unread } = await selectSeen(tx, nowMs)
    await approveByPattern(tx, deps, seen, nowMs)
    const { approved, blocked } = await selectDecisions(tx)
    const decided = new Set([...approved, ...blocked])
    const pending = new Set((await selectDomains(tx)).filter((one) => one.state === 'pending').map((one) => one.domain))
    const isAsked = ({ domain }: Seen): boolean => !decided.has(domain) && !isLocal(domain)
    const undecided = seen.filter(isAsked)
    // What was proposed stays until it is decided; the busiest of the others get the rest of the room.
    const kept = [
      ...undecided.filter((one) => pending.has(one.domain)),
      ...undecided.filter((one) => !pending.has(one.domain)).slice(0, Math.max(0, undecidedMax - pending.size)),
    ]
    await upsertSeen(tx, [...kept, ...seen.filter((one) => decided.has(one.domain))])
    await tx.execute(`delete from domains where state = 'seen' and domain <> all($1::text[])`, [
      kept.map((one) => one.domain),
    ])
    const sampled = kept.slice(0, sampledMax)
    const evidence = await sampleEvidence(tx, sampled, new Set(approved))
    await proposeDomains(tx, deps, sampled, evidence.perDomain, { pending, nowMs })
    const keptDomains = new Set(kept.map((one) => one.domain))
    // What the parts summed up, because there was too much of it, is one more; of how many sites, nobody knows any more.
    const unlisted = seen.filter((one) => isSum(one.domain) || (isAsked(one) && !keptDomains.has(one.domain)))
    const scan = {
      domains: undecided.length + decided.size,
      unlistedDomains: unlisted.length + unread.sites,
      unlistedEvents: unlisted.reduce((sum, one) => sum + one.events, unread.events),
      unlistedPageviews: unlisted.reduce((sum, one) => sum + one.pageviews, unread.pageviews),
      busiest: evidence.busiest,
    }
    await upsertScan(tx, scan, nowMs)
    if (undecided.length + unread.sites >= floodDomainsMin) await raiseFlood(tx, deps, scan, nowMs)
  })

/** Domains by pageviews, and what lies beyond the sites that are read. */
const selectSeen = async (
  tx: Tx,
  nowMs: number,
): Promise<{ seen: Seen[]; unread: { sites: number; events: number; pageviews: number } }> => {
  type Row = { site: string; events: number; pageviews: number; firstMs: number; lastMs: number; totals: Totals }
  type Totals = { sites: number; events: number; pageviews: number }
  const rows = await tx.query<Row>(
    `with per_site as (
       select site_id as site, sum(events)::bigint as events, sum(pageviews)::bigint as pageviews,
              (extract(epoch from min(quarter)) * 1000)::bigint as "firstMs",
              (extract(epoch from max(quarter)) * 1000)::bigint as "lastMs"
       from usage_quarters where quarter >= to_timestamp($1::float8 / 1000) group by site_id
     ), totals as (
       select jsonb_build_object('sites', count(*), 'events', sum(events), 'pageviews', sum(pageviews)) as totals from per_site
     )
     select * from per_site, totals where events > 0 order by pageviews desc, events desc, site limit $2::int`,
    [nowMs - lookBackMs, sitesReadMax],
  )
  const byDomain = new Map<string, Seen>()
  const unread = { sites: 0, events: 0, pageviews: 0, ...rows[0]?.totals }
  for (const { site, events, pageviews, firstMs, lastMs } of rows) {
    unread.sites--
    unread.events -= events
    unread.pageviews -= pageviews
    const domain = domainOf(site)
    const one = byDomain.get(domain) ?? { domain, sites: [], events: 0, pageviews: 0, firstMs, lastMs }
    one.sites.push(site)
    one.events += events
    one.pageviews += pageviews
    one.firstMs = Math.min(one.firstMs, firstMs)
    one.lastMs = Math.max(one.lastMs, lastMs)
    byDomain.set(domain, one)
  }
  const seen = [...byDomain.values()].sort((a, b) => b.pageviews - a.pageviews || b.events - a.events)
  return { seen, unread }
}

const approveByPattern = async (tx: Tx, deps: ScanDeps, seen: readonly Seen[], nowMs: number): Promise<void> => {
  const patterns = deps.rules.auto_approve
  const known = new Set([...Object.values(await selectDecisions(tx))].flat())
  for (const { domain, sites } of seen) {
    const hosts = [domain, ...sites]
    const pattern = isLocal(domain)
      ? undefined
      : patterns.find((one) => hosts.some((host) => matchesPattern(host, one)))
    if (pattern === undefined || known.has(domain)) continue
    const by = `pattern ${pattern}`
    await upsertDecision(tx, { domain, state: 'approved', by, atMs: nowMs })
    await insertAudit(tx, { by, nowMs }, 'domain.approved', domain)
  }
}

const upsertSeen = (tx: Tx, seen: readonly Seen[]): Promise<number> =>
  tx.execute(
    `insert into domains (domain, state, first_seen, last_seen, events, pageviews)
     select domain, 'seen', to_timestamp(first_ms / 1000), to_timestamp(last_ms / 1000), events, pageviews
     from unnest($1::text[], $2::float8[], $3::float8[], $4::bigint[], $5::bigint[])
       as s(domain, first_ms, last_ms, events, pageviews)
     on conflict (domain) do update set events = excluded.events, pageviews = excluded.pageviews,
       first_seen = least(domains.first_seen, excluded.first_seen), last_seen = greatest(domains.last_seen, excluded.last_seen)`,
    [
      seen.map((one) => one.domain),
      seen.map((one) => one.firstMs),
      seen.map((one) => one.lastMs),
      seen.map((one) => one.events),
      seen.map((one) => one.pageviews),
    ],
  )

const proposeDomains = async (
  tx: Tx,
  deps: ScanDeps,
  sampled: readonly Seen[],
  evidence: ReadonlyMap<string, Evidence>,
  { pending, nowMs }: { pending: ReadonlySet<string>; nowMs: number },
): Promise<void> => {
  let room = pendingMax - pending.size
  for (const { domain, events, pageviews, firstMs } of sampled) {
    const found = evidence.get(domain)
    if (!found) continue
    const suspicions = suspicionsOf(found)
    const isBusy = pageviews >= deps.rules.pageviews_min && found.visitors >= deps.rules.visitors_min
    const isProposed = !pending.has(domain) && room > 0 && isBusy && !found.isForged
    await tx.execute(
      `update domains set visitors = greatest(visitors, $2::int), addresses = greatest(addresses, $3::int),
              suspicions = $4::text[], state = case when $5::bool then 'pending' else state end
       where domain = $1::text and state in ('seen', 'pending')`,
      [domain, found.visitors, found.addresses, suspicions, isProposed],
    )
    if (!isProposed) continue
    room--
    await insertOutbox(tx, {
      ...{ clientId: deps.clientId, nodeId: deps.nodeId, type: 'domain.discovered', occurredMs: nowMs, key: domain },
      data: {
        ...{ domain, events, pageviews, visitors: found.visitors, addresses: found.addresses, suspicions },
        first_seen: new Date(firstMs).toISOString(),
      },
    })
  }
}

type Scan = {
  domains: number
  unlistedDomains: number
  unlistedEvents: number
  unlistedPageviews: number
  busiest: { address: string; domains: number } | null
}

const upsertScan = (tx: Tx, scan: Scan, nowMs: number): Promise<number> =>
  tx.execute(
    `insert into domain_scan (at, domains, unlisted_domains, unlisted_events, unlisted_pageviews, busiest_address, busiest_domains)
     values (to_timestamp($1::float8 / 1000), $2::bigint, $3::bigint, $4::bigint, $5::bigint, $6::text, $7::int)
     on conflict (only_row) do update set at = excluded.at, domains = excluded.domains,
       unlisted_domains = excluded.unlisted_domains, unlisted_events = excluded.unlisted_events,
       unlisted_pageviews = excluded.unlisted_pageviews, busiest_address = excluded.busiest_address,
       busiest_domains = excluded.busiest_domains`,
    [
      ...[nowMs, scan.domains, scan.unlistedDomains, scan.unlistedEvents, scan.unlistedPageviews],
      ...[scan.busiest?.address ?? null, scan.busiest?.domains ?? 0],
    ],
  )

const raiseFlood = async (tx: Tx, deps: ScanDeps, scan: Scan, nowMs: number): Promise<void> => {
  const day = new Date(nowMs).toISOString().slice(0, 10)
  await insertOutbox(tx, {
    ...{ clientId: deps.clientId, nodeId: deps.nodeId, type: 'alert.raised', occurredMs: nowMs },
    key: `domain_flood/${deps.nodeId}/${day}`,
    data: {
      alert: 'domain_flood',
      ...{ domains: scan.domains, unlisted_domains: scan.unlistedDomains, unlisted_events: scan.unlistedEvents },
      ...{ busiest_address: scan.busiest?.address ?? null, busiest_address_domains: scan.busiest?.domains ?? 0 },
      next: 'See evothesis billing domains. Nothing of it is billed; SITES_ALLOWED refuses it.',
    },
  })
}

export type DomainScan = {
  at: string
  domains: number
  unlistedDomains: number
  unlistedEvents: number
  unlistedPageviews: number
  busiestAddress: string | null
  busiestDomains: number
}

/** What the latest scan found; null before the first. */
export const selectScan = async (db: Queryable): Promise<DomainScan | null> => {
  const [row] = await db.query<DomainScan>(
    `select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as at, domains, unlisted_domains as "unlistedDomains",
            unlisted_events as "unlistedEvents", unlisted_pageviews as "unlistedPageviews",
            busiest_address as "busiestAddress", busiest_domains as "busiestDomains"
     from domain_scan`,
  )
  return row ?? null
}
