import t, { type Test } from 'tap'
import { disableByHand } from '../../src/billing/endpoint-service.ts'
import { addEndpoint, rotateSecret, selectEndpoints } from '../../src/billing/endpoints.ts'
import { replayEvents } from '../../src/billing/replay-events.ts'
import { createSender } from '../../src/billing/send-webhook.ts'
import { countWaiting, deleteOldEvents } from '../../src/billing/webhook-deliveries.ts'
import { createWebhookWorker, retryDelaysMs } from '../../src/billing/webhook-worker.ts'
import type { Db } from '../../src/db.ts'
import { silentLog } from '../../src/log.ts'
import { bodyBytesMax, insertOutbox, type OutboxEventType } from '../../src/outbox.ts'
import { createTestDatabase } from '../support/database.ts'
import { type Behaviour, openReceiver } from './receiver.ts'
import { createTestClock, type TestClock } from './test-clock.ts'

const hourMs = 3600_000
const dayMs = 24 * hourMs
const database = await createTestDatabase()
t.teardown(database.close)
const { db } = database
t.afterEach(() => db.execute('truncate outbox, webhook_endpoints restart identity cascade'))

const asked = { url: 'http://x', eventTypes: null, allowPrivate: true, by: 'test' }
const event = (key: string, clock: TestClock, type: OutboxEventType = 'usage.recorded', data = {}) => ({
  ...{ clientId: 'acme', nodeId: 'n1', type, key, occurredMs: clock.now(), data },
})
const write = (clock: TestClock, ...keys: string[]) =>
  db.transaction(async (tx) => {
    for (const key of keys) await insertOutbox(tx, event(key, clock))
  })

const createLab = async (t: Test, clock = createTestClock()) => {
  const added = await addEndpoint(db, { ...asked, name: 'main', nowMs: clock.now() })
  const receiver = await openReceiver([added.secret], clock.now)
  await db.execute('update webhook_endpoints set url = $1::text', [receiver.url])
  const worker = workerOn(db, clock)
  t.teardown(async () => {
    await worker.close()
    await receiver.close()
  })
  return { clock, receiver, worker, secret: added.secret }
}

const workerOn = (on: Db, clock: TestClock) =>
  createWebhookWorker({
    ...{ db: on, clock, log: silentLog, clientId: 'acme', nodeId: 'n1', settingsSecrets: () => [], random: () => 0.5 },
    send: createSender({ clock, allowPrivate: true, answerMsMax: 300 }),
  })

/** Drains, moves the clock to the next attempt, and so on until nothing waits. */
const drainToTheEnd = async (clock: TestClock, worker: { drain(): Promise<void> }): Promise<void> => {
  for (;;) {
    await worker.drain()
    if ((await countWaiting(db)) === 0) return
    const [next] = await db.query<{ at: number }>(
      `select (extract(epoch from min(greatest(next_attempt_at, leased_until, paused_until))) * 1000)::bigint as at
       from webhook_deliveries join webhook_endpoints e using (endpoint_id)
       where webhook_deliveries.state = 'pending' and e.state = 'active'`,
    )
    clock.set(Math.max(clock.now() + 1, next?.at ?? 0))
  }
}
const ids = (received: { id: string }[]) => [...new Set(received.map((one) => one.id))].sort()

t.test('an event is sent if its cause was committed, and only then', async (t) => {
  const { clock, receiver, worker } = await createLab(t)
  await write(clock, 'committed')
  await t.rejects(
    db.transaction(async (tx) => {
      await insertOutbox(tx, event('rolled back', clock))
      throw new Error('the cause failed')
    }),
  )
  await worker.drain()
  t.equal(receiver.taken.length, 1)
  t.equal(await countWaiting(db), 0)
})

t.test('the body is a CloudEvents 1.0 event, and the same cause has the same id', async (t) => {
  const { clock, receiver, worker } = await createLab(t)
  await write(clock, 'one')
  await write(clock, 'one', 'two')
  await worker.drain()
  t.equal(receiver.taken.length, 2)
  const [first] = receiver.taken
  const body = JSON.parse(first?.body ?? '{}') as Record<string, unknown>
  t.match(body, {
    ...{ specversion: '1.0', type: 'usage.recorded', source: '/clients/acme/nodes/n1', subject: 'acme', id: first?.id },
    ...{ time: '2026-11-20T18:00:00.000Z', datacontenttype: 'application/json', data: {} },
  })
  for (const name of Object.keys(body)) t.match(name, /^[a-z0-9]+$/, 'attribute names are lower case')
  t.equal(first?.contentType, 'application/cloudevents+json; charset=utf-8')
  t.strictSame(receiver.refusals, [])
})

