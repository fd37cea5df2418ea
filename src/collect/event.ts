import { type Json, type JsonObject, writeJson } from '../json.ts'
import type { Bot } from './bots.ts'
import type { EventText } from './event-texts.ts'
import type { Reject, Row } from './group.ts'
import type { LastPages } from './last-pages.ts'
import { depthMax, idCharsMax } from './limits.ts'
import {
  eventIdOf,
  eventTypeOf,
  happenedAt,
  idOf,
  isObject,
  isRefusal,
  makeRow,
  pathOf,
  type Refusal,
  textOf,
} from './row.ts'
import type { SiteNames } from './site.ts'
import type { SitesAllowed } from './sites-allowed.ts'
import { type Rewrite, rewriteTree, withTextLimit } from './tree.ts'

/** What a request says about all its events. */
export type Arrival = {
  createdMs: number
  origin: string | undefined
  userAgent: string | null
  address: string | null
  bot: Bot
}

/** What the children of an envelope inherit, already rewritten; `texts` are the same as JSON, ready to be appended. */
export type Inherited = {
  fields: JsonObject
  texts: readonly { key: string; text: string }[]
  sentAt: Json | undefined
  isEnvelope: boolean
}

export const inheritedKeys = [
  ...['sessionId', 'visitorId', 'userId', 'siteId'],
  ...['url', 'path', 'page', 'attribution'],
] as const

export const nothingInherited: Inherited = { fields: {}, texts: [], sentAt: undefined, isEnvelope: false }

export type EventSource = {
  /** The text that the event was parsed from. It is what is stored, unless something of it was rewritten. */
  text?: EventText | undefined
  /** As `parseJson` answered. */
  marked: boolean
}

export type EventReader = {
  /** The row of a parsed event, or why there is none. The event is rewritten in place. */
  read(event: Json, index: number, inherited: Inherited, source: EventSource): Row | Reject
  /** The JSON of an event that was read, without what it inherits; undefined for a reject. */
  textOf(index: number): string | undefined
}

export const isReject = (made: Row | Reject): made is Reject => 'code' in made

/** Texts of an event are redacted up to so many times the size an event may have; it is refused for its size anyway. */
export const redactedSizesMax = 2

export type EventReaderOptions = {
  arrival: Arrival
  rewrite: Rewrite
  siteNames: SiteNames
  sitesAllowed: SitesAllowed
  lastPages: LastPages
  eventBytesMax: number
}

