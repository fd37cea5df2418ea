import type { Queryable, Tx } from '../db.ts'
import type { DestinationName, ExportFormat } from '../types.ts'
import type { Compression } from './encode-sql.ts'

export type Part = {
  partId: number
  epoch: string
  seq: number
  revision: number
  createdMs: number
  producer: string
  schemaVersion: number
  formats: ExportFormat[]
  compression: Partial<Record<ExportFormat, Compression>>
  destinations: DestinationName[]
  batches: { count: number; min: number; max: number }
  events: number
  pageviews: number
  bytes: number
  /** Times as PostgreSQL prints them in UTC with microseconds, ISO 8601. */
  receivedMin: string | null
  receivedMax: string | null
  manifest: string | null
  manifestSha256: string | null
  manifestKey: string | null
  quarantined: string | null
}

export type PartObject = {
  objectId: number
  format: ExportFormat
  compression: string
  hourMs: number
  key: string
  rows: number
  bytes: number
  sha256: string
}

/** ISO 8601 with microseconds, UTC. */
export const isoMicroseconds = (column: string): string =>
  `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`

const partColumns = `part_id as "partId", epoch, seq, revision, (extract(epoch from created_at) * 1000)::bigint as "createdMs",
  producer, schema_version as "schemaVersion", formats, compression, destinations,
  jsonb_build_object('count', batches, 'min', batch_min, 'max', batch_max) as batches, events, pageviews, bytes,
  ${isoMicroseconds('received_min')} as "receivedMin", ${isoMicroseconds('received_max')} as "receivedMax",
  manifest, manifest_sha256 as "manifestSha256", manifest_key as "manifestKey", quarantined`

/** Parts that are not encoded yet, oldest first. */
export const selectUnencoded = (db: Queryable): Promise<Part[]> =>
  db.query<Part>(`select ${partColumns} from export_parts where manifest is null and not adopted order by part_id`)

/** The oldest encoded part after `afterPartId` that this destination has not got whole and that is not set aside there. */
export const selectNextUndelivered = async (
  db: Queryable,
  destination: DestinationName,
  afterPartId: number,
): Promise<(Part & { dueMs: number | null }) | undefined> => {
  const rows = await db.query<Part & { dueMs: number | null }>(
    `select ${partColumns},
            (select (extract(epoch from max(next_attempt_at)) * 1000)::bigint from deliveries d
             where d.part_id = p.part_id and destination = $1::text and state in ('pending', 'parked')) as "dueMs"
     from export_parts p
     where part_id = (select min(part_id) from deliveries
                      where destination = $1::text and part_id > $2::bigint and state in ('pending', 'parked'))`,
    [destination, afterPartId],
  )
  return rows[0]
}

/** Events that wait to be encoded. */
export const selectBacklog = async (db: Queryable): Promise<number> => {
  const [row] = await db.query<{ events: number }>(
    `select ((select coalesce(sum(events), 0) from batches where part_id is null)
           + (select coalesce(sum(events), 0) from export_parts where manifest is null and not adopted))::bigint as events`,
  )
  return row?.events ?? 0
}

export const selectObjects = (db: Queryable, partId: number): Promise<PartObject[]> =>
  db.query<PartObject>(
    `select object_id as "objectId", format, o.compression, (extract(epoch from hour) * 1000)::bigint as "hourMs", key,
            rows, o.bytes, sha256
     from export_objects o join export_parts p using (part_id, revision) where part_id = $1::bigint order by object_id`,
    [partId],
  )

/** True while all rows of a part are in the buffer: its ledger rows leave together with them. */
export const isBuffered = async (db: Queryable, part: Part): Promise<boolean> => {
  const [row] = await db.query<{ batches: number }>(
    'select count(*) as batches from batches where part_id = $1::bigint',
    [part.partId],
  )
  return row?.batches === part.batches.count
}

/** Where an object was verified, now or before a replay asked for it again. */
export const selectVerifiedIn = (
  db: Queryable,
  objectId: number,
): Promise<{ destination: DestinationName; identity: string }[]> =>
  db.query(
    `select destination, identity from deliveries where object_id = $1::bigint and verified_at is not null
     order by destination`,
    [objectId],
  )

/** Hours of arrival a part may hold rows of, from its batches' ranges; in milliseconds, oldest first. */
export const selectHours = async (db: Queryable, partId: number): Promise<number[]> => {
  const rows = await db.query<{ hour: number }>(
    `select distinct (extract(epoch from hour) * 1000)::bigint as hour
     from batches, generate_series(date_trunc('hour', created_min, 'UTC'), date_trunc('hour', created_max, 'UTC'),
                                   interval '1 hour') as hour
     where part_id = $1::bigint and events > 0 order by 1`,
    [partId],
  )
  return rows.map((row) => row.hour)
}

export const selectUsage = (
  db: Queryable,
  partId: number,
): Promise<{ quarter: string; site: string | null; events: number; pageviews: number; erased: number }[]> =>
  db.query(
    `select ${isoMicroseconds('quarter')} as quarter, nullif(site_id, '') as site, events, pageviews, erased
     from part_usage where part_id = $1::bigint and (events > 0 or erased > 0) order by part_usage.quarter, site_id`,
    [partId],
  )

export type Head = { node: string; epoch: string; part: number; revision: number; sha256: string }

/** What the manifest of a new part is chained to: the part before it in its epoch, else the epoch's predecessor. */
export const selectPrevious = async (
  db: Queryable,
  part: Pick<Part, 'epoch' | 'seq'>,
): Promise<{ previousSha256: string | null; predecessor: Head | null }> => {
  const [row] = await db.query<{ sha256: string | null; predecessor: Head | null }>(
    `select (select manifest_sha256 from export_parts p where p.epoch = e.epoch and p.seq = $2::bigint - 1) as sha256,
            predecessor
     from epochs e where epoch = $1::text`,
    [part.epoch, part.seq],
  )
  const predecessor = part.seq === 1 ? (row?.predecessor ?? null) : null
  return { previousSha256: row?.sha256 ?? predecessor?.sha256 ?? null, predecessor }
}

/** Records an encoded part: its manifest, its objects, and their deliveries. One transaction of the caller. */
export const insertEncoded = async (
  tx: Tx,
  part: Part,
  encoded: {
    manifest: { text: string; sha256: string; key: string }
    quarantined: string | null
    objects: Omit<PartObject, 'objectId'>[]
  },
): Promise<void> => {
  await tx.execute(
    `update export_parts set manifest = $2::text, manifest_sha256 = $3::text, manifest_key = $4::text,
            quarantined = $5::text, encoded_at = now()
     where part_id = $1::bigint and manifest is null`,
    [part.partId, encoded.manifest.text, encoded.manifest.sha256, encoded.manifest.key, encoded.quarantined],
  )
  await tx.execute(
    `insert into export_objects (part_id, revision, format, hour, compression, key, rows, bytes, sha256)
     select $1::bigint, $2::int, format, to_timestamp("hourMs"::float8 / 1000), compression, key, rows, bytes, sha256
     from jsonb_to_recordset($3::jsonb) as o(format text, "hourMs" bigint, compression text, key text, rows bigint,
                                             bytes bigint, sha256 text)`,
    [part.partId, part.revision, JSON.stringify(encoded.objects)],
  )
  await tx.execute(
    `insert into deliveries (part_id, revision, object_id, destination)
     select $1::bigint, $2::int, object_id, destination
     from unnest($3::text[]) as destination,
          (select object_id from export_objects where part_id = $1::bigint and revision = $2::int
           union all select null) as o`,
    [part.partId, part.revision, part.destinations],
  )
}
