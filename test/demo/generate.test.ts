import { createHash } from 'node:crypto'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { generateTraffic, type TrafficOptions } from '../../src/demo/generate.ts'
import { standardEventTypes } from '../../src/types.ts'
import { travelled } from './recount.ts'

const untilMs = Date.UTC(2026, 10, 20, 18)
const some: TrafficOptions = { events: 20_000, sites: 7, seed: 1, days: 28, untilMs }
const hashOf = (options: TrafficOptions): string => {
  const hash = createHash('sha256')
  for (const { body, key, sentMs } of generateTraffic(options).requests)
    hash.update(JSON.stringify([body, key, sentMs]))
  return hash.digest('hex')
}

t.test('the same options send the same bytes, another seed sends others', async (t) => {
  const first = hashOf(some)
  t.equal(hashOf(some), first)
  t.not(hashOf({ ...some, seed: 2 }), first)
})

t.test('another time, with the same seed, is other people', async (t) => {
  const visitorsOf = (options: TrafficOptions) => {
    const visitorIds = new Set<string | null>()
    for (const { visitorId } of generateTraffic(options).requests) visitorIds.add(visitorId)
    visitorIds.delete(null)
    return visitorIds
  }
  const later = visitorsOf({ ...some, untilMs: untilMs + 1 })
  t.same(
    [...visitorsOf(some)].filter((visitorId) => later.has(visitorId)),
    [],
  )
})

t.test('the events are exactly as many as were asked for', async (t) => {
  for (const events of [1, 2, 49, 1_000, 12_345]) {
    const traffic = generateTraffic({ ...some, events })
    let seen = 0
    for (const request of traffic.requests) seen += travelled(request).length
    t.equal(seen, events)
    t.equal(traffic.planted().events, events)
  }
})

t.test('requests are what the pixel sends', async (t) => {
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
  const keys = new Set<string>()
  const eventIds = new Set<string>()
  const faults = new Set<string>()
  const must = (holds: boolean, fault: string): void => {
    if (!holds) faults.add(fault)
  }
  let sentMs = 0
  let singles = 0
  for (const request of generateTraffic(some).requests) {
    const body = JSON.parse(JSON.stringify(request.body))
    must(request.sentMs >= sentMs, 'requests are in the order of their sending')
    sentMs = request.sentMs
    must(uuid.test(request.key) && !keys.has(request.key), 'keys are unique UUIDs')
    keys.add(request.key)
    must(!('sentAt' in body), 'no sentAt')
    must(request.userAgent.startsWith('Mozilla/5.0'), 'a browser')
    if (body.eventType === 'batch') {
      must(
        body.batchId === request.key && body.events.length >= 1 && body.events.length <= 50,
        '1 to 50 events a batch',
      )
      must(Object.keys(body).join() === 'eventType,batchId,sessionId,visitorId,siteId,events', 'an envelope')
    } else {
      must(body.eventId === request.key, 'a single event is its own key')
      singles++
    }
    for (const event of travelled(request)) {
      must((standardEventTypes as readonly string[]).includes(event.eventType), `type ${event.eventType}`)
      must(uuid.test(event.eventId) && !eventIds.has(event.eventId), 'event ids are unique UUIDs')
      eventIds.add(event.eventId)
      const atMs = Date.parse(event.timestamp)
      must(new Date(atMs).toISOString() === event.timestamp, 'timestamps are ISO with milliseconds')
      must(atMs >= untilMs - 28 * 86_400_000 && atMs < untilMs, 'timestamps lie in the time asked for')
      must(atMs <= request.sentMs, 'nothing is sent before it happened')
      must(new URL(event.url).pathname === event.path, 'the path is that of the url')
      must(new URL(event.url).host === `www.${event.siteId}` && event.siteId.endsWith('.example'), 'a host of nobody')
      must(!('sentAt' in event) && Number.isInteger(event.seq), 'a sequence number, no sentAt')
      must((event.eventType === 'pageview') === (event.attribution !== undefined), 'pageviews have an attribution')
      must(event.eventType !== 'identify' || event.userId !== undefined, 'identify has a user id')
    }
  }
  t.same([...faults], [])
  t.ok(singles > 100, 'some events are sent alone')
  t.equal(eventIds.size, some.events)
})

t.test('sequence numbers count up without a gap on each page', async (t) => {
  const last = new Map<string, { seq: number; path: string }>()
  let faults = 0
  for (const request of generateTraffic(some).requests)
    for (const event of travelled(request)) {
      if (event.sessionId === undefined) continue
      const before = last.get(event.sessionId)
      const isNewPage = event.eventType === 'pageview'
      if (isNewPage ? event.seq !== 0 : event.seq !== (before?.seq ?? -1) + 1 || event.path !== before?.path) faults++
      last.set(event.sessionId, event)
    }
  t.equal(faults, 0)
})

t.test(
  'sessions of a visitor are further apart, and pauses inside are shorter, than the 30 minutes that end one',
  async (t) => {
    const visits = new Map<string, { sessionId: string | undefined; atMs: number }>()
    let faults = 0
    for (const request of generateTraffic({ ...some, events: 60_000 }).requests)
      for (const { visitorId, sessionId, timestamp } of travelled(request)) {
        if (visitorId === undefined) continue
        const atMs = Date.parse(timestamp)
        const before = visits.get(visitorId)
        if (before && (before.sessionId === sessionId) !== atMs - before.atMs < 30 * 60_000) faults++
        visits.set(visitorId, { sessionId, atMs })
      }
    t.equal(faults, 0)
  },
)

t.test('a hundred thousand events pass through without being held', async (t) => {
  const startBytes = heapBytes()
  let taken = 0
  let largestBytes = 0
  for (const _ of generateTraffic({ ...some, events: 100_000 }).requests)
    if (++taken % 3_000 === 0) largestBytes = Math.max(largestBytes, heapBytes() - startBytes)
  t.ok(taken > 15_000)
  // As objects, 100,000 events take over 100 MB.
  t.ok(largestBytes < 40_000_000, `${(largestBytes / 1e6).toFixed(1)} MB at most`)
})

/** What is really held, garbage collected. */
const heapBytes = (): number => {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().heapUsed
}