t.test('a body stays below 20 kB, whatever is put in', async (t) => {
  const { clock, receiver, worker } = await createLab(t)
  const sites = Array.from({ length: 5000 }, (_, n) => `site-${n}.example.com`)
  await db.transaction((tx) => insertOutbox(tx, event('big', clock, 'export.delivered', { part: 7, sites })))
  await worker.drain()
  const [{ body } = { body: '' }] = receiver.taken
  t.ok(Buffer.byteLength(body) <= bodyBytesMax)
  t.match(JSON.parse(body), { data: { part: 7, truncated: true } })
})

t.test('a receiver that fails in every way gets each event, signed, under a stable id', async (t) => {
  const { clock, receiver, worker } = await createLab(t)
  const script: Behaviour[] = [
    ...(['hang', 'reset', { status: 500 }, 'accept-but-reset', { status: 503 }, 'slow-body'] as const),
    ...[{ status: 301, headers: { location: receiver.url } }, { status: 404 }, { status: 400 }],
    ...[
      { status: 429, headers: { 'retry-after': '1800' } },
      { status: 302, headers: { location: receiver.url } },
    ],
  ]
  receiver.behave = (n) => script[n] ?? 'accept'
  const keys = Array.from({ length: 12 }, (_, n) => `event ${n}`)
  await write(clock, ...keys)
  await drainToTheEnd(clock, worker)
  t.strictSame(receiver.refusals, [])
  const sent = await db.query<{ id: string }>('select event_id as id from outbox')
  t.strictSame(ids(receiver.taken), ids(sent))
  t.ok(receiver.taken.length > keys.length, 'what was taken without an answer came again')
  t.equal(await countWaiting(db), 0)
  const [states] = await db.query(`select array_agg(distinct state) as states from webhook_deliveries`)
  t.strictSame(states, { states: ['delivered'] })
})

t.test('a host that does not exist, and one that does not answer, are tried again', async (t) => {
  const { clock, receiver, worker } = await createLab(t)
  await write(clock, 'one')
  const { url } = receiver
  for (const wrong of ['http://nowhere.invalid/', 'http://127.0.0.1:1/']) {
    await db.execute('update webhook_endpoints set url = $1::text', [wrong])
    await worker.drain()
    clock.advance(dayMs)
  }
  await db.execute('update webhook_endpoints set url = $1::text', [url])
  await worker.drain()
  t.equal(receiver.taken.length, 1)
  const attempts = await db.query('select status, error is null as ok from webhook_attempts order by attempt_id')
  t.strictSame(attempts, [
    { status: null, ok: false },
    { status: null, ok: false },
    { status: 200, ok: true },
  ])
})

t.test('attempts follow the table over three days, with a little added by chance, then end', async (t) => {
  const { clock, receiver, worker } = await createLab(t)
  receiver.behave = () => ({ status: 500 })
  await write(clock, 'one')
  await drainToTheEnd(clock, worker)
  const attempts = await db.query<{ at: number }>(
    'select (extract(epoch from at) * 1000)::bigint as at from webhook_attempts order by attempt_id',
  )
  const waits = attempts.slice(1).map((one, n) => one.at - (attempts[n]?.at ?? 0))
  t.strictSame(
    waits,
    retryDelaysMs.map((ms) => Math.round(ms * 1.1)),
  )
  t.ok(retryDelaysMs.reduce((sum, ms) => sum + ms, 0) > 3 * dayMs)
  t.match(await db.query('select state, attempts from webhook_deliveries'), [{ state: 'exhausted', attempts: 10 }])
})

t.test('Retry-After is kept to, and pauses the whole endpoint', async (t) => {
  const { clock, receiver, worker } = await createLab(t)
  receiver.behave = (n) => (n === 0 ? { status: 429, headers: { 'retry-after': '7200' } } : 'accept')
  await write(clock, 'one')
  await worker.drain()
  await write(clock, 'two')
  clock.advance(2 * hourMs - 1000)
  await worker.drain()
  t.equal(receiver.requests, 1)
  clock.advance(2000)
  await worker.drain()
  t.equal(ids(receiver.taken).length, 2)
})

