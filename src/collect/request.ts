import { AppError } from '../errors.ts'
import { type Json, type JsonObject, parseJson, writeJson } from '../json.ts'
import { digestOf } from '../keyed-hash.ts'
import {
  type Arrival,
  createEventReader,
  type EventReader,
  type EventReaderOptions,
  type Inherited,
  inheritedKeys,
  isReject,
  nothingInherited,
  redactedSizesMax,
} from './event.ts'
import { type BodyTexts, type EventText, findTexts } from './event-texts.ts'
import type { Reject, Row } from './group.ts'
import { depthMax, eventsMax, idCharsMax, requestRowBytesMax } from './limits.ts'
import type { Privacy } from './privacy.ts'
import { isObject } from './row.ts'
import type { SiteNames } from './site.ts'
import { type Rewrite, rewriteTree, withTextLimit } from './tree.ts'

export type ReadRequest = {
  rows: Row[]
  rejects: Reject[]
  /** Bytes of the rows and rejects. */
  bytes: number
  /** False for a body that is one event. */
  isBatch: boolean
  /** What an idempotency key is scoped by, and the `batchId` of the body. */
  scope: { siteId: string; visitorId: string; sessionId: string }
  batchId: string | undefined
  /** Digest of the events without `sentAt` and `_metadata`, which differ from try to try. */
  digest(): string
}

export type RequestReaderOptions = Pick<
  EventReaderOptions,
  'siteNames' | 'sitesAllowed' | 'lastPages' | 'eventBytesMax'
> & {
  privacy: Privacy
}

export type RequestReader = (body: string, arrival: Arrival) => Promise<ReadRequest>

/** After so many events others have their turn: 10,000 of them take a few hundred milliseconds. */
export const eventsAtOnce = 200
export const othersTurn = (): Promise<void> => new Promise(setImmediate)

/**
 * Reads the body of /collect: one event, or an envelope with `events`. One bad event never harms its neighbours: it
 * is listed in `rejects`. Errors, for the request as a whole: body_unreadable, events_missing, events_too_many,
 * body_too_large (rows that grow out of bounds by inheritance).
 */
export const createRequestReader =
  (options: RequestReaderOptions): RequestReader =>
  async (body, arrival) => {
    const { value, marked, texts } = parseBody(body)
    const rewrite = options.privacy.rewrite(body.includes('\\u'))
    const reader = createEventReader({ ...options, arrival, rewrite })
    const envelope = isEnvelope(value) ? value : undefined
    const events = envelope ? childrenOf(envelope) : [value]
    const inherited = envelope
      ? inheritedOf(envelope, withTextLimit(rewrite, options.eventBytesMax * redactedSizesMax), marked)
      : nothingInherited
    return {
      ...(await readAll(events, reader, inherited, {
        marked,
        texts: envelope ? texts?.events : texts && [texts.whole],
      })),
      isBatch: envelope !== undefined,
      scope: scopeOf(envelope ? inherited.fields : value, arrival, options.siteNames),
      batchId: isObject(value) ? batchIdOf(value) : undefined,
      // Read after the events, so it is over what is stored: rewritten in place.
      digest: () =>
        digestOf([
          ...inherited.texts.map(({ text }) => text),
          // Some may be marked where the body was not; in others there is no mark to be found.
          ...events.map((event, i) => digestText(event, reader.textOf(i), true)),
        ]),
    }
  }

const digestText = (event: Json, text: string | undefined, marked: boolean): string => {
  if (!isObject(event)) return ''
  if (event.sentAt === undefined && event._metadata === undefined) return text ?? writeJson(event, marked)
  const { sentAt: _sentAt, _metadata, ...same } = event
  return writeJson(same, marked)
}

const parseBody = (sent: string): { value: Json; marked: boolean; texts?: BodyTexts } => {
  const body = sent.charCodeAt(0) === byteOrderMark ? sent.slice(1) : sent
  try {
    const value = JSON.parse(body) as Json
    const texts = findTexts(body)
    const isLossy = texts === undefined || texts.isLossyBeside || (texts.events === undefined && texts.whole.isLossy)
    return isLossy ? parseJson(body) : { value, marked: false, texts }
  } catch {
    // The parser's message quotes the body, which may be private.
    throw new AppError('body_unreadable', 'The body is not JSON.')
  }
}
const byteOrderMark = 0xfeff

const isEnvelope = (value: Json): value is JsonObject =>
  isObject(value) && (value.eventType === 'batch' || (value.eventType === undefined && Array.isArray(value.events)))

const childrenOf = (envelope: JsonObject): Json[] => {
  const events = envelope.events
  if (!Array.isArray(events) || events.length === 0)
    throw new AppError('events_missing', 'A batch needs events, a non-empty array.')
  if (events.length > eventsMax)
    throw new AppError('events_too_many', `A batch holds at most ${eventsMax} events; this one holds ${events.length}.`)
  return events
}

const inheritedOf = (envelope: JsonObject, rewrite: Rewrite, marked: boolean): Inherited => {
  const sent: JsonObject = {}
  for (const key of inheritedKeys) {
    const value = envelope[key]
    if (value !== undefined && value !== null) sent[key] = value
  }
  const { value } = rewriteTree(sent, rewrite, depthMax)
  const fields = value as JsonObject
  const texts = Object.entries(fields).map(([key, one]) => ({ key, text: `,"${key}":${writeJson(one, marked)}` }))
  return { fields, texts, sentAt: envelope.sentAt, isEnvelope: true }
}

const readAll = async (
  events: Json[],
  reader: EventReader,
  inherited: Inherited,
  source: { marked: boolean; texts: readonly EventText[] | undefined },
) => {
  const rows: Row[] = []
  const rejects: Reject[] = []
  let bytes = 0
  for (let index = 0; index < events.length; index++) {
    if (index > 0 && index % eventsAtOnce === 0) await othersTurn()
    let text = source.texts?.[index]
    let { marked } = source
    if (text?.isLossy) {
      // Its numbers are read once more, without loss.
      const exact = parseJson(text.text)
      events[index] = exact.value
      marked = exact.marked
      text = undefined
    }
    const made = reader.read(events[index] ?? null, index, inherited, { text, marked })
    if (isReject(made)) rejects.push(made)
    else rows.push(made)
    bytes += isReject(made) ? made.payload.length : made.line.length
    if (bytes > requestRowBytesMax)
      throw new AppError('body_too_large', `The events grow beyond ${requestRowBytesMax} bytes with what they inherit.`)
  }
  return { rows, rejects, bytes }
}

const scopeOf = (value: Json, arrival: Arrival, siteNames: SiteNames) => {
  const one = (key: string): string => {
    const id = isObject(value) ? value[key] : undefined
    return typeof id === 'string' || typeof id === 'number' ? String(id) : ''
  }
  const siteId = siteNames.siteOf(one('url') || null, arrival.origin, one('siteId') || null) ?? ''
  return { siteId, visitorId: one('visitorId'), sessionId: one('sessionId') }
}

const batchIdOf = (value: JsonObject): string | undefined => {
  const id = value.batchId
  if (typeof id === 'number') return String(id)
  return typeof id === 'string' && id !== '' && id.length <= idCharsMax ? id : undefined
}
