import { once } from 'node:events'
import type { Tx } from '../db.ts'
import { AppError } from '../errors.ts'
import { copyColumns } from './copy-line.ts'
import type { Row } from './group.ts'
import { copyChunkBytes } from './limits.ts'
import type { LedgerRow } from './statements.ts'

/** Writes rows by COPY, numbered from 0, and verifies that the database counted as many. */
export const copyRows = async (tx: Tx, batch: LedgerRow, rows: readonly Row[]): Promise<void> => {
  const { stream, done } = tx.copyFrom(`copy events_log (${copyColumns}) from stdin`)
  // A refusal may come while this still writes; it is awaited below.
  done.catch(() => {})
  let chunk = ''
  for (let n = 0; n < rows.length; n++) {
    chunk += `${batch.batchId}\t${n}\t${batch.storedAt}\t${rows[n]?.line}\n`
    if (chunk.length < copyChunkBytes) continue
    if (!stream.write(chunk)) await Promise.race([once(stream, 'drain'), done])
    chunk = ''
  }
  stream.end(chunk)
  const stored = await done
  if (stored !== rows.length) throw new AppError('internal', `COPY stored ${stored} of ${rows.length} rows.`)
}
