import { once } from 'node:events'
import type { Tx } from '../db.ts'

export type CopyValue = string | number | boolean | null

/** Writes rows by COPY, in its text format. `columns` are names as SQL has them. */
export const copyRows = async (
  tx: Tx,
  table: string,
  columns: readonly string[],
  rows: readonly (readonly CopyValue[])[],
): Promise<void> => {
  if (rows.length === 0) return
  const { stream, done } = tx.copyFrom(`copy ${table} (${columns.join(', ')}) from stdin`)
  // Awaited below; a failure before that must not count as unhandled.
  done.catch(() => undefined)
  let text = ''
  for (const row of rows) {
    text += `${row.map(field).join('\t')}\n`
    if (text.length < chunkChars) continue
    if (!stream.write(text)) await Promise.race([once(stream, 'drain'), done])
    text = ''
  }
  stream.end(text)
  await done
}

const chunkChars = 256 * 1024

const field = (value: CopyValue): string => {
  if (value === null) return '\\N'
  if (typeof value !== 'string') return value === true ? 't' : value === false ? 'f' : String(value)
  return /[\\\t\n\r]/.test(value)
    ? value.replaceAll('\\', '\\\\').replaceAll('\t', '\\t').replaceAll('\n', '\\n').replaceAll('\r', '\\r')
    : value
}