t.test('410 disables the endpoint at once, gives up what waits, and raises an alert elsewhere', async (t) => {
  const { clock, receiver, worker } = await createLab(t)
  const alerts = await addEndpoint(db, {
    ...{ ...asked, name: 'ops', eventTypes: ['alert.raised'], nowMs: clock.now() },
  })
  const alertReceiver = await openReceiver([alerts.secret], clock.now)
  t.teardown(alertReceiver.close)
  await db.execute(`update webhook_endpoints set url = $1::text where name = 'ops'`, [alertReceiver.url])
  receiver.behave = () => ({ status: 410 })
  await write(clock, 'one', 'two', 'three')
  await drainToTheEnd(clock, worker)
  t.match(await selectEndpoints(db, clock.now()), [
    { name: 'main', state: 'disabled', disabledReason: /410/, pending: 0 },
    { name: 'ops', state: 'active' },
  ])
  t.strictSame(alertReceiver.refusals, [])
  t.match(
    alertReceiver.taken.map((one) => JSON.parse(one.body)),
    [{ type: 'alert.raised', data: { alert: 'webhook_disabled', endpoint: 'main' } }],
  )
})

t.test('an endpoint that fails for five days is disabled, and one that recovers is not', async (t) => {
  const { clock, receiver, worker } = await createLab(t)
  receiver.behave = () => ({ status: 500 })
  for (let day = 0; day < 5; day++) {
    await write(clock, `day ${day}`)
    await worker.drain()
    clock.advance(dayMs - 60_000)
  }
  t.match(await selectEndpoints(db, clock.now()), [{ state: 'active' }])
  receiver.behave = () => 'accept'
  await worker.drain()
  receiver.behave = () => ({ status: 500 })
  clock.advance(dayMs)
  await write(clock, 'later')
  await worker.drain()
  t.match(await selectEndpoints(db, clock.now()), [{ state: 'active' }], 'the success in between counts')
  clock.advance(5 * dayMs)
  await worker.drain()
  t.match(await selectEndpoints(db, clock.now()), [{ state: 'disabled', disabledReason: /five days/ }])
})

t.test('each endpoint gets the events it asked for, at its own pace', async (t) => {
  const { clock, receiver, worker } = await createLab(t)
  const other = await addEndpoint(db, {
    ...{ ...asked, name: 'other', eventTypes: ['period.closed'], nowMs: clock.now() },
  })
  const otherReceiver = await openReceiver([other.secret], clock.now)
  t.teardown(otherReceiver.close)
  await db.execute(`update webhook_endpoints set url = $1::text where name = 'other'`, [otherReceiver.url])
  receiver.behave = () => 'hang'
  await db.transaction(async (tx) => {
    await insertOutbox(tx, event('a', clock, 'usage.recorded'))
    await insertOutbox(tx, event('b', clock, 'period.closed'))
  })
  await worker.drain()
  t.match(
    otherReceiver.taken.map((one) => JSON.parse(one.body)),
    [{ type: 'period.closed' }],
  )
  t.strictSame(otherReceiver.refusals, [])
})

t.test(
  'while a key is rotated, receivers verify with the old key or the new one; a second rotation waits',
  async (t) => {
    const { clock, receiver, worker, secret } = await createLab(t)
    const newer = await rotateSecret(db, 'main', { by: 'test', nowMs: clock.now(), force: false })
    receiver.secrets = [secret, newer]
    await write(clock, 'one')
    await worker.drain()
    t.match(receiver.taken, [{ signatures: 2 }])
    t.strictSame(receiver.refusals, [])
    await t.rejects(rotateSecret(db, 'main', { by: 'test', nowMs: clock.now(), force: false }), { code: 'conflict' })
    clock.advance(dayMs + 1)
    receiver.secrets = [newer]
    await write(clock, 'two')
    await worker.drain()
    t.match(receiver.taken[1], { signatures: 1 })
    t.strictSame(receiver.refusals, [])
  },
)

