import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import t from 'tap'
import { WebSocket } from 'ws'
import { revokeToken } from '../../src/access/tokens.ts'
import { holders } from '../../src/bin/holders.ts'
import { systemClock as clock } from '../../src/clock.ts'
import { createHub, type Listener, type Message } from '../../src/console/stream/hub.ts'
import { withoutSender } from '../../src/console/stream/live-rows.ts'
import { createBatchWatch } from '../../src/console/stream/new-batches.ts'
import { streamRoutes } from '../../src/console/stream/stream-routes.ts'
import { createApp } from '../../src/http.ts'
import { silentLog } from '../../src/log.ts'
import { insertBatch, insertBatchIn } from '../support/batches.ts'
import { createTestDatabase } from '../support/database.ts'
import { until } from '../support/until.ts'
import { adminToken, createTestConsole } from './console.ts'

type Frame = { id?: string; event?: string; data: string }

/** A reader of server-sent events that keeps what it got. */
const openStream = async (address: string, headers: Record<string, string>, query = '') => {
  // Not fetch: an aborted one leaves a connection behind on which nothing is ever asked, and a server waits for it.
  const request = get(`${address}/events/stream${query}`, { headers, agent: false })
  request.on('error', () => undefined)
  const [answer] = (await once(request, 'response')) as [IncomingMessage]
  const frames: Frame[] = []
  let text = ''
  let isOver = false
  answer.setEncoding('utf8')
  answer.on('error', () => undefined)
  answer.on('close', () => {
    isOver = true
  })
  answer.on('data', (chunk: string) => {
    text += chunk
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n')
      const fields = lines.map((line) => [line.split(':', 1)[0], line.slice(line.indexOf(':') + 2)])
      text = text.slice(end + 2)
      const frame = Object.fromEntries(fields) as Frame
      if (frame.event) frames.push(frame)
    }
  })
  return { status: answer.statusCode, frames, isOver: () => isOver, close: () => request.destroy() }
}

t.test('events come as they are stored, filtered, and again after a break', async (t) => {
  const { app, db, token } = await createTestConsole(t)
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  const { token: client } = await token('client')
  const bearer = { authorization: `Bearer ${client}` }
  const all = await openStream(address, bearer)
  const shop = await openStream(address, bearer, '?site=shop.example.com&type=click')
  const one = await openStream(address, bearer, '?visitor=v2')
  const socket = new WebSocket(`${address.replace('http', 'ws')}/ws/events?type=click`, { headers: bearer })
  const messages: { id: string; event: string; data: { event_type: string } }[] = []
  socket.on('message', (text) => messages.push(JSON.parse(`${text}`)))
  await once(socket, 'open')
  t.equal(all.status, 200)
  // The first look says from where on; whoever listens is told what comes after it.
  let sent = 0
  await until('the stream flows', async () => {
    if (all.frames.length === 0 && sent < 40) {
      await insertBatch(db, [{ event_type: 'pageview', visitor_id: `first ${sent++}` }])
    }
    return all.frames.length > 0
  })
  await insertBatch(db, [
    {
      ...{ event_type: 'click', visitor_id: 'v1', ip_address: '203.0.113.7', user_agent: 'Mozilla/5.0 secret' },
      raw_event_data:
        '{"eventType":"click","n":9007199254740993,"context":{"ip":"203.0.113.7","userAgent":"Mozilla/5.0 secret"}}',
    },
    { event_type: 'click', visitor_id: 'v2', site_id: 'other.example' },
    { event_type: 'purchase', visitor_id: 'v2' },
  ])
  const types = (frames: Frame[]) =>
    frames.map(({ data }) => JSON.parse(data)).map((row) => `${row.site_id} ${row.event_type} ${row.visitor_id}`)
  await until('all arrive', () => types(all.frames).some((row) => row.endsWith('purchase v2')))
  await until('the socket, too', () => messages.length === 2)
  t.same(types(shop.frames), ['shop.example.com click v1'])
  t.same(types(one.frames), ['other.example click v2', 'shop.example.com purchase v2'])
  t.same(
    messages.map(({ event, data }) => `${event} ${data.event_type}`),
    ['event click', 'event click'],
  )
  const text = all.frames.map(({ data }) => data).join()
  t.notMatch(text, /203\.0\.113|Mozilla/)
  t.match(text, '9007199254740993', 'numbers keep their digits')
  const last = one.frames[0]?.id ?? ''
  await one.close()
  await insertBatch(db, [{ event_type: 'search', visitor_id: 'v2' }])
  await until('it is seen', () => types(all.frames).some((row) => row.endsWith('search v2')))
  const again = await openStream(address, { ...bearer, 'last-event-id': last }, '?visitor=v2')
  await until('what was missed comes', () => again.frames.length >= 2)
  t.same(types(again.frames), ['shop.example.com purchase v2', 'shop.example.com search v2'])
  for (const strange of ['00000000-1', `${last.split('-')[0]}-999999`, 'x', `${last.split('-')[0]}--1`]) {
    const lost = await openStream(address, { ...bearer, 'last-event-id': strange })
    await until('a gap is told', () => lost.frames.length > 0)
    t.match(lost.frames[0], { event: 'gap', data: JSON.stringify({ after: strange }) })
    await lost.close()
  }
  await db.execute(
    `insert into alerts (alert, subject, severity, text, raised_at) values ('disk_low', '', 'critical', 'The disk is full.', now())`,
  )
  await until('alerts come on the same stream', () => shop.frames.some(({ event }) => event === 'alert'))
  t.match(JSON.parse(shop.frames.find(({ event }) => event === 'alert')?.data ?? '{}'), {
    state: 'raised',
    alert: 'disk_low',
  })
  await db.execute('update alerts set cleared_at = now()')
  await until('and that they are over', () => shop.frames.filter(({ event }) => event === 'alert').length === 2)
  socket.close()
  for (const stream of [all, shop, again]) await stream.close()
})

