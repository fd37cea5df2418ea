import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Queryable, Session } from '../db.ts'
import { AppError, messageOf } from '../errors.ts'
import { manifestKey, objectKey } from '../storage/keys.ts'
import { type Manifest, microsecondText, renderManifest } from '../storage/manifest.ts'
import { producerVersion } from '../types.ts'
import { copyOut, type StagedHour, selectOccurred } from './copy-out.ts'
import type { EncodeContext } from './encode-context.ts'
import { encodeStatement } from './encode-sql.ts'
import {
  insertEncoded,
  isBuffered,
  type Part,
  type PartObject,
  selectObjects,
  selectPrevious,
  selectUsage,
} from './parts.ts'
import { fetchStaged } from './remake.ts'
import { isStaged, partFolder, stagedFile } from './staging.ts'

/**
 * Encodes a claimed part: copies its rows out, checks their number against the ledger before anything is encoded, writes
 * every format, then records objects, manifest and deliveries in one transaction. A part whose rows differ from its
 * ledger is quarantined: it gets a manifest that says so, with no objects, so that later parts never wait for it.
 * Throws `export_encode_failed` (disk full, DuckDB died …): the part stays claimed and is encoded again.
 */
export const encodePart = (context: EncodeContext, session: Session, part: Part): Promise<void> =>
  context.oneAtATime(() => encodeOnce(context, session, part))

const encodeOnce = async (context: EncodeContext, session: Session, part: Part): Promise<void> => {
  const staged = await stageRows(context, session, part)
  const rows = staged.reduce((sum, hour) => sum + hour.rows, 0)
  const quarantined =
    rows === part.events - part.erased
      ? null
      : `The buffer holds ${rows} rows of this part, its ledger ${part.events - part.erased}.`
  const objects = quarantined ? [] : await encodeHours(context, part, staged)
  const occurred = await selectOccurred(session, part)
  const manifest = await composeManifest(context, session, part, { objects, occurred, quarantined })
  await context.db.transaction((tx) => insertEncoded(tx, part, { manifest, quarantined, objects }))
}

/**
 * Makes sure that a part's files are on the local disk. Files that are gone are encoded again, while the rows are in the
 * buffer and this is the version that made them: the same part gives the same bytes. Otherwise they are brought back from
 * a destination that has verified them. Throws `export_encode_failed`; what is delivered is always what the manifest says.
 */
export const ensureStaged = (context: EncodeContext, session: Session, part: Part): Promise<PartObject[]> =>
  context.oneAtATime(() => ensureOnce(context, session, part))

const ensureOnce = async (context: EncodeContext, session: Session, part: Part): Promise<PartObject[]> => {
  const objects = await selectObjects(session, part.partId)
  let missing = await notStaged(context, part, objects)
  if (missing.length === 0) return objects
  if (part.producer === producerVersion && (await isBuffered(session, part))) {
    const hours = [...new Set(objects.map((object) => object.hourMs))]
    await encodeHours(context, part, await stageRows(context, session, part, hours))
    missing = await notStaged(context, part, objects)
  }
  await fetchStaged(context, session, part, missing)
  return objects
}

/** Objects whose staged files are not, byte by byte, what their manifest says: gone, torn by a crash, or made otherwise. */
const notStaged = async (context: EncodeContext, part: Part, objects: readonly PartObject[]): Promise<PartObject[]> => {
  const staged = await Promise.all(objects.map((object) => isStaged(context.stagingFolder, part.partId, object)))
  return objects.filter((_, i) => !staged[i])
}

export const stageRows = async (
  context: EncodeContext,
  session: Session,
  part: Part,
  hours?: readonly number[],
): Promise<StagedHour[]> => {
  const folder = partFolder(context.stagingFolder, part.partId)
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  try {
    return await copyOut(session, part, folder, hours)
  } catch (cause) {
    // What was written of it must not keep the disk full.
    await rm(folder, { recursive: true, force: true })
    throw new AppError(
      'export_encode_failed',
      `The rows of part ${part.seq} could not be copied out: ${messageOf(cause)}.`,
      {
        cause,
      },
    )
  }
}

export const encodeHours = async (
  context: EncodeContext,
  part: Part,
  staged: readonly StagedHour[],
): Promise<Omit<PartObject, 'objectId'>[]> => {
  const name = { node: context.nodeId, epoch: part.epoch, seq: part.seq }
  const objects: Omit<PartObject, 'objectId'>[] = []
  for (const { hourMs, file, rows } of staged) {
    const outputs = part.formats.map((format) => {
      const key = objectKey(name, format, hourMs)
      return {
        format,
        key,
        compression: part.compression[format] ?? ('gzip' as const),
        file: stagedFile(context.stagingFolder, part.partId, { key }),
      }
    })
    const { written } = await context.duckDb.run({
      what: `Encoding ${path.basename(file)}`,
      tempFolder: path.join(partFolder(context.stagingFolder, part.partId), 'tmp'),
      memoryMb: context.memoryMb,
      threads: context.threads,
      writes: outputs.map((one) => ({
        file: one.file,
        sql: encodeStatement(one.format, one.compression, file, one.file),
      })),
      reads: [],
    })
    await rm(file)
    for (const [i, { format, key, compression }] of outputs.entries()) {
      const made = written[i]
      if (!made || made.rows !== rows)
        throw new AppError('export_encode_failed', `${key} would hold ${made?.rows} rows of ${rows}.`)
      objects.push({ format, compression, hourMs, key, rows, bytes: made.bytes, sha256: made.sha256 })
    }
  }
  return objects
}

export const composeManifest = async (
  context: EncodeContext,
  db: Queryable,
  part: Part,
  content: {
    objects: readonly Omit<PartObject, 'objectId'>[]
    occurred: Manifest['occurred']
    quarantined: string | null
  },
): Promise<{ text: string; sha256: string; key: string }> => {
  const name = { node: context.nodeId, epoch: part.epoch, seq: part.seq }
  const { previousSha256, predecessor } = await selectPrevious(db, part)
  const rendered = renderManifest({
    version: 1,
    client_id: context.clientId,
    node_id: context.nodeId,
    epoch: part.epoch,
    part: part.seq,
    revision: part.revision,
    supersedes_sha256: part.revision > 0 ? part.manifestSha256 : null,
    previous_manifest_sha256: previousSha256,
    predecessor,
    created_at: microsecondText(part.createdMs),
    producer: `evothesis ${part.producer}`,
    schema_version: part.schemaVersion,
    quarantined: content.quarantined !== null,
    events: part.events,
    erased: part.erased,
    pageviews: part.pageviews,
    usage: await selectUsage(db, part.partId),
    received: part.receivedMin && part.receivedMax ? { min: part.receivedMin, max: part.receivedMax } : null,
    occurred: content.occurred,
    batches: part.batches,
    objects: content.objects.map(({ key, format, compression, rows, bytes, sha256 }) => ({
      key,
      format,
      compression,
      rows,
      bytes,
      sha256,
    })),
  })
  return { ...rendered, key: manifestKey(name, part.createdMs, part.revision) }
}