t.test('a replay sends a range of time once more, under the same ids', async (t) => {
  const { clock, receiver, worker } = await createLab(t)
  await write(clock, 'before')
  clock.advance(hourMs)
  const fromMs = clock.now()
  await write(clock, 'in')
  clock.advance(hourMs)
  await write(clock, 'after')
  await worker.drain()
  const first = receiver.taken.map((one) => one.id)
  const range = { fromMs, toMs: clock.now(), endpoint: null, eventTypes: null }
  const anna = { by: 'anna', nowMs: clock.now() }
  t.equal(await replayEvents(db, range, anna), 1)
  await worker.drain()
  t.strictSame(
    receiver.taken.slice(3).map((one) => one.id),
    [first[1]],
  )
  await t.rejects(replayEvents(db, { ...range, endpoint: 'no such' }, anna), { code: 'not_found' })

  t.equal(await replayEvents(db, { event: first[2] ?? '', endpoint: 'main' }, anna), 1)
  await worker.drain()
  t.strictSame(
    receiver.taken.slice(4).map((one) => one.id),
    [first[2]],
    'or one event of it',
  )
  await t.rejects(replayEvents(db, { event: 'no such', endpoint: null }, anna), { code: 'not_found' })
  t.strictSame(
    await db.query(`select actor, action, subject from audit_log where action = 'webhook.replayed' order by audit_id`),
    [
      { actor: 'anna', action: 'webhook.replayed', subject: '' },
      { actor: 'anna', action: 'webhook.replayed', subject: 'main' },
    ],
  )
})

t.test('two workers share the work: without a failure each event arrives once', async (t) => {
  const { clock, receiver, worker } = await createLab(t)
  const second = workerOn(db, clock)
  await write(clock, ...Array.from({ length: 60 }, (_, n) => String(n)))
  await Promise.all([worker.drain(), second.drain()])
  await Promise.all([worker.drain(), second.drain()])
  await second.close()
  t.equal(receiver.taken.length, 60)
  t.equal(ids(receiver.taken).length, 60)
})

t.test('an endpoint has a name, an address that something can be sent to, and events that there are', async (t) => {
  const fine = {
    name: 'x',
    url: 'https://example.com/hook',
    eventTypes: null,
    allowPrivate: false,
    by: 'test',
    nowMs: 0,
  }
  for (const [wrong, code] of [
    [{ eventTypes: ['no.such'] }, 'request_invalid'],
    [{ name: 'a b' }, 'request_invalid'],
    [{ name: '../x' }, 'request_invalid'],
    [{ name: 'billing' }, 'conflict'],
    [{ name: 'alerts' }, 'conflict'],
    [{ url: 'nowhere' }, 'request_invalid'],
    [{ url: `https://example.com/${'x'.repeat(2000)}` }, 'request_invalid'],
    [{ url: 'ftp://example.com' }, 'forbidden'],
    [{ url: 'http://example.com' }, 'forbidden'],
    [{ url: 'https://user:secret@example.com' }, 'forbidden'],
    [{ url: 'https://169.254.169.254/latest' }, 'forbidden'],
    [{ url: 'https://[::1]/' }, 'forbidden'],
    [{ url: 'https://2130706433/' }, 'forbidden'],
  ] as const)
    await t.rejects(addEndpoint(db, { ...fine, ...wrong }), { code }, JSON.stringify(wrong))
  t.strictSame(await selectEndpoints(db, 0), [])
  await addEndpoint(db, fine)
  await t.rejects(addEndpoint(db, fine), { code: 'conflict' })
})

t.test('a disabled endpoint keeps no event for ever, and a test is not replayed to others', async (t) => {
  const { clock, receiver, worker } = await createLab(t)
  await write(clock, 'one')
  await db.transaction((tx) => insertOutbox(tx, event('test', clock, 'webhook.test')))
  await worker.drain()
  const before = receiver.taken.length
  const range = { fromMs: 0, toMs: clock.now() + 1, endpoint: null, eventTypes: null }
  const anna = { by: 'anna', nowMs: clock.now() }
  t.equal(await replayEvents(db, range, anna), 1)
  await worker.drain()
  t.equal(receiver.taken.length, before + 1)
  await disableByHand(db, 'main', { by: 'anna', nowMs: clock.now() })
  await t.rejects(replayEvents(db, { ...range, endpoint: 'main' }, anna), { code: 'conflict' })
  // A worker that had read the endpoint before writes a delivery after it was disabled.
  await db.execute(`update webhook_deliveries set state = 'pending'`)
  t.equal(await deleteOldEvents(db, clock.now() + 1, 10), 2)
})
