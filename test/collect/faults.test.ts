import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { systemClock } from '../../src/clock.ts'
import { createDb, type Db } from '../../src/db.ts'
import { createTestDatabase } from '../support/database.ts'
import { createTcpProxy } from '../support/tcp-proxy.ts'
import { createServer, eventsOf, post, type Server, type ServerOptions } from './server.ts'
import { until } from './until.ts'

const database = await createTestDatabase()
const address = new URL(database.url)
const proxy = await createTcpProxy({ host: address.hostname, port: Number(address.port) })
t.setTimeout(300_000)
t.teardown(async () => {
  await proxy.close()
  await database.close()
})

const throughProxy = (): Db =>
  createDb({
    url: Object.assign(new URL(database.url), { hostname: '127.0.0.1', port: String(proxy.port) }).href,
    ...{ applicationName: 'collect', connectionsMax: 4, clock: systemClock, answerTimeoutMs: 1_500 },
  })

const serve = async (test: { teardown(work: () => unknown): void }, options: ServerOptions = {}): Promise<Server> => {
  const db = throughProxy()
  const env = { RATE_LIMIT_COLLECT: '0', ...options.env }
  const server = await createServer(db, { commitMsMax: 500, ...options, env })
  test.teardown(async () => {
    proxy.mend()
    await server.close()
    await db.close()
  })
  return server
}
const healthy = (server: Server, msMax?: number) =>
  until('the spool to be empty', () => server.collector.health().status === 'healthy', msMax)
const send = (server: Server, eventType: string, numbers: readonly number[]) =>
  Promise.all(numbers.map((n) => post(server, { eventType, n, batchId: `${eventType}-${n}`, visitorId: 'v' })))
const storedNumbers = async (eventType: string) =>
  (await eventsOf(database.db, eventType))
    .map((row) => JSON.parse(row.raw_event_data).n as number)
    .sort((a, b) => a - b)
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i)

t.test(
  'while the database is down events are taken, health says degraded, and afterwards each is stored once',
  async (t) => {
    const server = await serve(t)
    await send(server, 'outage', [0])
    proxy.cut()
    for (const n of upTo(20).slice(1)) t.match((await send(server, 'outage', [n]))[0], { status: 200 })
    const health = await server.app.inject({ url: '/health' })
    t.match(
      [health.statusCode, health.json()],
      [200, { status: 'degraded', spool: { bytes: Number, age_seconds: Number } }],
    )
    proxy.mend()
    await healthy(server)
    t.same(await storedNumbers('outage'), upTo(20))
    t.same((await server.app.inject({ url: '/health' })).json(), { status: 'healthy' })
    t.match((await send(server, 'outage', [7]))[0], { body: { duplicate: true } }, 'its spooled receipt counts')
  },
)

const outageSeconds = process.env.STORM === '1' ? 60 : 3
t.test(
  `a database that is stopped for ${outageSeconds} s under load costs nobody an event`,
  { timeout: 300_000 },
  async (t) => {
    const server = await serve(t)
    let ended = false
    let count = 0
    const sender = async () => {
      while (!ended) if ((await send(server, 'stopped', [count++]))[0]?.status !== 200) t.fail('an event was refused')
    }
    const senders = Array.from({ length: 5 }, sender)
    await until('some answers', () => count > 50)
    proxy.cut()
    await systemClock.sleep(outageSeconds * 1000)
    t.equal(server.collector.health().status, 'degraded')
    proxy.mend()
    const isBack = async () => /database_away 0/.test((await server.app.inject({ url: '/metrics' })).body)
    await until('the database to be found again', isBack)
    ended = true
    await Promise.all(senders)
    await healthy(server, 240_000)
    t.same(await storedNumbers('stopped'), upTo(count))
    t.comment(`${count} requests, one event each`)
  },
)

t.test('it starts while the database is down, and a second start finds what the first one left', async (t) => {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'evothesis-faults-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  proxy.cut()
  const db = throughProxy()
  const first = await createServer(db, { env: { DATA_DIR: dataDir } })
  t.match(await send(first, 'early', upTo(5)), Array(5).fill({ status: 200 }))
  await first.close()
  await db.close()
  const second = await serve(t, { env: { DATA_DIR: dataDir } })
  t.equal(second.collector.health().status, 'degraded', 'with its spool known from the start')
  proxy.mend()
  await healthy(second)
  t.same(await storedNumbers('early'), upTo(5))
})

