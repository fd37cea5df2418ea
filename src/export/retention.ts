import type { Clock } from '../clock.ts'
import type { Db, Queryable, Tx } from '../db.ts'
import type { Log } from '../log.ts'
import { sqlStateOf } from '../sqlstate.ts'

export type RetentionPolicy = {
  /** Rows stay this long after their part was verified everywhere. */
  keepMs: number
  /** The low-disk rule: parts that are verified in a backup bucket may leave although another destination waits. */
  diskIsLow: boolean
  /** Identity of the backup bucket; null where the backup is a folder, which is no backup on the same disk. */
  backupBucket: string | null
}
export type Released = { parts: number; events: number; chunks: number; unverified: number }

/** A writer may hold a chunk's lock for as long as its commit takes; retention comes back later rather than wait. */
const lockWaitMs = 2_000

/**
 * Lets rows leave the buffer whose parts are verified in every destination, never earlier. A part's ledger rows go with
 * them: what they counted is in the part and its usage. TimescaleDB drops whole chunks, under an exclusive lock and after
 * looking again; plain PostgreSQL deletes by batch. What cannot go now goes at the next time: late, never early.
 */
export const releaseBuffer = async (
  deps: { db: Db; clock: Clock; log: Log },
  policy: RetentionPolicy,
): Promise<Released> => {
  const { db, clock, log } = deps
  const until = clock.now() - policy.keepMs
  const released: Released = { parts: 0, events: 0, chunks: 0, unverified: 0 }
  const add = (one: Released) => {
    for (const key of Object.keys(released) as (keyof Released)[]) released[key] += one[key]
  }
  if (await isHypertable(db)) {
    for (const chunk of await selectChunks(db)) {
      try {
        add(await db.transaction((tx) => releaseChunk(tx, chunk, until, policy)))
      } catch (error) {
        // 55P03: somebody writes there. Other failures are the next run's, too; the rows stay.
        log[sqlStateOf(error) === '55P03' ? 'info' : 'error'](
          { chunk: chunk.name, err: error },
          'a chunk stays for now',
        )
      }
    }
  } else {
    for (const partId of await selectReleasable(db, until, policy))
      add(await db.transaction((tx) => releasePart(tx, partId, until, policy)))
  }
  if (released.unverified > 0)
    log.error({ parts: released.unverified }, 'the disk is low: rows left the buffer that only the backup has')
  return released
}

/**
 * A part may be released: by the rule (every delivery verified, long enough ago, and the agents have read all of it), or
 * because the disk is low and the backup bucket of today has all of it. $1 is the end of the keeping time, $2 that bucket's
 * identity, null while the second way is closed. Either way not while an erasure's revision has still to be made of its rows.
 */
const releasable = (part: string): string =>
  `(${part}.manifest is not null and ${part}.quarantined is null and ${part}.revision_wanted <= ${part}.revision
    and ((not exists (select from deliveries d where d.part_id = ${part}.part_id and d.state <> 'verified')
          and (select max(verified_at) from deliveries d where d.part_id = ${part}.part_id)
              <= to_timestamp($1::float8 / 1000)
          and not exists (select from batches u where u.part_id = ${part}.part_id and u.agents_run_id is null))
         or ($2::text is not null
             and exists (select from deliveries d where d.part_id = ${part}.part_id and d.destination = 'backup')
             and not exists (select from deliveries d where d.part_id = ${part}.part_id and d.destination = 'backup'
                             and (d.state <> 'verified' or d.identity is distinct from $2::text)))))`

const mayLeaveEarly = (policy: RetentionPolicy): string | null => (policy.diskIsLow ? policy.backupBucket : null)

const selectReleasable = async (db: Queryable, until: number, policy: RetentionPolicy): Promise<number[]> => {
  const rows = await db.query<{ part_id: number }>(
    `select part_id from export_parts p
     where released_at is null and not adopted and ${releasable('p')} order by part_id`,
    [until, mayLeaveEarly(policy)],
  )
  return rows.map((row) => row.part_id)
}

const releasePart = async (tx: Tx, partId: number, until: number, policy: RetentionPolicy): Promise<Released> => {
  // Looked at again under the row's lock: a replay may have opened a delivery since.
  const [part] = await tx.query<{ events: number; waiting: boolean }>(
    `select events, exists (select from deliveries d where d.part_id = p.part_id and d.state <> 'verified') as waiting
     from export_parts p where part_id = $3::bigint and ${releasable('p')} for update`,
    [until, mayLeaveEarly(policy), partId],
  )
  if (!part) return { parts: 0, events: 0, chunks: 0, unverified: 0 }
  const events = await tx.execute(
    `delete from events_log where batch_id in (select batch_id from batches where part_id = $1::bigint)`,
    [partId],
  )
  await collapse(tx, 'part_id = $1::bigint', [partId])
  return { parts: 1, events, chunks: 0, unverified: part.waiting ? 1 : 0 }
}

