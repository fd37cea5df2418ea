import { createServer as createHttpServer, request as httpRequest } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { Analytics } from '@segment/analytics-node'
import t from 'tap'
import { createTestDatabase } from '../support/database.ts'
import { createServer, eventsOf, post, rawOf } from './server.ts'
import { until } from './until.ts'

// Its types are for `import =`; the package is CommonJS.
type Rudder = {
  track(message: object): void
  page(message: object): void
  identify(message: object): void
  group(message: object): void
  flush(callback?: (error?: Error) => void): Promise<unknown>
}
const RudderAnalytics = createRequire(import.meta.url)('@rudderstack/rudder-sdk-node') as new (
  writeKey: string,
  options: object,
) => Rudder

const database = await createTestDatabase()
const { db } = database
const server = await createServer(db, { env: { WRITE_KEYS: 'key-one, key-two', RATE_LIMIT_COLLECT: '0' } })
await server.app.listen({ port: 0, host: '127.0.0.1' })
const port = (server.app.server.address() as AddressInfo).port
t.setTimeout(180_000)
t.teardown(async () => {
  await server.close()
  await database.close()
})

/** In front of the server: answers the first tries as told, or drops their connection. */
const createRelay = async (firstTries: ('503' | 'drop' | 'drop the answer')[]) => {
  const relay = createHttpServer((incoming, outgoing) => {
    const how = firstTries.shift()
    if (how === 'drop') return void incoming.socket.destroy()
    if (how === '503') {
      incoming.resume()
      return void incoming.once('end', () => outgoing.writeHead(503, { 'retry-after': '1' }).end('{}'))
    }
    const { method, url: path, headers } = incoming
    const upstream = httpRequest({ host: '127.0.0.1', port, ...(method && { method }), path, headers }, (answer) => {
      if (how === 'drop the answer') return void incoming.socket.destroy()
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(outgoing)
    })
    incoming.pipe(upstream)
  })
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(relay.address() as AddressInfo).port}`,
    left: () => firstTries.length,
    close: () => new Promise((resolve) => relay.close(resolve).closeAllConnections()),
  }
}

const url = 'https://www.shop.example/p?x=1'

t.test('@segment/analytics-node: every message is stored once, though the server is away at first', async (t) => {
  const relay = await createRelay(['503', 'drop', 'drop the answer'])
  t.teardown(() => relay.close())
  const analytics = new Analytics({
    writeKey: 'key-one',
    host: relay.url,
    flushAt: 50,
    flushInterval: 50,
    maxRetries: 10,
  })
  const errors: unknown[] = []
  analytics.on('error', (error) => errors.push(error))
  const context = { page: { url, path: '/p' }, ip: '203.0.113.9', userAgent: 'Phone/1' }
  for (let n = 0; n < 2500; n++)
    analytics.track({ userId: `u${n}`, anonymousId: 'a1', event: 'Segment Tried', properties: { n }, context })
  analytics.page({ anonymousId: 'a1', name: 'Home', context })
  analytics.identify({ userId: 'canary@example.com', traits: { email: 'canary@example.com', plan: 'gold' } })
  analytics.group({ userId: 'u1', groupId: 'g1' })
  analytics.track({ userId: 'u1', event: 'Order Completed', properties: { total: 9.5 }, timestamp: new Date(0) })
  await analytics.closeAndFlush({ timeout: 60_000 })
  t.same(errors, [])
  t.equal(relay.left(), 0)
  const numbers = (await rawOf(db, 'Segment Tried')).map((raw) => (raw as { properties: { n: number } }).properties.n)
  t.same(
    numbers.sort((a, b) => a - b),
    Array.from({ length: 2500 }, (_, n) => n),
  )
  const [page] = await eventsOf(db, 'pageview')
  t.match(page, {
    ...{ site_id: 'shop.example', url, path: '/p', visitor_id: 'a1', user_agent: 'Phone/1', ip_address: '203.0.113.0' },
  })
  const [identity] = await eventsOf(db, 'identify')
  t.match(identity?.user_id, /^[0-9a-f]{32}$/)
  t.notMatch(identity?.raw_event_data, /canary/)
  t.match(JSON.parse(identity?.raw_event_data ?? ''), { traits: { plan: 'gold', email: '[REDACTED]' } })
  t.equal(identity?.ip_address, null, "a server's own address is nobody's")
  t.match(await eventsOf(db, 'purchase'), [{ user_id: 'u1' }])
  t.equal((await eventsOf(db, 'group')).length, 1)
})

t.test('@rudderstack/rudder-sdk-node with gzip: the same', async (t) => {
  const relay = await createRelay(['503', 'drop the answer'])
  t.teardown(() => relay.close())
  const rudder = new RudderAnalytics('key-two', {
    dataPlaneUrl: relay.url,
    flushAt: 100,
    flushInterval: 100,
    logLevel: 'error',
  })
  for (let n = 0; n < 2500; n++) rudder.track({ userId: 'u', event: 'Rudder Tried', properties: { n } })
  rudder.page({ anonymousId: 'a', name: 'Home', properties: { url, path: '/p' } })
  rudder.identify({ userId: 'u', traits: { phone: '+49 170 1234567' } })
  await until('all to arrive', async () => {
    await rudder.flush()
    return (await eventsOf(db, 'Rudder Tried')).length >= 2500
  })
  await rudder.flush()
  const numbers = (await rawOf(db, 'Rudder Tried')).map((raw) => (raw as { properties: { n: number } }).properties.n)
  t.same(
    numbers.sort((a, b) => a - b),
    Array.from({ length: 2500 }, (_, n) => n),
  )
  const identified = (await eventsOf(db, 'identify')).filter((row) => row.user_id === 'u')
  t.equal(identified.length, 1)
  t.notMatch(identified[0]?.raw_event_data, /1234567/)
})

const basic = { authorization: `Basic ${Buffer.from('key-one:').toString('base64')}` }

t.test('every route of the API takes a message, by any way to send the key, and answers exactly success', async (t) => {
  const message = { anonymousId: 'a', event: 'Routed', properties: {} }
  const singles = ['track', 'page', 'screen', 'identify', 'group', 'alias', 't', 'p', 's', 'i', 'g', 'a']
  for (const path of singles) {
    const answer = await post(
      server,
      { ...message, writeKey: 'key-one' },
      { 'content-type': 'text/plain' },
      `/v1/${path}`,
    )
    t.same([answer.status, answer.body], [200, { success: true }], path)
  }
  const batch = { batch: [{ type: 'track', ...message, messageId: 'r1' }], context: { locale: 'de', page: { url } } }
  for (const path of ['/v1/batch', '/v1/import', '/v1/b', '/batch', '/b', '/beacon/v1/batch?writeKey=key-two'])
    t.same((await post(server, batch, path.includes('?') ? {} : basic, path)).body, { success: true }, path)
  const routed = await rawOf(db, 'Routed')
  t.equal(routed.length, 4, 'two single ones, and one for each key')
  t.match(routed.at(-1), { context: { locale: 'de', page: { url } } }, 'the context of the batch holds')
  t.notMatch(JSON.stringify(routed), 'key-one', 'the key is not stored')
  t.same((await post(server, {}, {}, '/v1/m')).body, { success: true })
})

t.test('a wrong or missing write key is 401; without any configured, every key is', async (t) => {
  const batch = { batch: [{ type: 'track', event: 'Unauthorized', anonymousId: 'a' }] }
  t.match(await post(server, batch, {}, '/v1/batch'), { status: 401, body: { code: 'unauthorized' } })
  t.match(await post(server, { ...batch, writeKey: 'key' }, {}, '/v1/batch'), { status: 401 })
  t.match(await post(server, batch, { authorization: 'Basic !!' }, '/v1/batch'), { status: 401 })
  t.match(await post(server, { eventType: 'Unauthorized' }, {}, '/api/v1/events'), { status: 401 })
  const closed = await createServer(db)
  t.teardown(() => closed.close())
  t.match(await post(closed, { ...batch, writeKey: '' }, {}, '/v1/batch'), { status: 401 })
  t.equal((await eventsOf(db, 'Unauthorized')).length, 0)
})

t.test('server code sends envelopes to /api/v1/events with its key', async (t) => {
  const answer = await post(
    server,
    { events: [{ eventType: 'from-server' }] },
    { authorization: 'Bearer key-two' },
    '/api/v1/events',
  )
  t.match(answer, { status: 200, body: { status: 'success', events_processed: 1 } })
})

t.test('a bad message harms no neighbour; bad bodies are told apart', async (t) => {
  const good = { type: 'track', event: 'Neighbour', anonymousId: 'a' }
  const answer = await post(
    server,
    { batch: [good, 7, { type: 'track' }, { ...good, userId: {} }, good] },
    basic,
    '/v1/batch',
  )
  t.same(answer.body, { success: true })
  t.equal((await eventsOf(db, 'Neighbour')).length, 2)
  const rejects = await db.query<{ code: string }>(`select code from rejects order by reject_id desc limit 3`)
  t.same(rejects.map((row) => row.code).sort(), ['event_invalid', 'event_not_object', 'event_type_missing'])
  t.match(await post(server, '{', basic, '/v1/batch'), { status: 400, body: { code: 'body_unreadable' } })
  t.match(await post(server, '[]', basic, '/v1/batch'), { status: 400, body: { code: 'body_unreadable' } })
  t.match(await post(server, '{}', basic, '/v1/batch'), { status: 400, body: { code: 'events_missing' } })
})

t.test('the settings that SDKs ask for point back at this server', async (t) => {
  const get = async (path: string) => {
    const answer = await server.app.inject({ url: path, headers: { host: 'events.example:8000', ...basic } })
    return [answer.statusCode, answer.json()]
  }
  for (const path of ['/v1/projects/key-one/settings', '/projects/key-one/settings'])
    t.match(await get(path), [
      200,
      { integrations: { 'Segment.io': { apiKey: 'key-one', apiHost: 'events.example:8000/v1' } } },
    ])
  t.match(await get('/v1/projects/wrong/settings'), [401, {}])
  t.match(await get('/sourceConfig/?p=web'), [200, { source: { enabled: true, destinations: [] } }])
})
