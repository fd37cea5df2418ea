import { randomUUID } from 'node:crypto'
import { v5 as uuidV5 } from 'uuid'
import { pageviewEventTypes } from '../types.ts'
import { copyLine, csvLineBytes } from './copy-line.ts'
import type { Reject, RejectCode, Row } from './group.ts'
import { type Json, type JsonObject, markedDigits, writeJson } from './json.ts'
import { depthMax, eventTypeCharsMax, idCharsMax, rowBytesMax } from './limits.ts'
import type { SiteNames } from './site.ts'
import { instantOf, isoOf } from './time.ts'
import { type Rewrite, rewriteTree, withTextLimit } from './tree.ts'

/** What a request says about all its events. */
export type Arrival = {
  createdMs: number
  origin: string | undefined
  userAgent: string | null
  address: string | null
}

/** What the children of an envelope inherit, already rewritten; `texts` are the same as JSON, ready to be appended. */
export type Inherited = { fields: JsonObject; texts: Map<string, string>; sentAt: Json | undefined }

export const inheritedKeys = [
  ...['sessionId', 'visitorId', 'userId', 'siteId'],
  ...['url', 'path', 'page', 'attribution'],
] as const

export const nothingInherited: Inherited = { fields: {}, texts: new Map(), sentAt: undefined }

export type EventReader = {
  /** The row of a parsed event, or why there is none. The event is rewritten in place. */
  read(event: Json, index: number, inherited: Inherited): Row | Reject
}

export const isReject = (made: Row | Reject): made is Reject => 'code' in made

/** Names `event_id` of an id that is no UUID. A fixed, random namespace: the same text is the same event everywhere. */
const eventNamespace = 'b6c1d3a4-51f0-4b0e-9a52-3f0c7e4f8d11'
const uuidText = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

export const createEventReader = (options: {
  arrival: Arrival
  rewrite: Rewrite
  marked: boolean
  siteNames: SiteNames
  eventBytesMax: number
}): EventReader => {
  const { arrival, marked, siteNames } = options

  const textBudget = options.eventBytesMax * redactedSizesMax

  const read = (sent: Json, index: number, inherited: Inherited): Row | Reject => {
    const { value: event, tooDeep } = rewriteTree(sent, withTextLimit(options.rewrite, textBudget), depthMax)
    const refuse = (code: RejectCode, message: string, siteId = ''): Reject => ({
      ...{ index, siteId, code, message, payload: writeJson(event, marked) },
    })
    if (!isObject(event)) return refuse('event_not_object', 'An event must be a JSON object.')

    const fields = readFields(event, inherited.fields)
    if ('invalid' in fields)
      return refuse('event_invalid', `${fields.invalid} must be text of at most ${idCharsMax} characters.`)
    const siteId = siteNames.siteOf(fields.url, arrival.origin, fields.siteId)
    const eventType = event.eventType
    if (typeof eventType !== 'string' || eventType.trim() === '')
      return refuse('event_type_missing', 'An event needs eventType, a non-empty text.', siteId ?? '')
    if (eventType.length > eventTypeCharsMax)
      return refuse('event_type_too_long', `eventType is longer than ${eventTypeCharsMax} characters.`, siteId ?? '')
    if (eventType === 'batch' && Array.isArray(event.events))
      return refuse('event_invalid', 'A batch cannot hold another batch.', siteId ?? '')
    if (tooDeep) return refuse('event_too_deep', `The event is nested deeper than ${depthMax} levels.`, siteId ?? '')

    const raw = rawText(event, inherited, marked)
    const bytes = Buffer.byteLength(raw)
    if (bytes > options.eventBytesMax)
      return refuse('event_too_large', `The event is larger than ${options.eventBytesMax} bytes.`, siteId ?? '')
    const line = copyLine([
      ...[eventIdOf(fields.eventId), eventType, fields.sessionId, fields.visitorId, fields.userId, siteId],
      ...[timestampOf(event, inherited, arrival), fields.url, fields.path, arrival.userAgent, arrival.address],
      ...[raw, isoOf(arrival.createdMs)],
    ])
    if (line.length * 3 > rowBytesMax && csvLineBytes(line) > rowBytesMax)
      return refuse('event_too_large', `The event's row is larger than ${rowBytesMax} bytes.`, siteId ?? '')
    return { index, siteId: siteId ?? '', pageview: pageviewEventTypes.includes(eventType), bytes, line }
  }
  return { read }
}

