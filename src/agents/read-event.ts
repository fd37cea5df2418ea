import { pageviewEventTypes } from '../types.ts'
import { type Arrival, readArrival } from './channel.ts'
import { clip, fieldOf, fieldsOf, numberOf, shortId, textLimits } from './clip.ts'

/** A row of events_log; `raw` is the text of raw_event_data, the instants are milliseconds since 1970. */
export type EventRow = {
  event_id: string
  event_type: string
  session_id: string | null
  visitor_id: string | null
  user_id: string | null
  site_id: string | null
  happened: number
  created: number
  path: string | null
  user_agent: string | null
  raw: string
}

/** What the agents need of an event. Texts are clipped; nothing else of it is kept. */
export type ReadEvent = {
  siteId: string
  /** Null: belongs to nobody (consent was refused), and is counted only. */
  visitorKey: string | null
  userId: string | null
  type: string
  atMs: number
  createdMs: number
  /** The sender's clock was so wrong that the time of arrival stands in. */
  isMisdated: boolean
  /** By how many seconds the collector corrected the sender's clock; null where it cannot be told. */
  skewSeconds: number | null
  isBot: boolean
  path: string
  userAgent: string | null
  data: Record<string, unknown>
  arrival: Arrival | null
  language: string | null
  pageId: string | null
  seq: number | null
  /** Of an `identify`. */
  traits: [name: string, value: string][]
  eventId: string
}

/** Clocks run ahead by this much without being wrong. */
const aheadMsMax = 5 * 60_000

/** Reads a row; null for one that is older than `oldestMs`: its day will not be kept. */
export const readEvent = (row: EventRow, oldestMs: number): ReadEvent | null => {
  const raw: unknown = JSON.parse(row.raw)
  const event = fieldsOf(raw)
  const type = pageviewEventTypes.includes(row.event_type) ? 'pageview' : row.event_type
  const isMisdated = row.happened > row.created + aheadMsMax
  const atMs = isMisdated ? row.created : row.happened
  if (atMs < oldestMs) return null
  const siteId = shortId(row.site_id ?? '')
  const context = fieldsOf(fieldOf(event, 'context'))
  const browser = fieldsOf(fieldOf(event, 'browser'))
  const sentMs = type === 'pageview' ? instantOf(fieldOf(event, 'timestamp')) : null
  const seq = numberOf(fieldOf(event, 'seq'))
  return {
    siteId,
    visitorKey: visitorKeyOf(row),
    userId: isUserId(row.user_id) ? shortId(row.user_id) : null,
    type,
    atMs,
    createdMs: row.created,
    isMisdated,
    skewSeconds: sentMs === null ? null : Math.round((row.happened - sentMs) / 1000),
    isBot: fieldOf(event, 'bot') === true,
    path: clip(row.path, textLimits.path) ?? '/',
    userAgent: row.user_agent,
    data: fieldsOf(fieldOf(event, 'eventData') ?? fieldOf(event, 'properties')),
    arrival: type === 'pageview' ? readArrival(raw, siteId) : null,
    language: clip(fieldOf(browser, 'language') ?? fieldOf(context, 'locale'), 20),
    pageId: clip(fieldOf(event, 'pageId'), 40),
    seq: seq !== null && Number.isInteger(seq) && seq >= 0 && seq < 1e6 ? seq : null,
    traits: type === 'identify' ? readTraits(event) : [],
    eventId: row.event_id,
  }
}

/** Traits of one person that are kept. */
const traitsMax = 30

/** Names and values as sent, values as text; nested ones are left out. */
const readTraits = (event: Record<string, unknown>): [string, string][] => {
  const traits = fieldsOf(fieldOf(fieldsOf(fieldOf(event, 'eventData')), 'traits') ?? fieldOf(event, 'traits'))
  return Object.entries(traits)
    .filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value) && value !== '')
    .slice(0, traitsMax)
    .map(([name, value]) => [clip(name, textLimits.traitName) ?? '?', clip(String(value), textLimits.traitValue) ?? ''])
}

const visitorKeyOf = ({ visitor_id, session_id, user_id }: EventRow): string | null => {
  if (visitor_id !== null) return visitorKeyOfId(visitor_id)
  if (session_id !== null) return `session:${shortId(session_id)}`
  return isUserId(user_id) ? userKey(shortId(user_id)) : null
}

export const userKey = (userId: string): string => `user:${userId}`
/** A visitor id may be any text, and must not pass for one of our own keys. */
export const visitorKeyOfId = (visitorId: string): string =>
  shortId(/^(user|session|id):/.test(visitorId) ? `id:${visitorId}` : visitorId)

const instantOf = (value: unknown): number | null => {
  const ms = typeof value === 'string' && value.length < 40 ? Date.parse(value) : numberOf(value)
  return ms !== null && Number.isFinite(ms) ? ms : null
}

/** What programs send when they know nobody. A user id that everybody shares would make one person of all of them. */
const nobody = new Set([
  ...[
    'null',
    'undefined',
    'none',
    'nil',
    'nan',
    '0',
    '-1',
    '-',
    'anonymous',
    'anon',
    'guest',
    'unknown',
    'user',
    'test',
  ],
  ...['[object object]', 'true', 'false', 'n/a', 'na', 'default', 'example', 'example@example.com', '[redacted]', ''],
])
export const isUserId = (userId: string | null): userId is string =>
  userId !== null && !nobody.has(userId.trim().toLowerCase())
