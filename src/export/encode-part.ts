import { mkdir, rm } from 'node:fs/promises'
import type { Queryable, Session } from '../db.ts'
import { AppError, messageOf } from '../errors.ts'
import { manifestKey } from '../storage/keys.ts'
import { type Manifest, microsecondText, renderManifest } from '../storage/manifest.ts'
import { producerVersion } from '../types.ts'
import { copyOut, type StagedHour, selectOccurredBeside } from './copy-out.ts'
import type { EncodeContext } from './encode-context.ts'
import { encodeViews, type NewObject } from './encode-views.ts'
import {
  insertEncoded,
  isBuffered,
  type Part,
  type PartObject,
  type RenderedManifest,
  selectManifestSha256,
  selectObjects,
  selectPrevious,
  selectUsage,
  type View,
  viewsOf,
} from './parts.ts'
import { fetchStaged } from './remake.ts'
import { rulesSha256 } from './rules.ts'
import { isStaged, partFolder } from './staging.ts'

/**
 * Encodes a claimed part in two steps, so that the rows of the next part can be copied out while this one is encoded. The
 * first copies the rows out, and checks their number against the ledger before anything is encoded; the second writes every
 * format, then records objects, manifests and deliveries in one transaction. A part whose rows differ from its ledger is
 * quarantined: it gets a manifest that says so, with no objects, so that later parts never wait for it. Both throw
 * `export_encode_failed` (disk full, DuckDB died …): the part stays claimed and is encoded again.
 */
export const stagePart = (context: EncodeContext, session: Session, part: Part): Promise<StagedPart> =>
  context.copying(async () => {
    const staged = await stageRows(context, session, part)
    const rows = staged.reduce((sum, hour) => sum + hour.rows, 0)
    const quarantined =
      rows === part.events - part.erased
        ? null
        : `The buffer holds ${rows} rows of this part, its ledger ${part.events - part.erased}.`
    return { part, staged, quarantined }
  })

export type StagedPart = { part: Part; staged: StagedHour[]; quarantined: string | null }

/** The second step; parts in their order, because a manifest is chained to the one before. */
export const encodeStaged = (context: EncodeContext, { part, staged, quarantined }: StagedPart): Promise<void> =>
  context.encoding(async () => {
    // The database looks through the times while DuckDB writes: the next part's rows need not wait for it.
    const occurring = selectOccurredBeside(context.db, part)
    occurring.catch(() => undefined)
    const objects = quarantined ? [] : await encodeViews(context, part, staged, viewsOf(part))
    const occurred = await occurring
    const manifests = await composeManifests(context, context.db, part, { objects, occurred, quarantined })
    await context.db.transaction((tx) => insertEncoded(tx, part, { manifests, quarantined, objects }))
  })

/** Work that both copies rows out and encodes: for a part that is encoded already. */
export const exclusively = <T>(context: EncodeContext, work: () => Promise<T>): Promise<T> =>
  context.copying(() => context.encoding(work))

/**
 * Makes sure that a part's files are on the local disk. Files that are gone are encoded again, while the rows are in the
 * buffer and this is the version that made them: the same part gives the same bytes. Otherwise they are brought back from
 * a destination that has verified them. Throws `export_encode_failed`; what is delivered is always what the manifest says.
 */
export const ensureStaged = async (
  context: EncodeContext,
  session: Session,
  part: Part,
  view: View,
): Promise<PartObject[]> => {
  // Files that are there need no turn: whoever delivers must not wait for the next part's rows, nor keep them waiting.
  const objects = await selectObjects(context.db, part.partId, view)
  if ((await notStaged(context, part, objects)).length === 0) return objects
  return exclusively(context, () => makeStaged(context, session, part, view))
}

const makeStaged = async (context: EncodeContext, session: Session, part: Part, view: View): Promise<PartObject[]> => {
  const objects = await selectObjects(session, part.partId, view)
  let missing = await notStaged(context, part, objects)
  if (missing.length === 0) return objects
  if (part.producer === producerVersion && (await isBuffered(session, part))) {
    const hours = [...new Set((await selectObjects(session, part.partId)).map((object) => object.hourMs))]
    await encodeViews(context, part, await stageRows(context, session, part, hours), viewsOf(part))
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
    return await copyOut(session, part, folder, context.paced, hours)
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

type Content = {
  objects: readonly NewObject[]
  occurred: Manifest['occurred']
  quarantined: string | null
}

/** The manifests of a part, one for each view. */
export const composeManifests = async (
  context: EncodeContext,
  db: Queryable,
  part: Part,
  content: Content,
): Promise<RenderedManifest[]> => {
  const manifests: RenderedManifest[] = []
  for (const view of viewsOf(part)) {
    const objects = content.objects.filter((object) => object.view === view)
    manifests.push(await composeManifest(context, db, part, { ...content, objects }, view))
  }
  return manifests
}

/** What a filtered view says of itself. All formats hold the same rows. */
const filterOf = (part: Part, content: Content, view: View): Manifest['filter'] => {
  const rules = view === '' ? undefined : part.rules?.[view]
  if (!rules) return undefined
  const kept = content.objects.filter((one) => one.format === part.formats[0]).reduce((sum, one) => sum + one.rows, 0)
  const dropped = content.quarantined === null ? part.events - part.erased - kept : 0
  return { rules_sha256: rulesSha256(rules), kept, dropped }
}

const composeManifest = async (
  context: EncodeContext,
  db: Queryable,
  part: Part,
  content: Content,
  view: View,
): Promise<RenderedManifest> => {
  const filter = filterOf(part, content, view)
  const superseded = part.revision > 0 ? await selectManifestSha256(db, part.partId, part.revision - 1, view) : null
  const name = { node: context.nodeId, epoch: part.epoch, seq: part.seq }
  const { previousSha256, predecessor } = await selectPrevious(db, part, view)
  const rendered = renderManifest({
    version: 1,
    client_id: context.clientId,
    node_id: context.nodeId,
    epoch: part.epoch,
    part: part.seq,
    revision: part.revision,
    supersedes_sha256: superseded,
    previous_manifest_sha256: previousSha256,
    predecessor,
    created_at: microsecondText(part.createdMs),
    producer: `evothesis ${part.producer}`,
    schema_version: part.schemaVersion,
    quarantined: content.quarantined !== null,
    ...(filter && { filter }),
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
  return { view, ...rendered, key: manifestKey(name, part.createdMs, part.revision) }
}
