import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Clock } from '../clock.ts'
import type { Db, Session, Tx } from '../db.ts'
import { type Erasure, finishErasure } from '../erasures.ts'
import { messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { countPersonStatement, linkedVisitorsStatement } from '../storage/object-sql.ts'
import { type Person, personCondition, personParameters } from '../storage/person.ts'
import { sha256OfText } from '../storage/sha256.ts'
import { foldedSite } from '../types.ts'
import type { EncodeContext } from './encode-context.ts'
import {
  isBufferedSql,
  isReleasedSql,
  type Part,
  type PartObject,
  selectObjects,
  selectReleased,
  selectUnrevised,
} from './parts.ts'
import { reviseFromBuffer, reviseFromFiles, stageObjects } from './revise.ts'
import { stagedFile } from './staging.ts'

export type EraseContext = { db: Db; clock: Clock; log: Log; encode: EncodeContext; stopped: AbortSignal }

/**
 * Takes people out of everything that this node exported or is going to: rows in the buffer, and files in the destinations,
 * as revisions of their parts. Runs under the exporter's lock. Every step is recorded, so that a process that dies goes on
 * where it was; deliveries of the revisions are made like all others. What was metered stays metered.
 */
export const applyErasures = async (context: EraseContext, session: Session): Promise<void> => {
  for (const erasure of await selectReady(context.db)) {
    if (context.stopped.aborted) return
    await orLater(context, { erasure: erasure.erasureId }, async () => {
      const person = await resolvePerson(context, session, erasure)
      if (!erasure.bufferDone) await eraseBuffered(context.db, erasure.erasureId, person)
      await reviseAll(context, session)
      await eraseDelivered(context, session, erasure, person)
    })
  }
  // Also what an earlier process began.
  await reviseAll(context, session)
}

/** What fails is tried again at the next run: one person's files must not keep everybody's events from being exported. */
const orLater = async ({ log, stopped }: EraseContext, fields: object, work: () => Promise<void>): Promise<void> => {
  try {
    await work()
  } catch (error) {
    if (stopped.aborted) throw error
    log.error({ ...fields, err: error }, `an erasure waits: ${messageOf(error)}`)
  }
}

type Ready = Erasure & { resolved: boolean; bufferDone: boolean; scannedPartId: number }

/** Erasures before which nothing is left in the spool: no event of before the request can come into the buffer any more. */
const selectReady = (db: Db): Promise<Ready[]> =>
  db.query<Ready>(
    `select erasure_id::text as "erasureId", (extract(epoch from requested_at) * 1000)::bigint as "requestedMs", kind,
            subject, subject_hash::text as "subjectHash", resolved_at is not null as resolved,
            buffer_done_at is not null as "bufferDone", scanned_part_id as "scannedPartId"
     from erasures where export_done_at is null and spool_done_at is not null order by requested_at, erasure_id`,
  )

/** A user is also their visitors: those who were logged in as this user, wherever that was recorded. */
const resolvePerson = async (context: EraseContext, session: Session, erasure: Ready): Promise<Person> => {
  const { db } = context
  const { users } = erasure.subject
  if (erasure.resolved || users.length === 0) return erasure.subject
  const visitors = new Set(erasure.subject.visitors)
  // On the session, which has no limit of time: this reads the whole buffer.
  const buffered = await session.query<{ visitor_id: string }>(
    'select distinct visitor_id from events_log where user_id = any($1::text[]) and visitor_id is not null',
    [users],
  )
  for (const row of buffered) visitors.add(row.visitor_id)
  for (let part = await selectReleased(db, 0); part; part = await selectReleased(db, part.partId))
    for (const object of smallestFormat(await selectObjects(db, part.partId))) {
      const [found = []] = await readObject(context, session, part, object, (file) => [
        linkedVisitorsStatement(object.format, file, users),
      ])
      for (const visitor of found) visitors.add(visitor)
    }
  const person = { visitors: [...visitors], users }
  await db.execute('update erasures set subject = $2::jsonb, resolved_at = now() where erasure_id = $1::uuid', [
    erasure.erasureId,
    JSON.stringify(person),
  ])
  return person
}

/**
 * One transaction: rows leave the buffer, the ledger counts them as erased, and encoded parts are marked for a revision. A
 * part some of whose rows left the buffer before is not counted here: its files are looked through, and they have all rows.
 */
const eraseBuffered = (db: Db, erasureId: string, person: Person): Promise<void> =>
  db.transaction(async (tx) => {
    const parameters = personParameters(person)
    // The whole buffer is read, which no limit of time fits; and rows that TimescaleDB has compressed are opened for it.
    await tx.execute('set local statement_timeout = 0')
    await tx.query(
      `select set_config(name, '0', true) from pg_settings
       where name = 'timescaledb.max_tuples_decompressed_per_dml_transaction'`,
    )
    await tx.execute(
      `create temporary table erased_rows on commit drop as
       with gone as (delete from events_log where ${personCondition(1)} returning batch_id, site_id, created_at)
       select batch_id, coalesce(site_id, '') as site_id,
              to_timestamp(floor(extract(epoch from created_at) / 900) * 900) as quarter, count(*) as events
       from gone group by 1, 2, 3`,
      parameters,
    )
    await tx.execute(
      `update batches b set erased = b.erased + e.events
       from (select batch_id, sum(events) as events from erased_rows group by 1) e where b.batch_id = e.batch_id`,
    )
    await tx.execute(
      `update batch_sites s set erased = s.erased + e.events from erased_rows e
       where s.batch_id = e.batch_id and s.site_id = e.site_id and s.quarter = e.quarter`,
    )
    // Parts whose rows are all in the buffer: their revision is encoded from there.
    await tx.execute(
      `create temporary table erased_parts on commit drop as
       select part_id, e.site_id, e.quarter, sum(e.events) as events
       from erased_rows e join batches b using (batch_id) join export_parts p using (part_id)
       where ${isBufferedSql('p')}
       group by 1, 2, 3`,
    )
    await countErased(tx, erasureId)
    await tx.execute('update erasures set buffer_done_at = now() where erasure_id = $1::uuid', [erasureId])
  })

/** Counts what stands in `erased_parts` (part, site, quarter, events) in the parts and their usage. */
const countErased = async (tx: Tx, erasureId: string): Promise<void> => {
  await tx.execute(
    `update export_parts p set erased = p.erased + e.events,
            revision_wanted = case when manifest is null then revision_wanted else revision + 1 end
     from (select part_id, sum(events) as events from erased_parts group by 1) e where p.part_id = e.part_id`,
  )
  // A site that was summed up with others is counted there.
  await tx.execute(
    `with placed as (
       select e.part_id, e.quarter, e.events, coalesce(
                (select site_id from part_usage u
                 where u.part_id = e.part_id and u.quarter = e.quarter and u.site_id = e.site_id),
                (select site_id from part_usage u
                 where u.part_id = e.part_id and u.quarter = e.quarter and u.site_id like $1::text || '.%'
                   and e.site_id like '%' || substr(u.site_id, length($1::text) + 1)
                 order by length(site_id) desc limit 1),
                $1::text) as site_id
       from erased_parts e
     )
     update part_usage u set erased = u.erased + p.events
     from (select part_id, quarter, site_id, sum(events) as events from placed group by 1, 2, 3) p
     where u.part_id = p.part_id and u.quarter = p.quarter and u.site_id = p.site_id`,
    [foldedSite],
  )
  await tx.execute(
    `insert into erasure_parts (erasure_id, part_id, events)
     select $1::uuid, part_id, sum(events) from erased_parts group by 2
     on conflict (erasure_id, part_id) do update set events = erasure_parts.events + excluded.events`,
    [erasureId],
  )
}

const reviseAll = async (context: EraseContext, session: Session): Promise<void> => {
  const { db, encode, log, stopped } = context
  for (const part of await selectUnrevised(db)) {
    if (stopped.aborted) return
    const fields = { part: part.seq, epoch: part.epoch, revision: part.revision + 1 }
    await orLater(context, fields, async () => {
      await reviseFromBuffer(encode, session, part)
      log.info(fields, 'a part was revised by an erasure')
    })
  }
}

/** Parts whose rows have left the buffer: their files are read, and written again without the person. */
const eraseDelivered = async (
  context: EraseContext,
  session: Session,
  erasure: Ready,
  person: Person,
): Promise<void> => {
  const { db, encode, log, stopped } = context
  for (;;) {
    const [row] = await db.query<{ scanned: number }>(
      'select scanned_part_id as scanned from erasures where erasure_id = $1::uuid',
      [erasure.erasureId],
    )
    const part = await selectReleased(db, row?.scanned ?? 0)
    if (!part || stopped.aborted) return
    const objects = await selectObjects(db, part.partId)
    const hours = new Set<number>()
    for (const object of smallestFormat(objects)) {
      const [[found] = []] = await readObject(context, session, part, object, (file) => [
        countPersonStatement(object.format, file, person),
      ])
      if (Number(found) > 0) hours.add(object.hourMs)
    }
    const scanned = (tx: Tx) =>
      tx.execute('update erasures set scanned_part_id = $2::bigint where erasure_id = $1::uuid', [
        erasure.erasureId,
        part.partId,
      ])
    if (hours.size === 0) await db.transaction(scanned)
    else {
      const events = await reviseFromFiles(encode, session, part, person, hours, async (tx, usage) => {
        await tx.execute(
          `create temporary table erased_parts on commit drop as
           select $1::bigint as part_id, site_id, quarter, events
           from jsonb_to_recordset($2::jsonb) as u(site_id text, quarter timestamptz, events bigint)`,
          [part.partId, JSON.stringify(usage)],
        )
        await countErased(tx, erasure.erasureId)
        await scanned(tx)
      })
      log.info({ part: part.seq, epoch: part.epoch, events }, 'delivered files were revised by an erasure')
    }
  }
}

/** All formats of a part hold the same rows; the one that is read fastest is looked through. */
const smallestFormat = (objects: readonly PartObject[]): PartObject[] => {
  const format = ['parquet', 'json', 'csv'].find((one) => objects.some((object) => object.format === one))
  return objects.filter((object) => object.format === format)
}

const readObject = async (
  { encode }: EraseContext,
  session: Session,
  part: Part,
  object: PartObject,
  statements: (file: string) => string[],
): Promise<string[][]> => {
  await stageObjects(encode, session, part, [object])
  const file = stagedFile(encode.stagingFolder, part.partId, object)
  const { read } = await encode.duckDb.run({
    ...{ what: `Reading ${object.key}`, tempFolder: `${file}.tmp`, memoryMb: encode.memoryMb, threads: encode.threads },
    ...{ writes: [], reads: statements(file) },
  })
  return read
}

/** Ends erasures whose revisions have all arrived everywhere; a record of each, without a person, is left in the destinations. */
export const finishErasures = async ({ db, clock, encode, log }: EraseContext): Promise<void> => {
  for (const one of await selectDelivered(db)) {
    const text = `${JSON.stringify({ ...one, completed_at: new Date(clock.now()).toISOString() }, null, 2)}\n`
    try {
      await deliverRecord(encode, `erasures/${encode.nodeId}/${one.erasure_id}.json`, text)
    } catch (error) {
      log.warn({ err: error }, 'the record of an erasure waits for a destination')
      continue
    }
    await finishErasure(db, one.erasure_id, 'export')
    log.info({ erasure: one.erasure_id, events: one.events }, 'an erasure has reached all destinations')
  }
}

const deliverRecord = async (encode: EncodeContext, key: string, text: string): Promise<void> => {
  const file = path.join(encode.stagingFolder, path.basename(key))
  await writeFile(file, text)
  try {
    const record = { path: file, bytes: Buffer.byteLength(text), sha256: sha256OfText(text) }
    await Promise.all(encode.destinations.map((destination) => destination.replace(key, record)))
  } finally {
    await rm(file, { force: true })
  }
}

/** Delivered parts that an erasure `e` has still to look through. */
const hasUnscanned = `exists (select from export_parts p where p.part_id > e.scanned_part_id and ${isReleasedSql('p')})`

/** All parts were looked through, and every revision was verified wherever its part goes. */
const selectDelivered = (
  db: Db,
): Promise<{ erasure_id: string; requested_at: string; subject_hash: string; events: number; parts: unknown[] }[]> =>
  db.query(
    `select erasure_id::text, to_char(requested_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as requested_at,
            subject_hash::text,
            (select coalesce(sum(events), 0)::bigint from erasure_parts x where x.erasure_id = e.erasure_id) as events,
            (select coalesce(jsonb_agg(jsonb_build_object('epoch', epoch, 'part', seq, 'revision', revision, 'events', x.events)
                                       order by part_id), '[]')
             from erasure_parts x join export_parts using (part_id) where x.erasure_id = e.erasure_id) as parts
     from erasures e
     where export_done_at is null and buffer_done_at is not null
       and not ${hasUnscanned}
       and not exists (select from erasure_parts x join export_parts p using (part_id)
                       where x.erasure_id = e.erasure_id
                         and (p.manifest is null or p.revision_wanted > p.revision
                              or exists (select from deliveries d where d.part_id = p.part_id and d.revision = p.revision
                                         and d.state <> 'verified')))`,
  )

/** Whether an erasure waits for a run. */
export const hasErasures = async (db: Db): Promise<boolean> => {
  const [row] = await db.query<{ waits: boolean }>(
    `select exists (select from erasures e where export_done_at is null and spool_done_at is not null
                    and (buffer_done_at is null or ${hasUnscanned}))
         or exists (select from export_parts where revision_wanted > revision and manifest is not null) as waits`,
  )
  return row?.waits ?? false
}
