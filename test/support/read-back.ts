import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { parse as parseCsv } from 'csv-parse/sync'
import { parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import parquetjs from 'parquetjs-lite'
import types from 'parquetjs-lite/lib/types.js'
import { exportColumns } from '../../src/types.ts'

/** A row of any format as texts: times ISO with six digits, raw_event_data as the JSON text in the file, nulls as null. */
export type ReadRow = Record<(typeof exportColumns)[number], string | null>

const micros = (value: bigint): string => {
  const fraction = ((value % 1_000_000n) + 1_000_000n) % 1_000_000n
  const whole = new Date(Number((value - fraction) / 1000n)).toISOString()
  return whole.replace(/\.\d{3}Z$/, `.${String(fraction).padStart(6, '0')}Z`)
}

/** Reads a JSON-lines object. The raw event's own text is cut out of the line, so that no parser rounds its numbers. */
export const readJson = (bytes: Buffer): ReadRow[] =>
  gunzipSync(bytes)
    .toString('utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const row = JSON.parse(line)
      const at = line.indexOf(',"raw_event_data":')
      return { ...row, raw_event_data: line.slice(at + ',"raw_event_data":'.length, -1) }
    })

/** Reads a CSV object with csv-parse: an unquoted empty field is null, a quoted one an empty text. */
export const readCsv = (bytes: Buffer): ReadRow[] =>
  parseCsv(gunzipSync(bytes), {
    columns: true,
    cast: (value, { quoting, header }) => (value === '' && !quoting && !header ? null : value),
  }) as ReadRow[]

/** Reads a Parquet object with hyparquet, which knows every codec. */
export const readParquet = async (bytes: Buffer): Promise<ReadRow[]> => {
  const file = new Uint8Array(bytes).buffer
  // A byte order mark is a character like any other here.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  const rows = await parquetReadObjects({
    file,
    compressors,
    parsers: {
      timestampFromMicroseconds: (value: bigint) => micros(value),
      stringFromBytes: (value: Uint8Array | undefined) => value && decoder.decode(value),
      jsonFromBytes: (value: Uint8Array | undefined) => value && decoder.decode(value),
    } as never,
  })
  return rows.map((row) => Object.fromEntries(exportColumns.map((column) => [column, row[column] ?? null])) as ReadRow)
}

// parquetjs-lite turns what it finds in a dictionary into text, also integers, and then fails to divide it; and it would
// round to milliseconds. Its own table of types takes a better conversion.
types.PARQUET_LOGICAL_TYPES.TIMESTAMP_MICROS.fromPrimitive = (value) => micros(BigInt(value))
// It also parses the smallest and largest JSON of the statistics, which are cut off.
types.PARQUET_LOGICAL_TYPES.JSON.fromPrimitive = (value) => String(value)

/** Reads a Parquet object with parquetjs-lite, which knows snappy and gzip. */
export const readParquetLite = async (bytes: Buffer): Promise<Record<string, unknown>[]> => {
  const reader = await parquetjs.ParquetReader.openBuffer(bytes)
  const cursor = reader.getCursor()
  const rows: Record<string, unknown>[] = []
  for (let row = await cursor.next(); row; row = await cursor.next()) rows.push(row)
  await reader.close()
  return rows
}

export const readObject = (format: string, bytes: Buffer): ReadRow[] | Promise<ReadRow[]> =>
  format === 'json' ? readJson(bytes) : format === 'csv' ? readCsv(bytes) : readParquet(bytes)

export const readFolderObject = (folder: string, key: string): Promise<Buffer> => readFile(path.join(folder, key))

export const overwrite = (folder: string, key: string, bytes: Buffer): Promise<void> =>
  writeFile(path.join(folder, key), bytes)
