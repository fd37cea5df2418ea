import { rm } from 'node:fs/promises'
import { stagedCsvStatement } from '../storage/object-sql.ts'
import type { EncodeContext } from './encode-context.ts'
import { encodeViews, type NewObject } from './encode-views.ts'
import type { Part, PartObject, View } from './parts.ts'
import { stagedFile } from './staging.ts'

/**
 * Encodes a filtered view of an hour from its unfiltered file, which must lie in the staging folder: the way where the rows
 * have left the buffer. Gives the same bytes as from the buffer.
 */
export const encodeFromFile = async (
  context: EncodeContext,
  part: Part,
  source: PartObject,
  view: View,
): Promise<NewObject[]> => {
  const from = stagedFile(context.stagingFolder, part.partId, source)
  const file = `${from}.csv`
  const { written } = await context.duckDb.run({
    ...{
      what: `Reading ${source.key}`,
      tempFolder: `${from}.tmp`,
      memoryMb: context.memoryMb,
      threads: context.threads,
    },
    writes: [{ file, sql: stagedCsvStatement(source.format, from, file) }],
    reads: [],
  })
  try {
    return await encodeViews(context, part, [{ hourMs: source.hourMs, file, rows: written[0]?.rows ?? 0 }], [view])
  } finally {
    await rm(file, { force: true })
  }
}