const cuts: [name: string, direction: 'up' | 'down', pattern: string, when: 'before' | 'after'][] = [
  ['before BEGIN', 'up', 'begin isolation', 'before'],
  ['after BEGIN', 'up', 'begin isolation', 'after'],
  ['at the ledger row', 'up', 'insert into batches', 'after'],
  ['at the receipts', 'up', 'insert into receipts', 'after'],
  ['before COPY', 'up', 'copy events_log', 'before'],
  ['during COPY', 'up', 'cut-here', 'before'],
  ['after COPY', 'down', 'COPY 3', 'before'],
  ['before COMMIT arrives', 'up', 'commit\0', 'before'],
  ['during COMMIT', 'up', 'commit\0', 'after'],
  ['after COMMIT before its answer', 'down', 'COMMIT\0', 'before'],
]
for (const [i, [name, direction, pattern, when]] of cuts.entries())
  t.test(`a connection cut ${name} loses nothing and stores nothing twice`, async (t) => {
    const server = await serve(t)
    await send(server, `warm${i}`, [0])
    const sprung = proxy.cutAt(direction, Buffer.from(pattern), when)
    const answer = await post(server, {
      ...{ eventType: 'batch', batchId: `cut${i}` },
      events: upTo(3).map((n) => ({ eventType: `cut${i}`, n, mark: 'cut-here' })),
    })
    await sprung
    t.match(answer, { status: 200, body: { events_processed: 3 } })
    await healthy(server)
    t.same(await storedNumbers(`cut${i}`), upTo(3))
  })

t.test('a connection that is half open and silent costs one slow answer, then the spool takes over', async (t) => {
  const server = await serve(t)
  await send(server, 'silent', [0])
  proxy.silence()
  t.match((await send(server, 'silent', [1]))[0], { status: 200 })
  t.equal(server.collector.health().status, 'degraded')
  t.match(await send(server, 'silent', upTo(30).slice(2)), Array(28).fill({ status: 200 }))
  proxy.mend()
  await healthy(server)
  t.same(await storedNumbers('silent'), upTo(30))
})

t.test('a database that is too slow counts as away until it is quick again', async (t) => {
  const server = await serve(t)
  const session = await database.db.session()
  await session.query('begin')
  await session.query('lock table events_log in access exclusive mode')
  t.match(await send(server, 'slow', upTo(10)), Array(10).fill({ status: 200 }))
  t.equal(server.collector.health().status, 'degraded')
  await session.query('commit')
  session.release()
  await healthy(server)
  t.same(await storedNumbers('slow'), upTo(10))
})

t.test('a missing table is an alert, not a loss: events wait until it is back', async (t) => {
  const errors: string[] = []
  const log = {
    debug() {},
    info() {},
    warn() {},
    error: (_fields: object, message: string) => void errors.push(message),
  }
  const server = await serve(t, { log })
  await database.db.execute('alter table events_log rename to events_gone')
  t.match(await send(server, 'migrated', upTo(3)), Array(3).fill({ status: 200 }))
  await database.db.execute('alter table events_gone rename to events_log')
  await healthy(server)
  t.same(await storedNumbers('migrated'), upTo(3))
  t.match(errors[0], /refuses to work/)
})

t.test('a full spool answers 503 with Retry-After and health says so; it recovers by itself', async (t) => {
  const server = await serve(t, { env: { SPOOL_BYTES_MAX: '3 KB' } })
  proxy.cut()
  const answers = []
  for (const n of upTo(10)) answers.push(...(await send(server, 'full', [n])))
  const taken = answers.flatMap((answer, n) => (answer.status === 200 ? [n] : []))
  t.ok(taken.length > 0 && taken.length < 10)
  t.match(answers.at(-1), { status: 503, body: { code: 'buffer_full' }, headers: { 'retry-after': /^\d+$/ } })
  t.equal((await server.app.inject({ url: '/health' })).statusCode, 503)
  proxy.mend()
  await healthy(server)
  t.same(await storedNumbers('full'), taken)
  t.match((await send(server, 'full', [10]))[0], { status: 200 })
})