t.test('who may listen, and from where', async (t) => {
  const { app, token, login } = await createTestConsole(t)
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  const { token: viewer } = await token('viewer')
  const { token: client } = await token('client')
  const status = async (headers: Record<string, string>, query = '') => {
    const stream = await openStream(address, headers, query)
    await stream.close()
    return stream.status
  }
  t.equal(await status({}), 401)
  t.equal(await status({ authorization: `Bearer ${viewer}` }), 403)
  t.equal(await status({ authorization: `Bearer ${client}` }, '?everything=yes'), 400)
  const cookie = await login(client)
  t.equal(await status({ cookie, 'sec-fetch-site': 'same-origin' }), 200)
  t.equal(await status({ cookie, 'sec-fetch-site': 'cross-site' }), 403)
  const handshake = (headers: Record<string, string>) =>
    new Promise<string>((resolve) => {
      const socket = new WebSocket(`${address.replace('http', 'ws')}/ws/events`, { headers })
      socket.on('open', () => {
        resolve('open')
        socket.close()
      })
      socket.on('error', (error) => resolve(error.message))
    })
  t.equal(await handshake({ cookie, origin: address }), 'open')
  t.match(await handshake({ cookie, origin: 'https://evil.example' }), '403')
  t.match(await handshake({ cookie: await login(viewer), origin: address }), '403')
  t.match(await handshake({}), '401')
})

t.test('a stream ends with its token', async (t) => {
  const { db, close } = await createTestDatabase()
  const app = createApp({ log: silentLog, trustProxy: false, ...holders(db, { clock, adminToken }) })
  const hub = createHub({ db, clock, log: silentLog })
  streamRoutes(app, { hub, adminToken: adminToken.reveal(), pulseMs: 20 })
  t.teardown(async () => {
    await hub.close()
    await app.close()
    await close()
  })
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  const { createToken } = await import('../../src/access/tokens.ts')
  const nowMs = clock.now()
  const made = await createToken(db, { name: 'x', role: 'client', expiresMs: nowMs + 3_600_000, nowMs, by: 'a test' })
  const stream = await openStream(address, { authorization: `Bearer ${made.token}` })
  t.equal(hub.state().listeners, 1)
  await revokeToken(db, made.tokenId, { nowMs, by: 'a test' })
  await until('it ends', () => stream.isOver())
  await until('nobody is kept', () => hub.state().listeners === 0)
})

