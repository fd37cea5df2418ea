/**
 * Rows as PostgreSQL's COPY text format: fields separated by tabs, `\N` for null, backslash escapes. A line is made once,
 * when its event is parsed; what only the transaction knows (batch_id, n, stored_at) is put before it.
 */
export const copyColumns =
  'batch_id, n, stored_at, event_id, event_type, session_id, visitor_id, user_id, site_id, "timestamp", url, path, ' +
  'user_agent, ip_address, raw_event_data, created_at'

/** Where `raw_event_data` stands among the fields of a line. */
const rawField = 11
const typeField = 1

/** What follows after a field: concatenated one by one, this is the hottest line of the room. */
export const copyField = (field: string | null): string => (field === null ? '\\N' : escapeField(field))

/** The raw event of a line, as it is stored. */
export const rawOf = (line: string): string => unescapeField(line.split('\t')[rawField] ?? '')
export const typeOf = (line: string): string => unescapeField(line.split('\t')[typeField] ?? '')

/** Bytes of the row as a quoted CSV line, which is how it will leave the database. */
export const csvLineBytes = (line: string): number => {
  let quotes = 0
  for (let at = line.indexOf('"'); at !== -1; at = line.indexOf('"', at + 1)) quotes++
  const escapes = line.split('\\\\').length - 1
  return Buffer.byteLength(line) + quotes - escapes + csvOverheadBytes
}
/** Quotes and commas of 16 fields, and batch_id, n and stored_at. */
const csvOverheadBytes = 130

const special = /[\\\t\n\r]/
const escapes: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }
const unescapes: Record<string, string> = { '\\': '\\', t: '\t', n: '\n', r: '\r' }

const escapeField = (text: string): string =>
  special.test(text) ? text.replace(/[\\\t\n\r]/g, (char) => escapes[char] ?? char) : text
const unescapeField = (text: string): string => text.replace(/\\(.)/g, (_all, char: string) => unescapes[char] ?? char)
