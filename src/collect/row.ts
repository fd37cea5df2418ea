import { randomUUID } from 'node:crypto'
import { type Json, type JsonObject, markedDigits } from '../json.ts'
import { pageviewEventTypes } from '../types.ts'
import { copyField, csvLineBytes } from './copy-line.ts'
import type { RejectCode, Row } from './group.ts'
import { eventTypeCharsMax, idCharsMax, rowBytesMax } from './limits.ts'
import { createNameUuid } from './name-uuid.ts'
import { instantOf, isoOf } from './time.ts'

/** The columns of an event, whatever wire format it came in. Text is final: redacted and storable. */
export type Columns = {
  eventId: string
  eventType: string
  sessionId: string | null
  visitorId: string | null
  userId: string | null
  siteId: string | null
  timestamp: string
  url: string | null
  path: string | null
  userAgent: string | null
  address: string | null
}

/** Why an event is no row: a value, because a bad event is an expected outcome. */
export type Refusal = { code: RejectCode; message: string }

export const isRefusal = (made: object): made is Refusal => 'code' in made

/** The row of an event, or `event_too_large`. */
export const makeRow = (
  index: number,
  columns: Columns,
  raw: string,
  limits: { createdMs: number; eventBytesMax: number },
): Row | Refusal => {
  const bytes = Buffer.byteLength(raw)
  if (bytes > limits.eventBytesMax)
    return { code: 'event_too_large', message: `The event is larger than ${limits.eventBytesMax} bytes.` }
  const line =
    `${columns.eventId}\t${copyField(columns.eventType)}\t${copyField(columns.sessionId)}\t${copyField(columns.visitorId)}\t` +
    `${copyField(columns.userId)}\t${copyField(columns.siteId)}\t${columns.timestamp}\t${copyField(columns.url)}\t` +
    `${copyField(columns.path)}\t${copyField(columns.userAgent)}\t${copyField(columns.address)}\t${copyField(raw)}\t` +
    isoOf(limits.createdMs)
  if (line.length * 3 > rowBytesMax && csvLineBytes(line) > rowBytesMax)
    return { code: 'event_too_large', message: `The event's row is larger than ${rowBytesMax} bytes.` }
  const { siteId, eventType } = columns
  return { index, siteId: siteId ?? '', pageview: pageviewEventTypes.includes(eventType), bytes, line }
}

/** The type of an event, or why it has none. */
export const eventTypeOf = (type: Json | undefined): string | Refusal => {
  if (typeof type !== 'string' || type.trim() === '')
    return { code: 'event_type_missing', message: 'An event needs a type, a non-empty text.' }
  if (type.length > eventTypeCharsMax)
    return { code: 'event_type_too_long', message: `The event type is longer than ${eventTypeCharsMax} characters.` }
  return type
}

/** The text of a field: numbers are taken as their digits, an empty text as none. Undefined for any other type. */
export const textOf = (value: Json | undefined): string | null | undefined => {
  if (value === null || value === undefined || value === '') return null
  if (typeof value === 'string') return markedDigits(value) ?? value
  return typeof value === 'number' ? String(value) : undefined
}

/** The text of an id, of bounded length. Undefined for anything else. */
export const idOf = (value: Json | undefined): string | null | undefined => {
  const id = textOf(value)
  return typeof id === 'string' && id.length > idCharsMax ? undefined : id
}

/** Names `event_id` of an id that is no UUID. A fixed, random namespace: the same text is the same event everywhere. */
const nameOfEvent = createNameUuid('b6c1d3a4-51f0-4b0e-9a52-3f0c7e4f8d11')
const uuidText = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

export const eventIdOf = (sent: string | null): string =>
  sent === null ? randomUUID() : uuidText.test(sent) ? sent.toLowerCase() : nameOfEvent(sent)

/**
 * When an event happened: by the client's clock, set right by `sentAt` (what it was off when it sent is what it was off
 * when the event happened), or the time of arrival when the client does not say.
 */
export const happenedAt = (timestamp: Json | undefined, sentAt: Json | undefined, createdMs: number): string => {
  const happened = instantOf(timestamp)
  if (happened === undefined) return isoOf(createdMs)
  const sent = instantOf(sentAt)
  if (sent === undefined)
    return typeof timestamp === 'string' && canonical.test(timestamp) ? timestamp : isoOf(happened)
  return isoOf(instantOf(happened + createdMs - sent) ?? happened)
}

/** What `toISOString` writes. */
const canonical = /^\d{4}-\d\d-\d\dT(?!24)\d\d:\d\d:\d\d\.\d{3}Z$/

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The path of an http(s) address; null for anything else. */
export const pathOf = (url: string | null): string | null => {
  const match = url === null ? null : /^https?:\/\/[^/?#]+(\/[^?#]*)?/i.exec(url)
  return match ? (match[1] ?? '/') : null
}
