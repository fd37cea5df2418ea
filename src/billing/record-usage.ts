import type { Db, Tx } from '../db.ts'
import { insertOutbox } from '../outbox.ts'
import { domainOf, isSum } from './domain.ts'
import { selectDecisions } from './domains.ts'
import { type Decisions, isBilled } from './usage.ts'

type Deps = { db: Db; clientId: string; nodeId: string; billUnapproved: boolean }
type PartRow = { partId: number; epoch: string; part: number; createdMs: number }

/** Parts that are told in one look. */
const partsMax = 100
/** Sites of one part that are told one by one; the rest, and what is not billed, is one event each. */
const sitesMax = 200

/**
 * Writes `usage.recorded` for parts that have a manifest: one for each billed site, one for the rest of them, one for all
 * that is not billed. Additive, and never twice: the ids derive from part and site, and a part is marked in the same
 * transaction. So a meter that adds these up has what the manifests say, however many site ids were invented.
 */
export const recordUsage = async (deps: Deps): Promise<number> => {
  const parts = await deps.db.query<PartRow>(
    `select part_id as "partId", epoch, seq as part, (extract(epoch from created_at) * 1000)::bigint as "createdMs"
     from export_parts p
     where manifest is not null and not adopted and not exists (select from recorded_parts r where r.part_id = p.part_id)
     order by part_id limit $1::int`,
    [partsMax],
  )
  for (const part of parts) await deps.db.transaction((tx) => recordPart(tx, deps, part))
  return parts.length
}

const recordPart = async (tx: Tx, deps: Deps, part: PartRow): Promise<void> => {
  const mine = await tx.execute('insert into recorded_parts (part_id) values ($1::bigint) on conflict do nothing', [
    part.partId,
  ])
  if (mine === 0) return
  const { approved, blocked } = await selectDecisions(tx)
  const rows = await selectPartUsage(tx, part.partId)
  const decisions = { approved: new Set(approved), blocked: new Set(blocked) }
  for (const { site, billable, events, pageviews } of fold(rows, decisions, deps.billUnapproved))
    await insertOutbox(tx, {
      ...{ clientId: deps.clientId, nodeId: deps.nodeId, type: 'usage.recorded', occurredMs: part.createdMs },
      key: `${deps.nodeId}/${part.epoch}/${part.part}/${site}`,
      data: {
        ...{ epoch: part.epoch, part: part.part, site, billable, events, pageviews },
        ...(isSum(site) ? {} : { domain: domainOf(site) }),
      },
    })
}

type Row = { site: string; events: number; pageviews: number }

const selectPartUsage = (tx: Tx, partId: number): Promise<Row[]> =>
  tx.query<Row>(
    `select site_id as site, sum(events)::bigint as events, sum(pageviews)::bigint as pageviews from part_usage
     where part_id = $1::bigint group by site_id having sum(events) > 0 order by events desc, site_id`,
    [partId],
  )

const fold = (rows: readonly Row[], decisions: Decisions, billUnapproved: boolean): (Row & { billable: boolean })[] => {
  const isBilledRow = (row: Row) => isBilled(domainOf(row.site), decisions, billUnapproved)
  const billed = rows.filter(isBilledRow)
  const summed = (site: string, billable: boolean, some: readonly Row[]) => ({
    ...{ site, billable },
    events: some.reduce((sum, row) => sum + row.events, 0),
    pageviews: some.reduce((sum, row) => sum + row.pageviews, 0),
  })
  return [
    ...billed.slice(0, sitesMax).map((row) => summed(row.site, true, [row])),
    summed('(other)', true, billed.slice(sitesMax)),
    summed(
      '(unapproved)',
      false,
      rows.filter((row) => !isBilledRow(row)),
    ),
  ].filter((one) => one.events > 0)
}
