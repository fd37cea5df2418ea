import { createEventWriter, type TrafficEvent } from './events.ts'
import type { Person, Visit } from './people.ts'
import type { Random } from './random.ts'
import type { Site } from './shop.ts'
import type { Step } from './visit-acts.ts'

/** One request of the pixel. A retry sends the same bytes under the same key. */
export type TrafficRequest = {
  /** The `batchId` of an envelope; the event's id where a single event is sent. */
  key: string
  /** When the pixel sends it, in milliseconds since 1970: not before its last event. */
  sentMs: number
  siteId: string
  /** Null where somebody declined to be measured. */
  visitorId: string | null
  sessionId: string | null
  userAgent: string
  events: TrafficEvent[]
  /** What is posted to `/collect`: the envelope, or the one event with the ids in it. */
  body: object
}

/** As the pixel does: a request at 50 events, after 60 s without activity, and when a page is left. */
const requestEventsMax = 50
const idleMs = 60_000

/** The requests of one session, in the order in which they are sent. */
export const requestsOf = (
  site: Site,
  person: Person,
  visit: Visit,
  steps: Step[],
  random: Random,
): TrafficRequest[] => {
  const write = createEventWriter(site, person, visit, random)
  const requests: TrafficRequest[] = []
  const sessionId = visit.declines ? null : `sess_${random.letters(22)}`
  const visitorId = visit.declines ? null : visit.browser.visitorId
  const ids = {
    ...(sessionId !== null && { sessionId }),
    ...(visitorId !== null && { visitorId }),
    siteId: site.siteId,
  }
  let queue: TrafficEvent[] = []

  const send = (events: TrafficEvent[], sentMs: number, asBatch: boolean): void => {
    const [first] = events
    if (!first) return
    const key = asBatch ? random.uuid() : first.eventId
    const body = asBatch ? { eventType: 'batch', batchId: key, ...ids, events } : { ...first, ...ids }
    const { userAgent } = visit.browser.device
    requests.push({ key, sentMs, siteId: site.siteId, visitorId, sessionId, userAgent, events, body })
  }
  const flush = (sentMs: number): void => {
    send(queue, sentMs, true)
    queue = []
  }

  let last: Step | undefined
  for (const step of steps) {
    if (last && step.atMs - last.atMs >= idleMs) flush(last.atMs + idleMs)
    else if (last && !site.singlePage && step.view !== last.view) flush(step.atMs)
    const event = write(step)
    last = step
    // What must not be lost goes at once, and what is sent while the page closes goes as a beacon of its own.
    if (isSentAlone(site, step)) {
      flush(step.atMs)
      send([event], step.atMs, false)
    } else {
      queue.push(event)
      if (queue.length === requestEventsMax) flush(step.atMs)
    }
  }
  flush(last ? last.atMs : visit.startMs)
  return requests
}

const isSentAlone = (site: Site, { type, view }: Step): boolean =>
  type === 'purchase' ||
  (type === 'page_exit' && !site.singlePage) ||
  (type === 'consent' && view.arrival === undefined)
