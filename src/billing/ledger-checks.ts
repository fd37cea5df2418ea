import type { Queryable } from '../db.ts'
import { foldedSite } from '../types.ts'
import type { FoundManifest } from './read-delivered.ts'
import type { Range } from './usage.ts'

type PartUsage = { epoch: string; part: number; site: string; quarter: string; events: number; pageviews: number }

const within = `quarter >= to_timestamp($1::float8 / 1000) and quarter < to_timestamp($2::float8 / 1000)`
const isoQuarter = `to_char(quarter at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"')`
/** A sum of what a part does not name: of all of them together, because their names are not known any more. */
const isFolded = `(site_id = '${foldedSite}' or site_id like '${foldedSite}.%')`
const named = (site: string): string => (site === '' ? '(none)' : site)

/**
 * Received = metered: every batch's rows add up to its ledger row, and the rows of a part's batches to the part, per site
 * and quarter; what a part summed up (`(other)`) is compared as a sum. Parts whose batches have begun to leave the buffer are known by their own rows only.
 */
export const checkLedger = async (db: Queryable, range: Range): Promise<string[]> => {
  const batches = await db.query<{ batchId: number; events: number; counted: number }>(
    `select batch_id as "batchId", b.events, coalesce(sum(s.events), 0)::bigint as counted
     from batches b left join batch_sites s using (batch_id)
     where b.created_max >= to_timestamp($1::float8 / 1000) and b.created_min < to_timestamp($2::float8 / 1000)
        or (b.created_min is null and b.events > 0)
     group by batch_id having b.events <> coalesce(sum(s.events), 0) order by 1`,
    [range.startsMs, range.endsMs],
  )
  const parts = await db.query<PartUsage & { counted: number; countedPageviews: number }>(
    `with whole as (
       select p.part_id, epoch, seq, exists (select from part_usage u where u.part_id = p.part_id and ${isFolded}) as is_folded
       from export_parts p
       where not adopted and batches = (select count(*) from batches b where b.part_id = p.part_id)
     ), received as (
       select part_id, quarter,
              case when not is_folded or (not ${isFolded} and exists (
                     select from part_usage u
                     where u.part_id = b.part_id and u.quarter = s.quarter and u.site_id = s.site_id))
                   then site_id else '${foldedSite}' end as site_id,
              sum(s.events)::bigint as events, sum(pageviews)::bigint as pageviews
       from whole join batches b using (part_id) join batch_sites s using (batch_id) where ${within} group by 1, 2, 3
     ), metered as (
       select part_id, quarter, case when ${isFolded} then '${foldedSite}' else site_id end as site_id,
              sum(u.events)::bigint as events, sum(u.pageviews)::bigint as pageviews
       from whole join part_usage u using (part_id) where ${within} group by 1, 2, 3
     )
     select epoch, seq as part, site_id as site, ${isoQuarter} as quarter, coalesce(m.events, 0) as events,
            coalesce(m.pageviews, 0) as pageviews, coalesce(r.events, 0) as counted,
            coalesce(r.pageviews, 0) as "countedPageviews"
     from received r full join metered m using (part_id, quarter, site_id) join whole using (part_id)
     where (coalesce(m.events, 0), coalesce(m.pageviews, 0)) <> (coalesce(r.events, 0), coalesce(r.pageviews, 0))
     order by part_id, 4, site_id`,
    [range.startsMs, range.endsMs],
  )
  return [
    ...batches.map(
      (one) => `Batch ${one.batchId} says ${one.events} events in the ledger; its sites add up to ${one.counted}.`,
    ),
    ...parts.map(
      (one) =>
        `Part ${one.part} of ${one.epoch}, ${named(one.site)}, ${one.quarter}: metered ${one.events} events and ${one.pageviews} pageviews, received ${one.counted} and ${one.countedPageviews}.`,
    ),
  ]
}