/**
 * Ledger rows become their part's; a part all of whose rows are gone is marked released. What leaves unread, on a full
 * disk, is written down for the agents: they cannot judge its days.
 */
export const collapse = async (tx: Tx, which: string, values: unknown[]): Promise<number> => {
  await tx.execute(
    `insert into unread_events (site_id, quarter, events)
     select s.site_id, s.quarter, sum(s.events) from batch_sites s
     where s.events > 0 and s.batch_id in (select batch_id from batches where agents_run_id is null and ${which})
     group by 1, 2
     on conflict (site_id, quarter) do update set events = unread_events.events + excluded.events`,
    values,
  )
  await tx.execute(`delete from batches where ${which}`, values)
  return tx.execute(
    `update export_parts p set released_at = now()
     where released_at is null and not adopted and manifest is not null
       and not exists (select from batches b where b.part_id = p.part_id)`,
  )
}

type Chunk = { schema: string; name: string; from: string; until: string }

const isHypertable = async (db: Queryable): Promise<boolean> =>
  (await db.query(`select 1 from pg_extension where extname = 'timescaledb'`)).length > 0

const selectChunks = (db: Queryable): Promise<Chunk[]> =>
  db.query<Chunk>(
    `select chunk_schema as schema, chunk_name as name, range_start::text as from, range_end::text as until
     from timescaledb_information.chunks where hypertable_name = 'events_log' and range_end <= now()
     order by range_start`,
  )

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

const releaseChunk = async (tx: Tx, chunk: Chunk, until: number, policy: RetentionPolicy): Promise<Released> => {
  const none: Released = { parts: 0, events: 0, chunks: 0, unverified: 0 }
  // A look without a lock first: most chunks are not ready, and a lock makes writers wait.
  if ((await selectHeldBatches(tx, chunk, until, policy)) > 0) return none
  await tx.execute(`set local lock_timeout = ${lockWaitMs}`)
  await tx.execute(`lock table ${quoted(chunk.schema)}.${quoted(chunk.name)} in access exclusive mode`)
  // A new statement sees what has committed since; nobody can write to the chunk any more.
  if ((await selectHeldBatches(tx, chunk, until, policy)) > 0) return none
  const [held] = await tx.query<{ events: number; unverified: number }>(
    `select coalesce(sum(events), 0)::bigint as events,
            count(distinct part_id) filter (where exists (select from deliveries d where d.part_id = b.part_id
                                                          and d.state <> 'verified')) as unverified
     from batches b where stored_at >= $1::timestamptz and stored_at < $2::timestamptz`,
    [chunk.from, chunk.until],
  )
  await tx.query(`select drop_chunks('events_log', older_than => $2::timestamptz, newer_than => $1::timestamptz)`, [
    chunk.from,
    chunk.until,
  ])
  const parts = await collapse(tx, 'stored_at >= $1::timestamptz and stored_at < $2::timestamptz', [
    chunk.from,
    chunk.until,
  ])
  return { parts, events: held?.events ?? 0, chunks: 1, unverified: held?.unverified ?? 0 }
}

/** Batches in the chunk that may not leave: in no part, or in one that is not verified long enough. */
const selectHeldBatches = async (tx: Tx, chunk: Chunk, until: number, policy: RetentionPolicy): Promise<number> => {
  const [row] = await tx.query<{ held: number }>(
    `select count(*) as held from batches b left join export_parts p using (part_id)
     where b.stored_at >= $3::timestamptz and b.stored_at < $4::timestamptz
       and (p.part_id is null or (not p.adopted and not ${releasable('p')}))`,
    [until, mayLeaveEarly(policy), chunk.from, chunk.until],
  )
  return row?.held ?? 0
}

/** What holds the oldest rows in the buffer, for people; null when nothing does but the keeping time. */
export const selectHolder = async (
  db: Queryable,
): Promise<{ oldest_stored_at: string | null; held_by: string | null }> => {
  const [row] = await db.query<{ oldest_stored_at: string | null; held_by: string | null }>(
    `select (select min(stored_at) from batches) as oldest_stored_at,
            coalesce(
              (select 'part ' || p.seq || ': ' || d.destination || ' ' || d.state || coalesce(' (' || d.error || ')', '')
               from deliveries d join export_parts p using (part_id)
               where d.state <> 'verified' and p.released_at is null order by part_id, delivery_id limit 1),
              (select 'the agents have not read them: see evothesis notes status' from batches
               where agents_run_id is null and stored_at < now() - interval '6 hours' limit 1)) as held_by`,
  )
  return row ?? { oldest_stored_at: null, held_by: null }
}
