import { mayCollect, maySend } from './consent.ts'
import { addBatch, dropBatches, isBackingOff, pump } from './delivery.ts'
import { later, log, pageId, runTasks } from './host.ts'
import { sessionId, slideSession, userId, visitorId } from './identity.ts'
import { listed, numberOption, textOption } from './options.ts'
import { redactedJson, stringify } from './redact.ts'
import type { EventData } from './types.ts'
import { ownHost } from './url.ts'

/** Largest event, in bytes of JSON, below the collector's limit of 32 KB; larger, or circular, it goes without its data. */
const eventBytesMax = 30_000
/** Most events in memory, as while consent is pending; the oldest are dropped, and the gap in `seq` shows it. */
const eventsMax = 1000
/** Largest batch, in bytes of its events: three of them fit what a page may send while it is being closed. */
const batchBytesMax = 19_000

let events: string[] = []
/** Whose the queued events are: what a batch begins with. */
let head = ''
let seq = 0
let flushTimer: number

/**
 * The page that events belong to: set when a page is shown or a route changes, so that what is reported on leaving it
 * still carries its address.
 */
export const place = { url: '' }

export const dropQueue = (): void => {
  events = []
  dropBatches()
}

/** An event that the pixel saw by itself; `data-track` and `data-skip` decide. */
export const capture = (type: string, eventData?: EventData, more?: EventData): void => {
  if ((!textOption('track') || listed('track', type)) && !listed('skip', type)) emit(type, eventData, more)
}

/**
 * Puts an event into the queue, private values replaced, as the text that will travel: what the page does to the object
 * later changes nothing. Every event has an id, and a number within its page load, without gaps.
 */
export const emit = (type: string, eventData?: EventData, more?: EventData): void => {
  if (!mayCollect()) return
  slideSession()
  if (+`0x${(visitorId || sessionId).slice(1, 5)}` / 65536 >= +textOption('sampleRate', '1')) return
  const owner = redactedJson({ sessionId, visitorId: visitorId || null, siteId: ownHost }).slice(1, -1)
  if (owner !== head) freeze()
  head = owner
  const event = { eventType: type, eventId: `${pageId}-${++seq}`, timestamp: new Date(), seq, pageId, ...place }
  let text = ''
  try {
    text = redactedJson({ ...event, ...more, eventData })
  } catch {
    // A circular object: the event is worth more than its data.
  }
  if (!text || text.length > eventBytesMax) text = redactedJson({ ...event, truncated: true })
  events[events.length] = userId ? `${text.slice(0, -1)},"userId":${stringify(userId)}}` : text
  if (events.length > eventsMax) events.shift()
  log(type, eventData)
  clearTimeout(flushTimer)
  flushTimer = later(
    () => isBackingOff() || flush(),
    events.length < numberOption('batchSize', 50) ? numberOption('flushSeconds', 60) * 1000 : 0,
  )
}

/**
 * Makes batches of the queue. A batch never changes again: a retry sends the same id with the same events. The newest batch
 * goes first, so that of a page that dies while it sends the last number arrives, and what is missing shows as a gap.
 */
export const freeze = (): void => {
  if (!maySend()) return
  let lines: string[] = []
  let bytes = 0
  const close = () => {
    if (lines[0]) addBatch(head, lines)
    lines = []
    bytes = 0
  }
  for (const line of events.reverse()) {
    if (bytes + line.length > batchBytesMax) close()
    bytes += line.length
    lines.unshift(line)
  }
  close()
  events = []
}

export const flush = (): void => {
  runTasks()
  freeze()
  pump()
}
