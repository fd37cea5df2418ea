import { clip, fieldOf, numberOf, textLimits } from './clip.ts'
import type { Device } from './device.ts'
import type { ReadEvent } from './read-event.ts'
import { type Act, addAct, keptTypes, mergeSessions, pagesMax, type Session } from './session.ts'

export type Folded = {
  /** Sessions that are new or have changed. */
  changed: Session[]
  /** Stored sessions that are now part of another. */
  absorbed: number[]
}

/** An event with the device it came from. */
export type DeviceEvent = { event: ReadEvent; device: Device }

/** One delta is never longer than a day: a clock that jumped says nothing about attention. */
const engagedMsMax = 24 * 3_600_000

const engagedMsOf = ({ type, data }: ReadEvent): number =>
  type === 'engagement' ? Math.min(engagedMsMax, Math.max(0, Math.round(numberOf(fieldOf(data, 'engagedMs')) ?? 0))) : 0

const actOf = (event: ReadEvent): Act => {
  const act: Act = { atMs: event.atMs, type: event.type }
  if (event.type === 'pageview') act.text = event.path
  if (event.type === 'search') act.text = clip(fieldOf(event.data, 'query'), textLimits.label) ?? ''
  if (event.type === 'purchase') Object.assign(act, readOrder(event))
  return act
}

/** More than a house: what is beyond it is a mistake, or an attempt to spoil the figures. */
const revenueMax = 10_000_000

/** Order id, revenue and currency, by the field names of GA4 (`transaction_id`, `value`), Segment and the demo shop. */
export const readOrder = ({ data, eventId }: ReadEvent): { text: string; revenueMicros: number; currency?: string } => {
  const first = (...keys: string[]): unknown => keys.map((key) => fieldOf(data, key)).find((one) => one !== undefined)
  const id = first('transaction_id', 'orderId', 'order_id', 'orderNumber')
  const revenue = numberOf(first('value', 'revenue', 'total')) ?? 0
  const currency = first('currency')
  return {
    text: clip(typeof id === 'number' ? String(id) : id, textLimits.label) ?? eventId,
    revenueMicros: revenue > 0 && revenue <= revenueMax ? Math.round(revenue * 1e6) : 0,
    ...(typeof currency === 'string' && /^[A-Z]{3}$/.test(currency) && { currency }),
  }
}

/**
 * Puts new events into the sessions of one visitor. Two that are no further apart than the timeout are one session
 * (exactly the timeout still is), in whatever order they arrive: an event between two sessions joins them. `stored` are
 * the sessions of the visitor within reach of the events; both lists are sorted and used up.
 */
export const foldSessions = (
  stored: Session[],
  events: DeviceEvent[],
  options: { timeoutMs: number; kept: ReadonlySet<string> },
): Folded => {
  stored.sort((a, b) => a.startMs - b.startMs)
  events.sort((a, b) => a.event.atMs - b.event.atMs)
  const changed = new Set<Session>()
  const absorbed: number[] = []
  let current: Session | undefined
  let nextStored = 0
  for (const one of events) {
    // Stored sessions that begin before the event come first; so the walk is in the order of time.
    for (let next = stored[nextStored]; next && next.startMs <= one.event.atMs; next = stored[++nextStored])
      current = join(current, next)
    if (!current || one.event.atMs - current.endMs > options.timeoutMs) current = emptySession(one.event)
    addEvent(current, one, options.kept)
    changed.add(current)
  }
  for (let next = stored[nextStored]; next; next = stored[++nextStored]) current = join(current, next)
  return { changed: [...changed], absorbed }

  /** The session that goes on after `next`, a stored one, has begun. */
  function join(before: Session | undefined, next: Session): Session {
    if (!before || next.startMs - before.endMs > options.timeoutMs) return next
    // The stored one keeps its id; of two stored ones the older.
    if (before.id === null) before.id = next.id
    else if (next.id !== null) absorbed.push(next.id)
    mergeSessions(before, next)
    changed.add(before)
    return before
  }
}

const emptySession = ({ siteId, visitorKey, atMs }: ReadEvent): Session => ({
  id: null,
  siteId,
  visitorKey: visitorKey ?? '',
  startMs: atMs,
  endMs: atMs,
  userId: null,
  userAtMs: 0,
  events: 0,
  pageviews: 0,
  engagedMs: 0,
  channel: 'direct',
  source: null,
  campaign: null,
  landedMs: null,
  device: 'other',
  browser: null,
  os: null,
  language: null,
  isBot: false,
  acts: [],
  pages: new Map(),
})

/** Events of a session come here in the order of time, but may lie before its end: that of a stored one. */
const addEvent = (session: Session, { event, device }: DeviceEvent, kept: ReadonlySet<string>): void => {
  session.startMs = Math.min(session.startMs, event.atMs)
  session.endMs = Math.max(session.endMs, event.atMs)
  session.events++
  if (event.type === 'pageview') session.pageviews++
  session.engagedMs += engagedMsOf(event)
  session.isBot ||= event.isBot
  if (event.userId !== null && event.atMs >= session.userAtMs) {
    session.userId = event.userId
    session.userAtMs = event.atMs
  }
  if (event.arrival && (session.landedMs === null || event.atMs < session.landedMs)) {
    session.landedMs = event.atMs
    session.channel = event.arrival.channel
    session.source = event.arrival.source
    session.campaign = event.arrival.campaign
  }
  if (session.device === 'other' && session.browser === null) {
    session.device = device.kind
    session.browser = device.browser
    session.os = device.os
  }
  session.language ??= event.language
  if (keptTypes.has(event.type) || kept.has(event.type)) addAct(session, actOf(event))
  if (event.pageId !== null && event.seq !== null) addSeq(session, event.pageId, event.seq)
}

const addSeq = (session: Session, pageId: string, seq: number): void => {
  const known = session.pages.get(pageId)
  if (known) {
    known.highest = Math.max(known.highest, seq)
    known.lowest = Math.min(known.lowest, seq)
    known.seen++
  } else if (session.pages.size < pagesMax) session.pages.set(pageId, { highest: seq, lowest: seq, seen: 1 })
}
