/** Milliseconds since 1970 of years 0001 to 9999 in UTC: what PostgreSQL, DuckDB and Parquet readers all take. */
const instantMin = -62_135_596_800_000
const instantMax = 253_402_300_799_999

const isoDate = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?\s?(Z|[+-]\d\d(?::?\d\d)?)?)?$/i

/**
 * The instant that a sender means: ISO 8601 (without a zone it is UTC) or milliseconds since 1970. Undefined for anything
 * else, a day that does not exist and years outside 0001–9999 after conversion to UTC included.
 */
export const instantOf = (value: unknown): number | undefined => {
  const ms = typeof value === 'number' ? Math.trunc(value) : typeof value === 'string' ? parseIso(value) : Number.NaN
  return ms >= instantMin && ms <= instantMax ? ms : undefined
}

const parseIso = (text: string): number => {
  // What browsers send, in the engine's fast path.
  if (text.length === 24 && text.charCodeAt(23) === 90) return strict(text, text)
  const match = isoDate.exec(text)
  if (!match) return Number.NaN
  let normal = text.trim().replace(' ', 'T').replace(',', '.').replace(/\s/g, '')
  if (normal.length > 10 && match[1] === undefined) normal += 'Z'
  normal = normal.replace(/([+-]\d\d)$/, (zone) => (normal.includes('T') ? `${zone}:00` : zone))
  return strict(
    normal.replace(/([+-]\d\d)(\d\d)$/, (all, h, m) => (normal.includes('T') ? `${h}:${m}` : all)),
    text,
  )
}

/** V8 rolls 30 February over into March; a day that does not exist is no instant. */
const strict = (normal: string, text: string): number => {
  const ms = Date.parse(normal)
  if (Number.isNaN(ms)) return ms
  const day = Number(text.slice(8, 10))
  if (day <= 28) return ms
  const days = new Date(Date.UTC(Number(text.slice(0, 4)), Number(text.slice(5, 7)), 0)).getUTCDate()
  return day <= days ? ms : Number.NaN
}

/** ISO 8601 in UTC, as PostgreSQL reads it. Texts are kept for the last instant: requests come many to a millisecond. */
export const isoOf = (ms: number): string => {
  if (ms !== lastMs) {
    lastMs = ms
    lastIso = new Date(ms).toISOString()
  }
  return lastIso
}
let lastMs = Number.NaN
let lastIso = ''