/** Reads events in the pixel's own format, and in those of its predecessors. */
export const createEventReader = (options: EventReaderOptions): EventReader => {
  const { arrival, eventBytesMax } = options
  /** Writing an event costs more than all that is done with its text: it is written once, if at all. */
  const texts: (string | undefined)[] = []

  const read = (sent: Json, index: number, inherited: Inherited, { text, marked }: EventSource): Row | Reject => {
    const rewrite = withTextLimit(options.rewrite, eventBytesMax * redactedSizesMax)
    const { value: event, tooDeep, changed, keys } = rewriteTree(sent, rewrite, depthMax)
    const site: { id: string | null } = { id: null }
    // A key that was sent twice was judged by its last value only: then the text is not what was judged.
    const isKept = !changed && keys === text?.keys && arrival.bot !== 'mark'
    const write = (): string => (isKept ? text.text : writeJson(event, marked))
    const made = isObject(event)
      ? rowOf(event, index, inherited, tooDeep, site, { write, marked })
      : ({ code: 'event_not_object', message: 'An event must be a JSON object.' } as const)
    return isRefusal(made) ? { index, siteId: site.id ?? '', ...made, payload: writeJson(event, marked) } : made
  }

  const rowOf = (
    event: JsonObject,
    index: number,
    inherited: Inherited,
    tooDeep: boolean,
    site: { id: string | null },
    json: { write: () => string; marked: boolean },
  ): Row | Refusal => {
    const fields = readFields(event, inherited.fields)
    if (isRefusal(fields)) return fields
    site.id = options.siteNames.siteOf(fields.url, arrival.origin, fields.siteId)
    if (!options.sitesAllowed.site(site.id) || !options.sitesAllowed.pair(arrival.origin, site.id))
      return { code: 'origin_forbidden', message: 'This site is not among those that may send here.' }
    const eventType = eventTypeOf(event.eventType)
    if (typeof eventType !== 'string') return eventType
    if (eventType === 'batch' && Array.isArray(event.events))
      return { code: 'event_invalid', message: 'A batch cannot hold another batch.' }
    if (tooDeep) return { code: 'event_too_deep', message: `The event is nested deeper than ${depthMax} levels.` }

    const page = options.lastPages.pageOf(fields, eventType, inherited.isEnvelope)
    const columns = {
      eventId: eventIdOf(fields.eventId),
      eventType,
      sessionId: fields.sessionId,
      visitorId: fields.visitorId,
      userId: fields.userId,
      siteId: site.id,
      timestamp: happenedAt(event.timestamp, event.sentAt ?? inherited.sentAt, arrival.createdMs),
      url: page.url,
      path: page.path,
      userAgent: arrival.userAgent,
      address: arrival.address,
    }
    if (arrival.bot === 'mark') event.bot ??= true
    return makeRow(index, columns, rawText(event, index, inherited, json), {
      createdMs: arrival.createdMs,
      eventBytesMax,
    })
  }

  /** The event as sent, with what it inherits appended: one line, complete in itself. */
  const rawText = (
    event: JsonObject,
    index: number,
    inherited: Inherited,
    { write, marked }: { write: () => string; marked: boolean },
  ): string => {
    let appended = ''
    for (const { key, text } of inherited.texts) {
      const own = event[key]
      if (own === null) return writeJson({ ...event, ...missing(event, inherited.fields) }, marked)
      if (own === undefined) appended += text
    }
    const own = write()
    texts[index] = own
    return appended === '' ? own : `${own.slice(0, -1)}${appended}}`
  }
  return { read, textOf: (index) => texts[index] }
}

export type Fields = Record<'eventId' | 'sessionId' | 'visitorId' | 'userId' | 'siteId' | 'url' | 'path', string | null>

const readFields = (event: JsonObject, inherited: JsonObject): Fields | Refusal => {
  const eventId = idOf(event.eventId)
  if (eventId === undefined) return notText('eventId')
  const sessionId = idOf(event.sessionId ?? inherited.sessionId)
  if (sessionId === undefined) return notText('sessionId')
  const visitorId = idOf(event.visitorId ?? inherited.visitorId)
  if (visitorId === undefined) return notText('visitorId')
  const userId = idOf(event.userId ?? inherited.userId)
  if (userId === undefined) return notText('userId')
  const siteId = idOf(event.siteId ?? inherited.siteId)
  if (siteId === undefined) return notText('siteId')
  const url = textOf(event.url ?? pageField(event, 'url') ?? inherited.url ?? pageField(inherited, 'url'))
  if (url === undefined) return { code: 'event_invalid', message: 'url must be text.' }
  const path = textOf(event.path ?? pageField(event, 'path') ?? inherited.path ?? pageField(inherited, 'path'))
  if (path === undefined) return { code: 'event_invalid', message: 'path must be text.' }
  return { eventId, sessionId, visitorId, userId, siteId, url, path: path ?? pathOf(url) }
}

const notText = (key: string): Refusal => ({
  ...{ code: 'event_invalid', message: `${key} must be text of at most ${idCharsMax} characters.` },
})

const pageField = (event: JsonObject, key: 'url' | 'path'): Json | undefined => {
  const page = event.page
  const value = isObject(page) ? page[key] : undefined
  return typeof value === 'string' ? value : undefined
}

const missing = (event: JsonObject, fields: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(fields).filter(([key]) => event[key] === undefined || event[key] === null))
