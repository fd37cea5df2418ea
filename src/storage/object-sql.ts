import type { ExportFormat } from '../types.ts'
import { exportColumns } from '../types.ts'
import { type Person, personConditionDuckDb } from './person.ts'

/** The SQL by which DuckDB reads a delivered file back, row by row as it was written. */

/** A line holds a row of at most 1 MB; JSON repeats the columns' names. */
const lineBytesMax = 1_100_000
const readBufferBytes = 2_200_000
const rowGroupRows = 50_000

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`
const compressionOf = (file: string): string =>
  file.endsWith('.gz') ? 'gzip' : file.endsWith('.zst') ? 'zstd' : 'none'

/** A delivered file as a table: of its columns, or (JSON) of its lines as they are. */
const tableOf = (format: ExportFormat, file: string): string => {
  if (format === 'parquet') return `read_parquet(${literal(file)})`
  const dialect =
    format === 'json'
      ? `header = false, delim = ${literal('\u0001')}, quote = '', escape = '', columns = {'line': 'VARCHAR'}`
      : `header = true, delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false,
         columns = {${exportColumns.map((column) => `${literal(column)}: 'VARCHAR'`).join(', ')}}`
  return `read_csv(${literal(file)}, ${dialect}, new_line = '\\n', auto_detect = false, compression = '${compressionOf(file)}',
    max_line_size = ${lineBytesMax}, buffer_size = ${readBufferBytes})`
}

const columnOf =
  (format: ExportFormat) =>
  (name: string): string => {
    if (format !== 'json') return `"${name}"`
    return name === 'raw_event_data' ? 'line' : `json_extract_string(line, '$.${name}')`
  }

/** Rows of a file that belong to a person. */
export const countPersonStatement = (format: ExportFormat, file: string, person: Person): string =>
  `select count(*) from ${tableOf(format, file)} where ${personConditionDuckDb(person, columnOf(format))}`

/** How many rows of a person there are per site and quarter-hour of arrival: JSON texts {site_id, quarter, events}. */
export const erasedUsageStatement = (format: ExportFormat, file: string, person: Person): string => {
  const column = columnOf(format)
  const created = format === 'parquet' ? column('created_at') : `(${column('created_at')})::timestamptz`
  return `select json_object('site_id', site_id, 'quarter', strftime(quarter, '%Y-%m-%dT%H:%M:%SZ'), 'events', events)::varchar
   from (select coalesce(${column('site_id')}, '') as site_id,
                time_bucket(interval '15 minutes', (${created}) at time zone 'UTC') as quarter, count(*) as events
         from ${tableOf(format, file)} where ${personConditionDuckDb(person, columnOf(format))} group by 1, 2)`
}

/** Visitors that were logged in as one of these users. */
export const linkedVisitorsStatement = (format: ExportFormat, file: string, users: readonly string[]): string =>
  `select distinct ${columnOf(format)('visitor_id')} from ${tableOf(format, file)}
   where list_contains([${users.map(literal).join(', ')}]::varchar[], ${columnOf(format)('user_id')})
     and ${columnOf(format)('visitor_id')} is not null`

/** The rows of a person, each as a JSON text with the columns of the files. */
export const personRowsStatement = (format: ExportFormat, file: string, person: Person): string => {
  const where = `where ${personConditionDuckDb(person, columnOf(format))}`
  if (format === 'json') return `select line from ${tableOf(format, file)} ${where}`
  const fields = exportColumns.map((name) => {
    const column =
      name !== 'timestamp' && name !== 'created_at'
        ? `"${name}"`
        : format === 'parquet'
          ? `strftime("${name}" at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')`
          : `"${name}"`
    return name === 'raw_event_data'
      ? `'"${name}":' || "${name}"::varchar`
      : `'"${name}":' || coalesce(to_json(${column})::varchar, 'null')`
  })
  return `select '{' || ${fields.join(` || ',' || `)} || '}' from ${tableOf(format, file)} ${where}`
}

/** How rows are written as a file; shared by what encodes a part and what takes rows out of one. */
export const writeOptions = (format: ExportFormat, compression: string): string => {
  switch (format) {
    case 'parquet':
      return `(format parquet, compression ${compression}, row_group_size ${rowGroupRows}${compression === 'zstd' ? ', compression_level 3' : ''})`
    case 'csv':
      return `(format csv, header true, delimiter ',', quote '"', escape '"', nullstr '', compression ${compression})`
    case 'json':
      return `(format csv, header false, quote '', escape '', delimiter ${literal('\u0001')}, nullstr '', compression ${compression})`
  }
}

/** Writes a file again without the rows of a person, all others byte by byte as they are. */
export const withoutPersonStatement = (
  format: ExportFormat,
  compression: string,
  from: string,
  to: string,
  person: Person,
): string =>
  `copy (select * from ${tableOf(format, from)} where not ${personConditionDuckDb(person, columnOf(format))})
   to ${literal(to)} ${writeOptions(format, compression)}`

/** Writes a delivered file as strict CSV (every value quoted, null empty), from which files can be encoded again. */
export const stagedCsvStatement = (format: ExportFormat, from: string, to: string): string => {
  const fields = exportColumns.map((name) => {
    if (format !== 'json') return `"${name}"::varchar as "${name}"`
    // The raw event ends the line; inside of texts quotes are escaped, so that its name stands there once.
    if (name === 'raw_event_data')
      return `substr(line, strpos(line, ',"raw_event_data":') + 18, length(line) - strpos(line, ',"raw_event_data":') - 18) as "${name}"`
    return `json_extract_string(line, '$.${name}') as "${name}"`
  })
  return `copy (select ${fields.join(', ')} from ${tableOf(format, from)}) to ${literal(to)}
    (format csv, header false, delimiter ',', quote '"', escape '"', nullstr '', force_quote *)`
}
