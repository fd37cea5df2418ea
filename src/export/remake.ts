import { rename, rm } from 'node:fs/promises'
import type { Queryable } from '../db.ts'
import { AppError } from '../errors.ts'
import { withoutPersonStatement } from '../storage/object-sql.ts'
import type { Person } from '../storage/person.ts'
import { digestOfFile } from '../storage/sha256.ts'
import type { EncodeContext } from './encode-context.ts'
import { type Part, type PartObject, selectObjects, selectVerifiedIn } from './parts.ts'
import { fetchObject, isStaged, stagedFile } from './staging.ts'
import { encodeFromFile } from './view-from-file.ts'

/**
 * Brings files back that are not on the local disk: from a destination that has verified them, or, where they belong to a
 * revision that no destination has yet, by taking the erased people out of the revision before, which makes the same bytes.
 */
export const fetchStaged = async (
  context: EncodeContext,
  db: Queryable,
  part: Part,
  objects: readonly PartObject[],
): Promise<void> => {
  for (const object of objects) {
    if (await isStaged(context.stagingFolder, part.partId, object)) continue
    const sources = await sourcesOf(context, db, object)
    const remakes = object.view !== '' ? remakeView : part.revision > 0 && sources.length === 0 ? remake : undefined
    try {
      if (sources.length > 0 || !remakes) {
        await fetchObject(sources, context.stagingFolder, part.partId, object)
        continue
      }
    } catch (error) {
      // The only destination that had it was emptied.
      if (!remakes) throw error
    }
    await remakes(context, db, part, object)
  }
}

/** A filtered file that no destination has is made again of the unfiltered one, by the rules that are frozen in the part. */
const remakeView = async (context: EncodeContext, db: Queryable, part: Part, object: PartObject): Promise<void> => {
  const source = (await selectObjects(db, part.partId)).find((one) => one.hourMs === object.hourMs)
  if (!source) throw new AppError('export_encode_failed', `${object.key} has no unfiltered file to be made of.`)
  await fetchStaged(context, db, part, [source])
  const made = await encodeFromFile(context, part, source, object.view)
  if (made.find((one) => one.format === object.format)?.sha256 === object.sha256) return
  await rm(stagedFile(context.stagingFolder, part.partId, object), { force: true })
  throw new AppError('export_encode_failed', `${object.key} came out with other bytes than its manifest says.`)
}

const sourcesOf = async (context: EncodeContext, db: Queryable, object: Pick<PartObject, 'objectId'>) => {
  const verified = await selectVerifiedIn(db, object.objectId)
  return context.destinations.filter((one) =>
    verified.some(({ destination, identity }) => one.name === destination && one.identity === identity),
  )
}

const remake = async (context: EncodeContext, db: Queryable, { partId }: Part, object: PartObject): Promise<void> => {
  const earlier = await selectEarlier(db, object)
  const people = await selectErased(db, partId)
  if (!earlier || people.length === 0)
    throw new AppError('export_encode_failed', `${object.key} is neither in the buffer nor in a destination.`)
  await fetchObject(await sourcesOf(context, db, earlier), context.stagingFolder, partId, earlier)
  const file = stagedFile(context.stagingFolder, partId, object)
  const to = file.replace(/([^/]+)$/, 'revised-$1')
  for (const person of people) {
    await context.duckDb.run({
      ...{
        what: `Rewriting ${object.key}`,
        tempFolder: `${file}.tmp`,
        memoryMb: context.memoryMb,
        threads: context.threads,
      },
      writes: [{ file: to, sql: withoutPersonStatement(object.format, object.compression, file, to, person) }],
      reads: [],
    })
    await rename(to, file)
  }
  const { sha256 } = await digestOfFile(file)
  if (sha256 === object.sha256) return
  await rm(file, { force: true })
  throw new AppError('export_encode_failed', `${object.key} came out with other bytes than its manifest says.`)
}

/** The newest earlier revision of an object that a destination has. */
const selectEarlier = async (db: Queryable, object: PartObject): Promise<PartObject | undefined> => {
  const rows = await db.query<PartObject>(
    `select o.object_id as "objectId", o.view, o.format, o.compression, (extract(epoch from o.hour) * 1000)::bigint as "hourMs",
            o.key, o.rows, o.bytes, o.sha256
     from export_objects o join export_objects this on this.part_id = o.part_id and this.view = o.view and this.key = o.key
     where this.object_id = $1::bigint and o.revision < this.revision
       and exists (select from deliveries d where d.object_id = o.object_id and d.verified_at is not null)
     order by o.revision desc limit 1`,
    [object.objectId],
  )
  return rows[0]
}

const selectErased = async (db: Queryable, partId: number): Promise<Person[]> => {
  const rows = await db.query<{ subject: Person }>(
    `select subject from erasures join erasure_parts using (erasure_id)
     where part_id = $1::bigint and subject is not null order by requested_at, erasure_id`,
    [partId],
  )
  return rows.map((row) => row.subject)
}
