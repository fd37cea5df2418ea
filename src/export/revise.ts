import { rename, rm } from 'node:fs/promises'
import type { Queryable, Session, Tx } from '../db.ts'
import { AppError } from '../errors.ts'
import { erasedUsageStatement, withoutPersonStatement } from '../storage/object-sql.ts'
import type { Person } from '../storage/person.ts'
import { selectOccurred } from './copy-out.ts'
import type { EncodeContext } from './encode-context.ts'
import { composeManifests, exclusively, stageRows } from './encode-part.ts'
import { encodeViews, type NewObject } from './encode-views.ts'
import {
  insertEncoded,
  type Part,
  type PartObject,
  selectObjects,
  type View,
  viewsOf,
  voidOlderFiles,
} from './parts.ts'
import { fetchStaged } from './remake.ts'
import { stagedFile } from './staging.ts'
import { encodeFromFile } from './view-from-file.ts'

/** Erased rows of a site and a quarter. */
export type ErasedUsage = { site_id: string; quarter: string; events: number }

/**
 * Makes the next revision of a part whose rows are all in the buffer: encodes them again, under the same keys. A file all
 * of whose rows were erased stays, without rows. Throws `export_count_mismatch` when the rows are not what the ledger says.
 */
export const reviseFromBuffer = (context: EncodeContext, session: Session, part: Part): Promise<void> =>
  exclusively(context, async () => {
    const revised = { ...part, revision: part.revision + 1 }
    const isSetAside = part.quarantined !== null
    const hours = [...new Set((await selectObjects(session, part.partId)).map((object) => object.hourMs))]
    const staged = isSetAside ? [] : await stageRows(context, session, part, hours)
    const rows = staged.reduce((sum, hour) => sum + hour.rows, 0)
    if (!isSetAside && rows !== part.events - part.erased)
      throw new AppError(
        'export_count_mismatch',
        `The buffer holds ${rows} rows of part ${part.seq}, its ledger ${part.events - part.erased}.`,
      )
    const objects = await encodeViews(context, part, staged, viewsOf(part))
    const occurred = await selectOccurred(session, part)
    const manifests = await composeManifests(context, session, revised, {
      ...{ objects, occurred, quarantined: part.quarantined },
    })
    await context.db.transaction((tx) =>
      insertRevision(tx, revised, { manifests, quarantined: part.quarantined, objects }),
    )
  })

/**
 * Makes the next revision of a part from its delivered files: those of the given hours are written again without the
 * person's rows, in every format. `record` runs in the transaction that makes the revision, before its manifest is composed;
 * it counts what was erased. Resolves to the number of events.
 */
export const reviseFromFiles = (
  context: EncodeContext,
  session: Session,
  part: Part,
  person: Person,
  hours: ReadonlySet<number>,
  record: (tx: Tx, usage: readonly ErasedUsage[]) => Promise<void>,
): Promise<number> =>
  exclusively(context, async () => {
    const objects = await selectObjects(session, part.partId)
    const rewritten: NewObject[] = []
    const usageOf = new Map<string, ErasedUsage[]>()
    for (const { objectId: _id, ...object } of objects) {
      if (!hours.has(object.hourMs)) {
        rewritten.push(object)
        continue
      }
      const { object: made, usage } = await withoutPerson(context, session, part, { ...object, objectId: _id }, person)
      rewritten.push(made)
      usageOf.set(object.format, [...(usageOf.get(object.format) ?? []), ...usage])
    }
    const [usage = [], ...others] = usageOf.values()
    const events = eventsOf(usage)
    if (others.some((other) => eventsOf(other) !== events))
      throw new AppError('export_count_mismatch', `The formats of part ${part.seq} hold different rows of one person.`)
    for (const view of viewsOf(part).filter((one) => one !== ''))
      rewritten.push(...(await reviseView(context, session, part, view, hours)))
    const occurred = occurredOf(part)
    await context.db.transaction(async (tx) => {
      await record(tx, usage)
      const revised = { ...part, revision: part.revision + 1, erased: part.erased + events }
      const content = { objects: rewritten, occurred, quarantined: null }
      const manifests = await composeManifests(context, tx, revised, content)
      await insertRevision(tx, revised, { manifests, quarantined: null, objects: rewritten })
    })
    return events
  })

