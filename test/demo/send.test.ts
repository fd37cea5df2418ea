import t from 'tap'
import type { Clock } from '../../src/clock.ts'
import { generateTraffic } from '../../src/demo/generate.ts'
import { sendTraffic } from '../../src/demo/send.ts'
import { startCollector } from './collector-double.ts'

const some = { events: 2_000, sites: 3, seed: 21, days: 7, untilMs: Date.UTC(2026, 10, 20) }
/** Waits are noted, not waited. */
const instantClock = (): Clock & { waits: number[] } => {
  const waits: number[] = []
  return { now: () => 0, sleep: async (ms) => void waits.push(ms), waits }
}
const eventIdsOf = (): string[] => {
  const ids: string[] = []
  for (const { events } of generateTraffic(some).requests) for (const { eventId } of events) ids.push(eventId)
  return ids.sort()
}

t.test('every event is acknowledged once, whatever was refused or lost on the way', async (t) => {
  const collector = await startCollector((request, attempt) => {
    if (attempt > 2) return undefined
    if (request % 5 === 0) return attempt === 1 ? { status: 503, headers: { 'retry-after': '2' } } : undefined
    if (request % 7 === 0) return { status: 429, headers: { 'retry-after': '1' } }
    if (request % 11 === 0) return 'drop'
    return undefined
  })
  t.teardown(collector.close)
  const clock = instantClock()
  const traffic = generateTraffic(some)
  const seen: number[] = []
  const report = await sendTraffic({
    ...{ url: collector.url, requests: traffic.requests, concurrency: 8, clock },
    onProgress: (events) => seen.push(events),
  })
  t.equal(report.events, some.events)
  t.equal(report.requests, traffic.planted().requests)
  t.equal(seen.at(-1), some.events)
  const stored = [...collector.stored.values()].flatMap(({ eventIds }) => eventIds)
  t.same(stored.sort(), eventIdsOf())
  t.ok(report.retries > 100)
  t.ok(report.duplicates > 0, 'what was stored before the connection broke is a duplicate, not a second event')
  t.ok(
    [...collector.bodies.values()].every(({ size }) => size === 1),
    'a retry has the bytes of the first attempt',
  )
  t.ok(clock.waits.includes(2_000) && clock.waits.includes(1_000), 'Retry-After is honoured')
})

t.test("a request carries its visitor's browser in the header", async (t) => {
  const collector = await startCollector(() => undefined)
  t.teardown(collector.close)
  const { requests } = generateTraffic({ ...some, events: 50 })
  await sendTraffic({ url: `${collector.url}/`, requests, concurrency: 1, clock: instantClock() })
  for (const { userAgent } of collector.stored.values()) t.match(userAgent, /^Mozilla\/5\.0/)
})

t.test('a collector that stays away is given up after a bounded number of attempts', async (t) => {
  const collector = await startCollector(() => ({ status: 503 }))
  t.teardown(collector.close)
  const clock = instantClock()
  const { requests } = generateTraffic(some)
  await t.rejects(sendTraffic({ url: collector.url, requests, concurrency: 1, clock }), { code: 'internal' })
  t.equal(clock.waits.length, 19)
  t.equal(collector.stored.size, 0)
})

t.test('an address where nobody listens is said at once', async (t) => {
  const collector = await startCollector(() => undefined)
  await collector.close()
  const clock = instantClock()
  const { requests } = generateTraffic(some)
  const sending = sendTraffic({ url: collector.url, requests, concurrency: 1, clock })
  await t.rejects(sending, { message: /No collector answers at http.*ECONNREFUSED/ })
  t.equal(clock.waits.length, 2)
})

t.test('a request that is refused for good ends the sending', async (t) => {
  const collector = await startCollector(() => ({ status: 400 }))
  t.teardown(collector.close)
  const { requests } = generateTraffic(some)
  const sending = sendTraffic({ url: collector.url, requests, concurrency: 4, clock: instantClock() })
  await t.rejects(sending, { code: 'request_invalid' })
})

t.test('an abort ends the sending', async (t) => {
  const collector = await startCollector(() => undefined)
  t.teardown(collector.close)
  const abort = new AbortController()
  const { requests } = generateTraffic(some)
  const options = { url: collector.url, requests, concurrency: 4, clock: instantClock(), signal: abort.signal }
  await t.rejects(sendTraffic({ ...options, onProgress: () => abort.abort() }))
  t.ok(collector.stored.size < 50)
})
