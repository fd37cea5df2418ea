import type { Queryable, Tx } from '../db.ts'
import type { DestinationName, ExportFormat } from '../types.ts'
import type { Compression } from './encode-sql.ts'
import type { Rules } from './rules.ts'

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
  /** As metered: with those that were erased since. */
  events: number
  erased: number
  pageviews: number
  bytes: number
  /** Times as PostgreSQL prints them in UTC with microseconds, ISO 8601. */
  receivedMin: string | null
  receivedMax: string | null
  manifest: string | null
  manifestSha256: string | null
  manifestKey: string | null
  quarantined: string | null
  /** Frozen rules, by destination; null where nobody is filtered. */
  rules: Rules | null
}

/** How a part looks in a destination: `''` where it is not filtered, else the destination's name. */
export type View = '' | 'client'

export const viewOf = ({ rules }: Pick<Part, 'rules'>, destination: DestinationName): View =>
  destination === 'client' && rules?.client ? 'client' : ''
/** All views of a part, the unfiltered one first. */
export const viewsOf = ({ rules }: Pick<Part, 'rules'>): View[] => (rules?.client ? ['', 'client'] : [''])

export type PartObject = {
  objectId: number
  view: View
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

const partColumns = `p.part_id as "partId", p.epoch, p.seq, p.revision, (extract(epoch from p.created_at) * 1000)::bigint as "createdMs",
  p.producer, p.schema_version as "schemaVersion", p.formats, p.compression, p.destinations,
  jsonb_build_object('count', p.batches, 'min', p.batch_min, 'max', p.batch_max) as batches, p.events, p.erased,
  p.pageviews, p.bytes, ${isoMicroseconds('p.received_min')} as "receivedMin",
  ${isoMicroseconds('p.received_max')} as "receivedMax", p.manifest, p.manifest_sha256 as "manifestSha256",
  p.manifest_key as "manifestKey", p.quarantined, p.rules`

/** Parts that are not encoded yet, oldest first. */
export const selectUnencoded = (db: Queryable): Promise<Part[]> =>
  db.query<Part>(`select ${partColumns} from export_parts p where manifest is null and not adopted order by part_id`)

/** The view of a destination, from the rules of a part. */
export const viewSql = (rules: string, destination: string): string =>
  `case when coalesce(${rules}, '{}') ? ${destination} then ${destination} else '' end`

/** A part as one of its manifests says it: revision and manifest are that one's. */
export type PartLink = Part & { link: number; dueMs: number | null }

/**
 * What this destination gets next: the oldest manifest of the chain after `afterLink` that it has not got whole and that is
 * not set aside there. A part that was revised comes twice, each time in its place in the chain.
 */
export const selectNextUndelivered = async (
  db: Queryable,
  destination: DestinationName,
  afterLink: number,
): Promise<PartLink | undefined> => {
  const rows = await db.query<PartLink>(
    `select ${partColumns}, m.revision, m.manifest, m.sha256 as "manifestSha256", m.key as "manifestKey", link,
            (select (extract(epoch from max(next_attempt_at)) * 1000)::bigint from deliveries d
             where d.part_id = m.part_id and d.revision = m.revision and destination = $1::text
               and state in ('pending', 'parked')) as "dueMs"
     from export_manifests m join export_parts p using (part_id)
     where link = (select min(link) from deliveries d join export_manifests x using (part_id, revision)
                   where destination = $1::text and link > $2::bigint and state in ('pending', 'parked')
                     and x.view = ${viewSql('(select rules from export_parts p where p.part_id = d.part_id)', 'd.destination')})`,
    [destination, afterLink],
  )
  return rows[0]
}

/** Parts whose rows an erasure took out of the buffer, and which have no revision without them yet. Oldest first. */
export const selectUnrevised = (db: Queryable): Promise<Part[]> =>
  db.query<Part>(
    `select ${partColumns} from export_parts p where revision_wanted > revision and manifest is not null order by part_id`,
  )

/** SQL: all rows of a part are in the buffer. Its ledger rows leave together with them. */
export const isBufferedSql = (part: string): string =>
  `(select count(*) from batches b where b.part_id = ${part}.part_id) = ${part}.batches`

/** SQL: a part has files with rows that are in the buffer no more: whoever looks for a person has to look into them. */
export const isReleasedSql = (part: string): string =>
  `(${part}.manifest is not null and ${part}.quarantined is null and ${part}.expired_at is null
    and ${part}.events > ${part}.erased and not ${isBufferedSql(part)})`

/** The next such part after one. */
export const selectReleased = async (db: Queryable, afterPartId: number): Promise<Part | undefined> => {
  const rows = await db.query<Part>(
    `select ${partColumns} from export_parts p where part_id > $1::bigint and ${isReleasedSql('p')}
     order by part_id limit 1`,
    [afterPartId],
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

/** The files of the newest revision, in one view. */
export const selectObjects = (db: Queryable, partId: number, view: View = ''): Promise<PartObject[]> =>
  db.query<PartObject>(
    `select object_id as "objectId", view, format, o.compression, (extract(epoch from hour) * 1000)::bigint as "hourMs", key,
            rows, o.bytes, sha256
     from export_objects o join export_parts p using (part_id, revision) where part_id = $1::bigint and view = $2::text order by object_id`,
    [partId, view],
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

/**
 * What a new manifest is chained to: in its destination, the newest one of its epoch, else the epoch's predecessor. A
 * filtered destination has a chain of its own from the first filtered part on; before, it had everybody's.
 */
export const selectPrevious = async (
  db: Queryable,
  part: Pick<Part, 'epoch' | 'seq'>,
  view: View,
): Promise<{ previousSha256: string | null; predecessor: Head | null }> => {
  const [row] = await db.query<{ sha256: string | null; predecessor: Head | null }>(
    `with links as (
       select m.link, m.sha256, m.view, p.seq, m.revision
       from export_manifests m join export_parts p using (part_id) where p.epoch = $1::text
     )
     select coalesce((select sha256 from links where view = $2::text order by link desc limit 1),
                     (select sha256 from links where view = '' and (seq < $3::bigint or $2::text = '')
                      order by link desc limit 1)) as sha256,
            predecessor
     from epochs e where epoch = $1::text`,
    [part.epoch, view, part.seq],
  )
  const isFirst = row?.sha256 == null
  const predecessor = isFirst ? (row?.predecessor ?? null) : null
  return { previousSha256: row?.sha256 ?? predecessor?.sha256 ?? null, predecessor }
}

/** SHA-256 of the manifest of a revision; null where there is none in this view. */
export const selectManifestSha256 = async (
  db: Queryable,
  partId: number,
  revision: number,
  view: View,
): Promise<string | null> => {
  const [row] = await db.query<{ sha256: string }>(
    'select sha256 from export_manifests where part_id = $1::bigint and revision = $2::int and view = $3::text',
    [partId, revision, view],
  )
  return row?.sha256 ?? null
}

export type RenderedManifest = { view: View; text: string; sha256: string; key: string }
export type Encoded = {
  /** One for each view, the unfiltered one first. */
  manifests: RenderedManifest[]
  quarantined: string | null
  objects: Omit<PartObject, 'objectId'>[]
}

/** Records an encoded part: its manifests, its objects, and their deliveries. One transaction of the caller. */
export const insertEncoded = async (tx: Tx, part: Part, encoded: Encoded): Promise<void> => {
  const [main] = encoded.manifests
  await tx.execute(
    `update export_parts set manifest = $2::text, manifest_sha256 = $3::text, manifest_key = $4::text,
            quarantined = $5::text, revision = $6::int, revision_wanted = $6::int, encoded_at = now()
     where part_id = $1::bigint and (manifest is null or revision < $6::int)`,
    [part.partId, main?.text, main?.sha256, main?.key, encoded.quarantined, part.revision],
  )
  for (const { view, key, sha256, text } of encoded.manifests)
    await tx.execute(
      `insert into export_manifests (part_id, revision, view, key, sha256, manifest)
       values ($1::bigint, $2::int, $3::text, $4::text, $5::text, $6::text)`,
      [part.partId, part.revision, view, key, sha256, text],
    )
  await tx.execute(
    `insert into export_objects (part_id, revision, view, format, hour, compression, key, rows, bytes, sha256)
     select $1::bigint, $2::int, view, format, to_timestamp("hourMs"::float8 / 1000), compression, key, rows, bytes, sha256
     from jsonb_to_recordset($3::jsonb) as o(view text, format text, "hourMs" bigint, compression text, key text,
                                             rows bigint, bytes bigint, sha256 text)`,
    [part.partId, part.revision, JSON.stringify(encoded.objects)],
  )
  // A destination that was added later has deliveries, too.
  await tx.execute(
    `insert into deliveries (part_id, revision, object_id, destination)
     select $1::bigint, $2::int, object_id, destination
     from (select unnest($3::text[]) as destination
           union select destination from deliveries where part_id = $1::bigint) as destinations,
          lateral (select object_id from export_objects o
                   where o.part_id = $1::bigint and o.revision = $2::int
                     and o.view = ${viewSql('(select rules from export_parts p where p.part_id = $1::bigint)', 'destination')}
                   union all select null) as o`,
    [part.partId, part.revision, part.destinations],
  )
}

/**
 * Files of earlier revisions that were not delivered yet never will be; their manifests are, as links of the chain. Replaces
 * nothing that was verified: the new revision's files do, under the same keys.
 */
export const voidOlderFiles = (tx: Tx, part: Part): Promise<number> =>
  tx.execute(
    `delete from deliveries where part_id = $1::bigint and revision < $2::int and object_id is not null
       and state <> 'verified'`,
    [part.partId, part.revision],
  )