/** Metered = delivered: what the database metered of each of this node's parts, and what its manifest there says. */
export const checkMetered = async (
  db: Queryable,
  destination: string,
  nodeId: string,
  manifests: readonly FoundManifest[],
  range: Range,
): Promise<{ differences: string[]; pending: string[] }> => {
  const differences: string[] = []
  const pending: string[] = []
  const own = manifests.filter((one) => one.manifest.node_id === nodeId && one.manifest.revision === 0)
  const found = new Map(own.map((one) => [`${one.manifest.epoch}/${one.manifest.part}`, one]))
  const rows = await db.query<PartUsage>(
    `select epoch, seq as part, site_id as site, ${isoQuarter} as quarter, u.events, u.pageviews
     from export_parts join part_usage u using (part_id) where ${within} and u.events > 0 order by part_id`,
    [range.startsMs, range.endsMs],
  )
  const metered = new Map<string, PartUsage[]>()
  for (const row of rows) {
    const name = `${row.epoch}/${row.part}`
    const group = metered.get(name)
    if (group) group.push(row)
    else metered.set(name, [row])
  }
  const states = await selectPartStates(db, destination)
  for (const [name, usage] of metered) {
    const manifest = found.get(name)
    const events = usage.reduce((sum, one) => sum + one.events, 0)
    if (manifest) differences.push(...compare(destination, manifest, usage, range))
    else if (states.get(name)?.isVerified)
      differences.push(`${destination}: the manifest of part ${name} is missing; it was delivered.`)
    else pending.push(`${destination}: part ${name} with ${events} events is not delivered yet.`)
  }
  for (const { key, sha256, manifest } of own) {
    const state = states.get(`${manifest.epoch}/${manifest.part}`)
    if (!state) differences.push(`${destination}: ${key} is of this node, but the database does not know it.`)
    else if (state.sha256 !== null && state.revision === 0 && state.sha256 !== sha256)
      differences.push(`${destination}: ${key} is not what was delivered; it was edited.`)
  }
  return { differences, pending }
}

const selectPartStates = async (
  db: Queryable,
  destination: string,
): Promise<Map<string, { isVerified: boolean; sha256: string | null; revision: number }>> => {
  const rows = await db.query<{ name: string; isVerified: boolean; sha256: string | null; revision: number }>(
    `select epoch || '/' || seq as name, manifest_sha256 as sha256, revision,
            exists (select from deliveries d where d.part_id = p.part_id and d.object_id is null
                      and d.destination = $1::text and d.state = 'verified') as "isVerified"
     from export_parts p`,
    [destination],
  )
  return new Map(rows.map((row) => [row.name, row]))
}

const compare = (
  destination: string,
  { key, manifest }: FoundManifest,
  usage: readonly PartUsage[],
  range: Range,
): string[] => {
  const said = new Map<string, { events: number; pageviews: number }>()
  for (const { quarter, site, events, pageviews } of manifest.usage) {
    const ms = Date.parse(quarter)
    if (ms >= range.startsMs && ms < range.endsMs)
      said.set(`${new Date(ms).toISOString().slice(0, 16)}Z ${site ?? ''}`, { events, pageviews })
  }
  const problems: string[] = []
  for (const { quarter, site, events, pageviews } of usage) {
    const name = `${quarter} ${site}`
    const there = said.get(name) ?? { events: 0, pageviews: 0 }
    said.delete(name)
    if (there.events !== events || there.pageviews !== pageviews)
      problems.push(
        `${destination}: ${key}, ${named(site)}, ${quarter}: delivered ${there.events} events and ${there.pageviews} pageviews, metered ${events} and ${pageviews}.`,
      )
  }
  for (const [name, { events }] of said)
    if (events > 0) problems.push(`${destination}: ${key}, ${name}: delivered ${events} events, metered none.`)
  return problems
}

/** Events of a period that no part has claimed yet. */
export const countUnclaimed = async (db: Queryable, range: Range): Promise<number> => {
  const [row] = await db.query<{ events: number }>(
    `select coalesce(sum(s.events), 0)::bigint as events
     from batches b join batch_sites s using (batch_id) where b.part_id is null and ${within}`,
    [range.startsMs, range.endsMs],
  )
  return row?.events ?? 0
}
