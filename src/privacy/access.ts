import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Db, Queryable } from '../db.ts'
import { AppError } from '../errors.ts'
import type { Destination } from '../storage/destination.ts'
import { createDuckDb, type DuckDb } from '../storage/duckdb.ts'
import { linkedVisitorsStatement, personRowsStatement } from '../storage/object-sql.ts'
import { type Person, personCondition, personParameters } from '../storage/person.ts'
import { digestOfFile } from '../storage/sha256.ts'
import { type ExportFormat, exportColumns } from '../types.ts'

export type AccessDeps = { db: Db; destinations: readonly Destination[]; scratchFolder: string; memoryMb: number }

type DeliveredObject = {
  key: string
  format: ExportFormat
  sha256: string
  places: { destination: string; identity: string }[]
}

/**
 * Every event of a person that is held, each as a JSON text with the columns of the files: from the delivered files where
 * rows have left the buffer, and from the buffer. For access and portability (GDPR 15 and 20). Reads every delivered file
 * once. Throws `destination_failed` when a file can be had nowhere: an incomplete answer would be a wrong one.
 */
export const personEvents = async function* (deps: AccessDeps, asked: Person, nowMs: number): AsyncGenerator<string> {
  const duckDb = createDuckDb()
  await mkdir(deps.scratchFolder, { recursive: true })
  await removeLeftAccess(deps.scratchFolder, nowMs)
  const folder = await mkdtemp(path.join(deps.scratchFolder, `access-${process.pid}-`))
  try {
    const objects = await selectDeliveredObjects(deps.db)
    const reading = { ...deps, duckDb, folder }
    const person = asked.users.length > 0 ? await withVisitors(reading, objects, asked) : asked
    for (const object of objects)
      yield* await readObject(reading, object, (file) => personRowsStatement(object.format, file, person))
    yield* readBuffered(deps.db, person)
  } finally {
    duckDb.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Folders of processes that were killed while they read: what is in them was not erased with the rest. */
export const removeLeftAccess = async (scratchFolder: string, nowMs: number): Promise<void> => {
  for (const name of await readdir(scratchFolder).catch(() => [])) {
    const folder = path.join(scratchFolder, name)
    const pid = Number(/^access-(\d+)-/.exec(name)?.[1])
    if (Number.isNaN(pid) || (isAlive(pid) && !(await isOld(folder, nowMs)))) continue
    await rm(folder, { recursive: true, force: true })
  }
}

/** A pid may belong to somebody else by now; nobody reads for a day. */
const isOld = async (folder: string, nowMs: number): Promise<boolean> => {
  const found = await stat(folder).catch(() => undefined)
  return found !== undefined && nowMs - found.mtimeMs > 86_400_000
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

type Reading = AccessDeps & { duckDb: DuckDb; folder: string }

const withoutTimeLimit = async <T>(db: Db, work: (session: Queryable) => Promise<T>): Promise<T> =>
  db.transaction(async (tx) => {
    await tx.execute('set local statement_timeout = 0')
    return work(tx)
  })

const withVisitors = async (
  reading: Reading,
  objects: readonly DeliveredObject[],
  { users, visitors }: Person,
): Promise<Person> => {
  const found = new Set(visitors)
  const buffered = await withoutTimeLimit(reading.db, (session) =>
    session.query<{ visitor_id: string }>(
      'select distinct visitor_id from events_log where user_id = any($1::text[]) and visitor_id is not null',
      [users],
    ),
  )
  for (const row of buffered) found.add(row.visitor_id)
  for (const object of objects)
    for (const visitor of await readObject(reading, object, (file) =>
      linkedVisitorsStatement(object.format, file, users),
    ))
      found.add(visitor)
  return { users, visitors: [...found] }
}

const readObject = async (
  { destinations, duckDb, folder, memoryMb }: Reading,
  object: DeliveredObject,
  statement: (file: string) => string,
): Promise<string[]> => {
  const file = path.join(folder, object.key.replaceAll('/', '_'))
  const sources = destinations.filter((one) =>
    object.places.some(({ destination, identity }) => one.name === destination && one.identity === identity),
  )
  for (const source of sources) {
    const stream = await source.read(object.key).catch(() => undefined)
    if (!stream) continue
    try {
      // A source that breaks off is as good as one without the file.
      const isRead = await pipeline(stream, createWriteStream(file)).then(
        () => true,
        () => false,
      )
      if (!isRead || (await digestOfFile(file)).sha256 !== object.sha256) continue
      const { read } = await duckDb.run({
        ...{ what: `Reading ${object.key}`, tempFolder: `${file}.tmp`, memoryMb, threads: 1, writes: [] },
        reads: [statement(file)],
      })
      return read[0] ?? []
    } finally {
      await rm(file, { force: true })
    }
  }
  throw new AppError('destination_failed', `${object.key} could be read in no destination; try again later.`)
}

/** One format of every hour of every part whose rows are not all in the buffer. */
const selectDeliveredObjects = (db: Queryable): Promise<DeliveredObject[]> =>
  db.query<DeliveredObject>(
    `select distinct on (p.part_id, o.hour) o.key, o.format, o.sha256,
            (select coalesce(jsonb_agg(distinct jsonb_build_object('destination', destination, 'identity', identity)), '[]')
             from deliveries d where d.object_id = o.object_id and d.verified_at is not null) as places
     from export_parts p join export_objects o using (part_id, revision)
     where p.quarantined is null and p.expired_at is null and o.view = '' and (select count(*) from batches b where b.part_id = p.part_id) <> p.batches
     order by p.part_id, o.hour, array_position(array['json', 'parquet', 'csv'], o.format)`,
  )

const isoText = (column: string): string =>
  `to_json(to_char("${column}" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text`

/** Rows of the buffer that are held in memory at a time: a person may be a robot. */
const pageRows = 1_000

/** Rows in the buffer, page by page. Without a limit of time: all of it is read. */
const readBuffered = async function* (db: Db, person: Person): AsyncGenerator<string> {
  const session = await db.session()
  try {
    await session.execute('set statement_timeout = 0')
    let after: Place = { batch_id: 0, n: -1 }
    for (;;) {
      const page = await selectBuffered(session, person, after)
      for (const { line } of page) yield line
      const last = page.at(-1)
      if (!last || page.length < pageRows) return
      after = last
    }
  } finally {
    await session.execute(`set statement_timeout = ${session.statementTimeoutMs}`).catch(() => undefined)
    session.release()
  }
}
type Place = { batch_id: number; n: number }

/** Rows after a place, less those of parts whose files were read. */
const selectBuffered = (db: Queryable, person: Person, after: Place): Promise<(Place & { line: string })[]> => {
  const fields = exportColumns.map((name) => {
    const value =
      name === 'raw_event_data'
        ? 'raw_event_data::text'
        : name === 'timestamp' || name === 'created_at'
          ? isoText(name)
          : `coalesce(to_json("${name}")::text, 'null')`
    return `'"${name}":' || ${value}`
  })
  return db.query<Place & { line: string }>(
    `select batch_id, n, '{' || ${fields.join(` || ',' || `)} || '}' as line
     from events_log e
     where ${personCondition(1)} and batch_id >= $4::bigint and (batch_id, n) > ($4::bigint, $5::int)
       and not exists (select from batches b join export_parts p using (part_id)
                       where b.batch_id = e.batch_id and p.manifest is not null and p.quarantined is null
                         and (select count(*) from batches x where x.part_id = p.part_id) <> p.batches)
     order by batch_id, n limit $6::int`,
    [...personParameters(person), after.batch_id, after.n, pageRows],
  )
}
