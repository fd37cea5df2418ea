import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../errors.ts'
import { objectKey } from '../storage/keys.ts'
import { applyRules } from './apply-rules.ts'
import type { StagedHour } from './copy-out.ts'
import type { EncodeContext } from './encode-context.ts'
import { encodeStatement } from './encode-sql.ts'
import type { Part, PartObject, View } from './parts.ts'
import { partFolder, stagedFile } from './staging.ts'

export type NewObject = Omit<PartObject, 'objectId'>

/** Encodes staged hours in each of these views; the staged files are used up. */
export const encodeViews = async (
  context: EncodeContext,
  part: Part,
  staged: readonly StagedHour[],
  views: readonly View[],
): Promise<NewObject[]> => {
  const objects: NewObject[] = []
  for (const hour of staged) {
    for (const view of views)
      objects.push(...(await encodeHour(context, part, await viewHour(context, part, hour, view), view)))
    await rm(hour.file, { force: true })
  }
  return objects
}

/** A staged hour as a view has it: a file of its own where there are rules. */
const viewHour = async (context: EncodeContext, part: Part, hour: StagedHour, view: View): Promise<StagedHour> => {
  const rules = view === '' ? undefined : part.rules?.[view]
  if (!rules) return hour
  const file = `${hour.file}.${view}`
  const { rows, kept } = await applyRules(hour.file, file, rules, context.hash)
  if (rows !== hour.rows)
    throw new AppError('export_encode_failed', `${rows} of ${hour.rows} rows were read back from the staging folder.`)
  return { ...hour, file, rows: kept }
}

const encodeHour = async (
  context: EncodeContext,
  part: Part,
  { hourMs, file, rows }: StagedHour,
  view: View,
): Promise<NewObject[]> => {
  const name = { node: context.nodeId, epoch: part.epoch, seq: part.seq }
  const folder = path.join(partFolder(context.stagingFolder, part.partId), view)
  await mkdir(folder, { recursive: true })
  const outputs = part.formats.map((format) => {
    const key = objectKey(name, format, hourMs)
    return {
      ...{ format, key, compression: part.compression[format] ?? ('gzip' as const) },
      file: stagedFile(context.stagingFolder, part.partId, { key, view }),
    }
  })
  const { written } = await context.duckDb.run({
    what: `Encoding ${path.basename(file)}`,
    tempFolder: path.join(folder, 'tmp'),
    memoryMb: context.memoryMb,
    threads: context.threads,
    writes: outputs.map((one) => ({
      file: one.file,
      sql: encodeStatement(one.format, one.compression, file, one.file),
    })),
    reads: [],
  })
  if (view !== '') await rm(file)
  return outputs.map(({ format, key, compression }, i) => {
    const made = written[i]
    if (!made || made.rows !== rows)
      throw new AppError('export_encode_failed', `${key} would hold ${made?.rows} rows of ${rows}.`)
    return { view, format, compression, hourMs, key, rows, bytes: made.bytes, sha256: made.sha256 }
  })
}
