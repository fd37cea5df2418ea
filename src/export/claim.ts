import type { Db, Queryable, Tx } from '../db.ts'
import type { DestinationName, ExportFormat } from '../types.ts'
import type { Compression } from './encode-sql.ts'
import { foldUsage, undecidedRowsMax } from './fold-usage.ts'
import type { Rules } from './rules.ts'

export type PartTerms = {
  producer: string
  schemaVersion: number
  formats: ExportFormat[]
  compression: Partial<Record<ExportFormat, Compression>>
  destinations: DestinationName[]
  createdMs: number
  rules: Rules | null
}
export type PartLimits = {
  rowsMax: number
  bytesMax: number
  /** No batch beyond this one: a run ends, however much comes in meanwhile. */
  batchMax: number
}

/** Batches looked at for one part; more than this in one part would make its claim a long transaction. */
const partBatchesMax = 50_000

/**
 * Makes the next part of unclaimed batches, in one transaction, and resolves to its id; undefined when there are none.
 * The predicate `part_id is null` stands in the update itself, so that a batch which commits late is in a later part and
 * none is in two. `seq` is the highest + 1: the caller holds the exporter's lock, so it has no gaps. A part takes at
 * least one batch, however large, and otherwise stays within its limits. What a part is made with is frozen here.
 */
export const claimPart = (db: Db, terms: PartTerms, limits: PartLimits): Promise<number | undefined> =>
  db.transaction(async (tx) => {
    if (!(await hasUnclaimed(tx, limits.batchMax))) return undefined
    const partId = await insertPart(tx, terms)
    await claimBatches(tx, partId, limits)
    if ((await insertUsage(tx, partId)) > undecidedRowsMax) await foldUsage(tx, partId)
    await sumUp(tx, partId)
    return partId
  })

const hasUnclaimed = async (tx: Tx, batchMax: number): Promise<boolean> =>
  (await tx.query('select 1 from batches where part_id is null and batch_id <= $1::bigint limit 1', [batchMax]))
    .length > 0

/** The newest batch of all that were acknowledged before this call. */
export const selectNewestBatch = async (db: Queryable): Promise<number> => {
  const [row] = await db.query<{ newest: number | null }>('select max(batch_id) as newest from batches')
  return row?.newest ?? 0
}

const insertPart = async (tx: Tx, terms: PartTerms): Promise<number> => {
  const [row] = await tx.query<{ part_id: number }>(
    `insert into export_parts (epoch, seq, created_at, producer, schema_version, formats, compression, destinations,
                               rules, batches, batch_min, batch_max, events, pageviews, bytes)
     select epoch, coalesce((select max(seq) from export_parts p where p.epoch = e.epoch), 0) + 1,
            to_timestamp($1::float8 / 1000), $2::text, $3::int, $4::text[], $5::jsonb, $6::text[],
            -- A destination that was filtered keeps a chain of its own, also when nothing is filtered any more.
            coalesce($7::jsonb, (select '{"client": {}}'::jsonb
                                 where exists (select from export_parts p where p.epoch = e.epoch and p.rules is not null))),
            0, 0, 0, 0, 0, 0
     from epochs e where is_current
     returning part_id`,
    [
      terms.createdMs,
      terms.producer,
      terms.schemaVersion,
      terms.formats,
      JSON.stringify(terms.compression),
      terms.destinations,
      terms.rules && JSON.stringify(terms.rules),
    ],
  )
  if (!row) throw new Error('The database has no current epoch.')
  return row.part_id
}

const claimBatches = (tx: Tx, partId: number, limits: PartLimits): Promise<number> =>
  tx.execute(
    `with candidates as (
       select batch_id, events, bytes from batches
       where part_id is null and batch_id <= $5::bigint order by batch_id limit $4::int
     ), running as (
       select batch_id, sum(events) over w as events, sum(bytes) over w as bytes, row_number() over w as position
       from candidates window w as (order by batch_id)
     )
     update batches set part_id = $1::bigint
     where part_id is null
       and batch_id in (select batch_id from running
                        where position = 1 or (events <= $2::bigint and bytes <= $3::bigint))`,
    [partId, limits.rowsMax, limits.bytesMax, partBatchesMax, limits.batchMax],
  )

const insertUsage = (tx: Tx, partId: number): Promise<number> =>
  tx.execute(
    `insert into part_usage (part_id, quarter, site_id, events, pageviews, rejected, duplicates, erased)
     select $1::bigint, quarter, site_id, sum(s.events), sum(pageviews), sum(rejected), sum(duplicates), sum(s.erased)
     from batches b join batch_sites s using (batch_id)
     where b.part_id = $1::bigint
     group by quarter, site_id`,
    [partId],
  )

const sumUp = (tx: Tx, partId: number): Promise<number> =>
  tx.execute(
    `update export_parts p
     set batches = b.batches, batch_min = b.batch_min, batch_max = b.batch_max, events = b.events, erased = b.erased, bytes = b.bytes,
         received_min = b.received_min, received_max = b.received_max,
         pageviews = (select coalesce(sum(pageviews), 0) from part_usage where part_id = $1::bigint)
     from (select count(*) as batches, min(batch_id) as batch_min, max(batch_id) as batch_max, sum(events) as events, sum(erased) as erased,
                  sum(bytes) as bytes, min(created_min) as received_min, max(created_max) as received_max
           from batches where part_id = $1::bigint) b
     where p.part_id = $1::bigint`,
    [partId],
  )
