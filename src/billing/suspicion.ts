import type { Tx } from '../db.ts'
import { domainOf } from './domain.ts'

export type Evidence = {
  /** Events looked at. */
  sampled: number
  visitors: number
  addresses: number
  /** All events came from one address, and that address sent for many other undecided domains, too. */
  isForged: boolean
  busiest: { address: string; share: number; domains: number } | null
  /** An approved domain that its events name as their site: the page was copied with the snippet. */
  copyOf: { domain: string; share: number } | null
}

/** Batches and events of a sample; the newest. */
const sampledBatchesMax = 500
const sampledEventsMax = 50_000
/** One address that sends for so many undecided domains is no visitor. */
const forgedDomainsMin = 20
/** This share of events under an approved site's name is no accident. */
const copiedShareMin = 0.5

type Row = { domain: string; visitor: string | null; address: string | null; sentAs: string | null; events: number }

/** Looks at the newest events of some domains in the buffer: who sent them, and under which site's name. */
export const sampleEvidence = async (
  tx: Tx,
  domains: readonly { domain: string; sites: string[] }[],
  approved: ReadonlySet<string>,
): Promise<{ perDomain: Map<string, Evidence>; busiest: { address: string; domains: number } | null }> => {
  const rows = await selectSample(tx, domains)
  const domainsOf = new Map<string, Set<string>>()
  for (const { address, domain } of rows)
    if (address !== null) domainsOf.set(address, (domainsOf.get(address) ?? new Set()).add(domain))
  const byDomain = new Map<string, Row[]>()
  for (const row of rows) {
    const own = byDomain.get(row.domain)
    if (own) own.push(row)
    else byDomain.set(row.domain, [row])
  }
  const perDomain = new Map<string, Evidence>()
  for (const [domain, own] of byDomain)
    perDomain.set(
      domain,
      evidenceOf(own, domain, approved, (address) => domainsOf.get(address)?.size ?? 0),
    )
  const [busiest] = [...domainsOf].sort((a, b) => b[1].size - a[1].size)
  return { perDomain, busiest: busiest ? { address: busiest[0], domains: busiest[1].size } : null }
}

const selectSample = (tx: Tx, domains: readonly { domain: string; sites: string[] }[]): Promise<Row[]> => {
  const pairs = domains.flatMap(({ domain, sites }) => sites.map((site) => ({ domain, site })))
  return tx.query<Row>(
    `with wanted as (
       select * from unnest($1::text[], $2::text[]) as w(domain, site)
     ), newest as (
       select distinct batch_id from batch_sites where site_id in (select site from wanted)
       order by batch_id desc limit $3::int
     ), sample as (
       select domain, visitor_id, ip_address, raw_event_data ->> 'siteId' as sent_as
       from events_log join wanted on site = coalesce(site_id, '')
       where batch_id in (select batch_id from newest) limit $4::int
     )
     select domain, visitor_id as visitor, ip_address as address, sent_as as "sentAs", count(*) as events
     from sample group by 1, 2, 3, 4`,
    [pairs.map((one) => one.domain), pairs.map((one) => one.site), sampledBatchesMax, sampledEventsMax],
  )
}

const evidenceOf = (
  rows: readonly Row[],
  domain: string,
  approved: ReadonlySet<string>,
  domainsOf: (address: string) => number,
): Evidence => {
  const sampled = rows.reduce((sum, row) => sum + row.events, 0)
  const [address] = largest(rows, (row) => row.address)
  const [copied] = largest(rows, (row) => approvedNameOf(row.sentAs, domain, approved))
  const addresses = new Set(rows.flatMap((row) => row.address ?? []))
  const busiest = address && {
    ...{ address: address.key, share: address.events / sampled, domains: domainsOf(address.key) },
  }
  return {
    ...{ sampled, addresses: addresses.size, busiest: busiest ?? null },
    visitors: new Set(rows.flatMap((row) => row.visitor ?? [])).size,
    isForged: addresses.size === 1 && (busiest?.domains ?? 0) >= forgedDomainsMin,
    copyOf:
      copied && copied.events / sampled >= copiedShareMin
        ? { domain: copied.key, share: copied.events / sampled }
        : null,
  }
}

/** Events by key, the most frequent first; rows without one are left out. */
const largest = (rows: readonly Row[], keyOf: (row: Row) => string | null): { key: string; events: number }[] => {
  const sums = new Map<string, number>()
  for (const row of rows) {
    const key = keyOf(row)
    if (key !== null) sums.set(key, (sums.get(key) ?? 0) + row.events)
  }
  return [...sums].map(([key, events]) => ({ key, events })).sort((a, b) => b.events - a.events)
}

/** The approved domain that an event names as its site, as a host or in the pixel's spelling with hyphens. */
const approvedNameOf = (sentAs: string | null, own: string, approved: ReadonlySet<string>): string | null => {
  if (sentAs === null) return null
  const names = [sentAs, sentAs.replaceAll('-', '.')].map((one) => domainOf(one.trim().toLowerCase()))
  return names.find((one) => one !== own && approved.has(one)) ?? null
}

/** What speaks against a domain, in words for the person who decides. */
export const suspicionsOf = ({ sampled, isForged, busiest, copyOf }: Evidence): string[] => {
  const percent = (share: number): string => `${Math.floor(share * 100)} %`
  return [
    ...(isForged && busiest
      ? [
          `forged: all ${sampled} sampled events came from ${busiest.address}, which sends for ${busiest.domains} undecided domains`,
        ]
      : []),
    ...(copyOf
      ? [`copied snippet: ${percent(copyOf.share)} of ${sampled} sampled events name ${copyOf.domain} as their site`]
      : []),
  ]
}