/** Texts of an event are redacted up to so many times the size an event may have; it is refused for its size anyway. */
export const redactedSizesMax = 2

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

type Fields = Record<'eventId' | 'sessionId' | 'visitorId' | 'userId' | 'siteId' | 'url' | 'path', string | null>

const readFields = (event: JsonObject, inherited: JsonObject): Fields | { invalid: string } => {
  const ids: Partial<Fields> = {}
  for (const key of ['eventId', 'sessionId', 'visitorId', 'userId', 'siteId'] as const) {
    const id = textOf(event[key] ?? inherited[key])
    if (id === undefined || (id !== null && id.length > idCharsMax)) return { invalid: key }
    ids[key] = id
  }
  const url = textOf(event.url ?? pageField(event, 'url') ?? inherited.url ?? pageField(inherited, 'url'))
  if (url === undefined) return { invalid: 'url' }
  const path = textOf(event.path ?? pageField(event, 'path') ?? inherited.path ?? pageField(inherited, 'path'))
  if (path === undefined) return { invalid: 'path' }
  return { ...(ids as Fields), url, path: path ?? pathOf(url) }
}

/** The text of an id: numbers are taken as their digits, an empty text as none. Undefined for any other type. */
const textOf = (value: Json | undefined): string | null | undefined => {
  if (value === null || value === undefined || value === '') return null
  if (typeof value === 'string') return markedDigits(value) ?? value
  return typeof value === 'number' ? String(value) : undefined
}

const pageField = (event: JsonObject, key: 'url' | 'path'): Json | undefined => {
  const page = event.page
  const value = isObject(page) ? page[key] : undefined
  return typeof value === 'string' ? value : undefined
}

const pathOf = (url: string | null): string | null =>
  url === null
    ? null
    : (/^https?:\/\/[^/?#]+(\/[^?#]*)?/i
        .exec(url)
        ?.slice(1)
        .map((path) => path ?? '/')[0] ?? null)

const eventIdOf = (sent: string | null): string =>
  sent === null ? randomUUID() : uuidText.test(sent) ? sent.toLowerCase() : uuidV5(sent, eventNamespace)

/** The client's clock, set right by `sentAt`: what it was off when it sent is what it was off when it happened. */
const timestampOf = (event: JsonObject, inherited: Inherited, arrival: Arrival): string => {
  const happened = instantOf(event.timestamp)
  if (happened === undefined) return isoOf(arrival.createdMs)
  const sentAt = instantOf(event.sentAt ?? inherited.sentAt)
  if (sentAt === undefined) return isoOf(happened)
  return isoOf(instantOf(happened + arrival.createdMs - sentAt) ?? happened)
}

/** The event as sent, with what it inherits appended: one line, complete in itself. */
const rawText = (event: JsonObject, inherited: Inherited, marked: boolean): string => {
  const own = writeJson(event, marked)
  let appended = ''
  for (const [key, text] of inherited.texts) if (event[key] === undefined || event[key] === null) appended += text
  if (appended === '') return own
  for (const key of inherited.texts.keys())
    if (event[key] === null) return writeJson({ ...event, ...missing(event, inherited.fields) }, marked)
  return `${own.slice(0, -1)}${appended}}`
}

const missing = (event: JsonObject, fields: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(fields).filter(([key]) => event[key] === undefined || event[key] === null))