/** A filtered view's files are made again of the unfiltered ones, which lie in the staging folder without the person by now. */
const reviseView = async (
  context: EncodeContext,
  session: Session,
  part: Part,
  view: View,
  hours: ReadonlySet<number>,
): Promise<NewObject[]> => {
  const made: NewObject[] = (await selectObjects(session, part.partId, view))
    .filter((object) => !hours.has(object.hourMs))
    .map(({ objectId: _id, ...object }) => object)
  const sources = await selectObjects(session, part.partId)
  for (const hourMs of hours) {
    const source = sources.find((object) => object.hourMs === hourMs)
    if (source) made.push(...(await encodeFromFile(context, part, source, view)))
  }
  return made
}

/** Makes sure that these objects' files are on the local disk. */
export const stageObjects = (
  context: EncodeContext,
  session: Session,
  part: Part,
  objects: readonly PartObject[],
): Promise<void> => exclusively(context, () => fetchStaged(context, session, part, objects))

const eventsOf = (usage: readonly ErasedUsage[]): number => usage.reduce((sum, one) => sum + one.events, 0)

/** As the manifest before says: when the rest happened is not looked up again in every file. */
const occurredOf = (part: Part): { min: string; max: string } | null =>
  part.manifest === null
    ? null
    : (JSON.parse(part.manifest) as { occurred: { min: string; max: string } | null }).occurred

const withoutPerson = async (
  context: EncodeContext,
  session: Session,
  part: Part,
  object: PartObject,
  person: Person,
): Promise<{ object: NewObject; usage: ErasedUsage[] }> => {
  await fetchStaged(context, session, part, [object])
  const file = stagedFile(context.stagingFolder, part.partId, object)
  const { format, compression } = object
  // The ending tells how it is compressed.
  const to = file.replace(/([^/]+)$/, 'revised-$1')
  const { written, read } = await context.duckDb.run({
    ...{
      what: `Rewriting ${object.key}`,
      tempFolder: `${file}.tmp`,
      memoryMb: context.memoryMb,
      threads: context.threads,
    },
    writes: [{ file: to, sql: withoutPersonStatement(format, compression, file, to, person) }],
    reads: [erasedUsageStatement(format, file, person)],
  })
  const usage = (read[0] ?? []).map((line) => JSON.parse(line) as ErasedUsage)
  const made = written[0]
  if (!made || made.rows !== object.rows - eventsOf(usage)) {
    await rm(to, { force: true })
    throw new AppError('export_count_mismatch', `${object.key} would hold ${made?.rows} rows of ${object.rows}.`)
  }
  await rename(to, file)
  const { objectId: _id, ...rest } = object
  return { object: { ...rest, ...made }, usage }
}

const insertRevision = async (tx: Tx, revised: Part, encoded: Parameters<typeof insertEncoded>[2]): Promise<void> => {
  await insertEncoded(tx, revised, encoded)
  await voidOlderFiles(tx, revised)
  await carryVerified(tx, revised)
}

/** Files that the revision leaves as they are need no second delivery. */
const carryVerified = (tx: Queryable, { partId, revision }: Part): Promise<number> =>
  tx.execute(
    `update deliveries d set state = 'verified', identity = o.identity, evidence = o.evidence, verified_at = o.verified_at
     from export_objects new, export_objects old, deliveries o
     where d.part_id = $1::bigint and d.revision = $2::int and d.object_id = new.object_id
       and old.part_id = $1::bigint and old.revision = $2::int - 1 and old.view = new.view and old.key = new.key
       and old.sha256 = new.sha256
       and o.object_id = old.object_id and o.destination = d.destination and o.state = 'verified'`,
    [partId, revision],
  )
