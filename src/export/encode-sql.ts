import { writeOptions } from '../storage/object-sql.ts'
import type { ExportFormat } from '../types.ts'
import { exportColumns } from '../types.ts'

/**
 * The SQL by which DuckDB turns a staged CSV file into an object. Three rules make the same rows the same bytes on any
 * number of threads and any memory limit: the input's order is kept, the reader's buffer and the row groups have a fixed
 * size, and nothing is sorted or partitioned.
 */

/** A row is at most 1 MB as a CSV line; the reader gets some room above that. */
const lineBytesMax = 1_100_000
const readBufferBytes = 2_200_000

export type Compression = 'zstd' | 'snappy' | 'gzip'

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** The staged file as a table of texts. Every option is explicit: defaults alter quotes, tabs, newlines and empty texts. */
const staged = (file: string): string => {
  const columns = exportColumns.map((column) => `${literal(column)}: 'VARCHAR'`).join(', ')
  return `read_csv(${literal(file)}, header = false, delim = ',', quote = '"', escape = '"', nullstr = '',
    allow_quoted_nulls = false, new_line = '\\n', auto_detect = false, max_line_size = ${lineBytesMax},
    buffer_size = ${readBufferBytes}, columns = {${columns}})`
}

/** ISO 8601, UTC, six digits. The staged text is PostgreSQL's, in UTC, so its offset is always +00. */
const isoTime = (column: string): string => `strftime("${column}"::timestamp, '%Y-%m-%dT%H:%M:%S.%fZ')`
const timeColumns: readonly string[] = ['timestamp', 'created_at']

const parquetColumns = exportColumns.map((column) => {
  if (column === 'event_id') return 'event_id::uuid as event_id'
  if (timeColumns.includes(column)) return `"${column}"::timestamptz as "${column}"`
  if (column === 'raw_event_data') return 'raw_event_data::json as raw_event_data'
  return `"${column}"`
})
const csvColumns = exportColumns.map((column) =>
  timeColumns.includes(column) ? `${isoTime(column)} as "${column}"` : `"${column}"`,
)
/** Looked for first: translating every row would take as long as the rest of its line. */
const onOneLine = `case when contains(raw_event_data, chr(10)) or contains(raw_event_data, chr(13))
  then translate(raw_event_data, chr(10) || chr(13), '  ') else raw_event_data end`
/**
 * A JSON line is assembled as text: DuckDB's own JSON writer would alter numbers. The raw event is embedded as it is; a
 * line break can only stand between its tokens, where a blank means the same.
 */
const jsonLine = exportColumns
  .map((column, i) => {
    const name = `${i === 0 ? '{' : ','}"${column}":`
    if (timeColumns.includes(column)) return `${literal(name)} || '"' || ${isoTime(column)} || '"'`
    if (column === 'event_id') return `${literal(name)} || '"' || event_id || '"'`
    if (column === 'raw_event_data') return `${literal(name)} || ${onOneLine}`
    return `${literal(name)} || coalesce(to_json("${column}")::varchar, 'null')`
  })
  .join(' || ')

/** The statement that writes one object and answers with the number of its rows. */
export const encodeStatement = (format: ExportFormat, compression: Compression, from: string, to: string): string => {
  const rows = { parquet: parquetColumns.join(', '), csv: csvColumns.join(', '), json: `${jsonLine} || '}' as line` }
  return `copy (select ${rows[format]} from ${staged(from)}) to ${literal(to)} ${writeOptions(format, compression)}`
}