t.test('who takes nothing keeps no connection, and no server from stopping', async (t) => {
  const { db, close } = await createTestDatabase()
  const app = createApp({ log: silentLog, trustProxy: false, ...holders(db, { clock, adminToken }) })
  const fast = { ...clock, sleep: (_ms: number, signal?: AbortSignal) => clock.sleep(5, signal) }
  const hub = createHub({ db, clock: fast, log: silentLog })
  streamRoutes(app, { hub, adminToken: adminToken.reveal(), farewellMs: 20 })
  t.teardown(close)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const lazy = [
    `GET /events/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${adminToken.reveal()}\r\n\r\n`,
    `GET /ws/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${adminToken.reveal()}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n`,
  ].map((request) => {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined)
    socket.pause()
    socket.write(request)
    return socket
  })
  const connections = () =>
    new Promise<number>((resolve) => app.server.getConnections((_error, count) => resolve(count)))
  await until('both listen', () => hub.state().listeners === 2)
  const large = { raw_event_data: JSON.stringify({ text: 'x'.repeat(30_000) }) }
  await until('they are cut off', async () => {
    await insertBatch(
      db,
      Array.from({ length: 25 }, () => large),
    )
    return hub.state().listeners === 0
  })
  await until('and their connections are gone', async () => (await connections()) === 0)

  const last = connect(port, '127.0.0.1').on('error', () => undefined)
  last.pause()
  last.write(`GET /events/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${adminToken.reveal()}\r\n\r\n`)
  await until('it listens', () => hub.state().listeners === 1)
  await hub.close()
  await app.close()
  t.equal(await connections(), 0, 'the server stops')
  for (const socket of [...lazy, last]) socket.destroy()
})

t.test('who leaves before they are let in keeps no place', async (t) => {
  const { db, close } = await createTestDatabase()
  let asked = 0
  let answer = (): void => {}
  const held = new Promise<void>((resolve) => {
    answer = resolve
  })
  const findHolder = async () => {
    asked++
    await held
    return { name: 'x', role: 'client' as const }
  }
  const app = createApp({ log: silentLog, trustProxy: false, findHolder })
  const hub = createHub({ db, clock, log: silentLog })
  streamRoutes(app, { hub, adminToken: adminToken.reveal() })
  let handled = 0
  app.addHook('preHandler', async () => void handled++)
  t.teardown(async () => {
    await hub.close()
    await app.close()
    await close()
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  for (let n = 1; n <= 3; n++) {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined)
    socket.write('GET /events/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer x\r\n\r\n')
    await until('it is asked who that is', () => asked === n)
    socket.destroy()
  }
  await until('they have gone', () => new Promise((resolve) => app.server.getConnections((_e, n) => resolve(n === 0))))
  answer()
  await until('they were answered', () => handled === 3)
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(hub.state().listeners, 0)
})

t.test('a batch that commits late is seen, whatever was seen before it', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const watch = createBatchWatch(db)
  await insertBatch(db, [{}])
  t.same(await watch.look(), [], 'from now on')
  let commit = (): void => {}
  const held = new Promise<void>((resolve) => {
    commit = resolve
  })
  let early = 0
  const late = db.transaction(async (tx) => {
    early = await insertBatchIn(tx, [{}, {}])
    await held
  })
  await until('it has its number', () => early > 0)
  const rolledBack = db.transaction(async (tx) => {
    await insertBatchIn(tx, [{}])
    throw new Error('undone')
  })
  await t.rejects(rolledBack)
  const next = await insertBatch(db, [{}])
  t.match(await watch.look(), [{ batchId: next, events: 1 }])
  t.ok(early < next)
  t.same(await watch.look(), [])
  commit()
  await late
  t.match(await watch.look(), [{ batchId: early, events: 2 }])
  t.same(await watch.look(), [], 'once')
})

t.test('who is slow is told how much was left out, and is cut off; nothing grows', async (t) => {
  const { db, close } = await createTestDatabase()
  const fast = { ...clock, sleep: (_ms: number, signal?: AbortSignal) => clock.sleep(5, signal) }
  const hub = createHub({ db, clock: fast, log: silentLog })
  t.teardown(async () => {
    await hub.close()
    await close()
  })
  const listener = (isReady: () => boolean) => {
    const got: Message[] = []
    const state = { got, cut: 0 }
    const one: Listener = {
      ...{ filter: {}, after: undefined, isReady },
      send: (messages) => void got.push(...messages),
      cut: () => void state.cut++,
    }
    return { one, state }
  }
  let isReady = true
  const quick = listener(() => true)
  const slow = listener(() => isReady)
  const dead = listener(() => false)
  for (const { one } of [quick, slow, dead]) await hub.listen(one)
  await until('it flows', async () => {
    await insertBatch(db, [{}])
    return quick.state.got.length > 0 && slow.state.got.length > 0
  })
  isReady = false
  const skippedOf = (got: Message[]) =>
    got.filter(({ event }) => event === 'skipped').reduce((sum, { data }) => sum + JSON.parse(data).events, 0)
  const before = slow.state.got.length
  for (let n = 0; n < 20; n++)
    await insertBatch(
      db,
      Array.from({ length: 150 }, () => ({})),
    )
  await until('all of it was looked at', () => {
    const events = quick.state.got.filter(({ event }) => event === 'event').length
    return events + skippedOf(quick.state.got) >= 3_000
  })
  t.ok(skippedOf(quick.state.got) > 0, 'more than one can read is counted')
  t.equal(slow.state.got.length, before, 'nothing is given to who is not ready')
  isReady = true
  await until('it is told', async () => {
    await insertBatch(db, [{}])
    return skippedOf(slow.state.got) > 0
  })
  t.ok(skippedOf(slow.state.got) >= 2_900, `${skippedOf(slow.state.got)} of 3,000`)
  await until('who is never ready is cut off', async () => {
    await insertBatch(db, [{}])
    return dead.state.cut > 0
  })
  t.same(dead.state.got, [])
  t.equal(hub.state().listeners, 2)
  for (let n = 0; n < 4; n++)
    await insertBatch(
      db,
      Array.from({ length: 1_900 }, () => ({})),
    )
  await until('the ring is full', () => hub.state().ring >= 5_000)
  t.equal(hub.state().ring, 5_000)
})

t.test('nobody looks while nobody listens, and only so many may', async (t) => {
  const { db, close } = await createTestDatabase()
  let nowMs = Date.now()
  const hub = createHub({
    db,
    clock: { now: () => nowMs, sleep: (_ms, signal) => clock.sleep(5, signal) },
    log: silentLog,
  })
  t.teardown(async () => {
    await hub.close()
    await close()
  })
  t.equal(hub.state().isLooking, false)
  const leaves: (() => void)[] = []
  const one = { filter: {}, after: undefined, isReady: () => true, send() {}, cut() {} }
  for (let n = 0; n < 100; n++) leaves.push((await hub.listen({ ...one })) ?? (() => t.fail('refused')))
  t.equal(await hub.listen({ ...one }), undefined)
  t.equal(hub.state().isLooking, true)
  for (const leave of leaves) leave()
  t.equal(hub.state().isLooking, true, 'for a while, for who comes back')
  nowMs += 61_000
  await until('it rests', () => !hub.state().isLooking)
  t.equal(hub.state().ring, 0)
})

t.test('addresses and user agents are taken out at any depth', (t) => {
  const raw = {
    a: [{ ip: 1, b: 2 }],
    context: { ip: '1.2.3.4', userAgent: 'x', device: { user_agent: 'y', model: 'z' } },
    IPAddress: 'q',
    client_ip: 1,
    shipment: 'kept',
    equip: 'kept',
  }
  t.same(JSON.parse(withoutSender(JSON.stringify(raw))), {
    a: [{ b: 2 }],
    context: { device: { model: 'z' } },
    shipment: 'kept',
    equip: 'kept',
  })
  t.end()
})
