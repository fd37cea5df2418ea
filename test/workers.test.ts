import { readdir } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { createTestDatabase } from './support/database.ts'
import { tempFolder } from './support/exporter.ts'
import { freePort } from './support/free-port.ts'
import { createRandom, seedOf } from './support/random.ts'
import { startServer, type TestServer } from './support/server.ts'
import { createTcpProxy } from './support/tcp-proxy.ts'
import { until } from './support/until.ts'

const kills = process.env.STORM === '1' ? 60 : 6
const senders = 20
/** What the spool holds in the end grows with the number of kills. */
const drainSecondsMax = 30 + 5 * kills

t.setTimeout(120_000 + kills * 30_000)

/** The processes of a fleet, by the names of their spools. */
const collectorsOf = async (dataDir: string): Promise<number[]> =>
  (await readdir(path.join(dataDir, 'spool')).catch(() => []))
    .map((name) => Number(name.split('.').at(-2)))
    .filter((pid) => isAlive(pid))
const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

const healthOf = async (server: TestServer): Promise<{ status?: string }> => {
  const answer = await fetch(`${server.address}/health`).catch(() => undefined)
  return answer?.status === 200 ? ((await answer.json()) as { status: string }) : {}
}

/** A connection of its own, that may meet another collector than the last; one that is stopped answers nothing. */
const metricsOf = async (server: TestServer): Promise<string> => {
  const answer = await fetch(`${server.address}/metrics`, {
    headers: { connection: 'close' },
    signal: AbortSignal.timeout(10_000),
  })
  if (answer.status !== 200) throw new Error(`/metrics answered ${answer.status}`)
  return answer.text()
}

t.test('several collectors share a port; what is not theirs the parent answers', async (t) => {
  const dataDir = await tempFolder(t)
  const server = await startServer(dataDir, { COLLECT_WORKERS: '3', RATE_LIMIT_COLLECT: '0' })
  t.teardown(() => server.process.kill('SIGKILL'))
  await until('all collectors', async () => (await collectorsOf(dataDir)).length === 3)
  for (let n = 0; n < 30; n++)
    // A connection each, so that they are spread.
    await fetch(`${server.address}/collect`, {
      method: 'POST',
      body: '{"eventType":"a"}',
      headers: { connection: 'close' },
    })
  t.match(await server.admin('POST', '/export/run?wait=true'), { status: 'done', events: 30 })
  const authorization = `Bearer ${server.adminToken}`
  t.match(await (await fetch(`${server.address}/export/status`, { headers: { authorization } })).json(), { parts: 1 })
  t.equal((await fetch(`${server.address}/export/status`)).status, 401)
  t.equal((await fetch(`${server.address}/nowhere`)).status, 404)
  const post = await fetch(`${server.address}/export/run`, {
    method: 'POST',
    headers: { authorization },
    body: '{"a":1}',
  })
  t.ok(post.status < 500, 'a body of any type is passed on')

  t.match(await metricsOf(server), /evothesis_collect_events_total\{result="stored"\} 30\n/, 'summed over all')
  t.match(await metricsOf(server), /evothesis_collectors\{answered="yes"\} 3\n/)

  // One that is busy: its figures stay, so that no counter goes down and up again.
  const [busy = 0] = await collectorsOf(dataDir)
  process.kill(busy, 'SIGSTOP')
  const beside = await Promise.any(Array.from({ length: 6 }, () => metricsOf(server)))
  process.kill(busy, 'SIGCONT')
  t.match(beside, /evothesis_collect_events_total\{result="stored"\} 30\n/)
  t.match(beside, /evothesis_collectors\{answered="no"\} 1\n/)
  await until('it is back', async () => /answered="yes"\} 3\n/.test(await metricsOf(server)))

  const outside = await fetch(`${server.address}/metrics`, { headers: { 'x-forwarded-for': '203.0.113.1' } })
  t.equal(outside.status, 401, 'a stranger behind a proxy needs the token')

  server.process.kill('SIGTERM')
  t.equal(await server.exited, 0, server.output())
  t.same(await collectorsOf(dataDir), [], 'nobody is left behind')
})

t.test('a fleet that cannot listen says so and leaves nobody behind', async (t) => {
  const [first, second] = [await tempFolder(t), await tempFolder(t)]
  const server = await startServer(first)
  t.teardown(() => server.process.kill('SIGKILL'))
  const port = new URL(server.address).port
  await t.rejects(startServer(second, { COLLECT_WORKERS: '2', PORT: port }), { message: /port_taken/ })
  t.same(await collectorsOf(second), [])
})

t.test(`collectors killed ${kills} times under load, then fewer of them: nothing lost, nothing twice`, async (t) => {
  const random = createRandom(seedOf(t))
  const [dataDir, database] = [await tempFolder(t), await createTestDatabase()]
  const target = new URL(database.url)
  const proxy = await createTcpProxy({ host: target.hostname, port: Number(target.port) })
  t.teardown(async () => {
    await proxy.close()
    await database.close()
  })
  const DATABASE_URL = Object.assign(new URL(database.url), { hostname: '127.0.0.1', port: String(proxy.port) }).href
  // With PORT=0 a fleet whose last process dies would come back on another.
  const PORT = String(await freePort())
  const start = (workers: number) =>
    startServer(dataDir, {
      DATABASE_URL,
      PORT,
      COLLECT_WORKERS: String(workers),
      RATE_LIMIT_COLLECT: '0',
      LOG_LEVEL: 'warn',
    })

  let server = await start(4)
  t.teardown(() => server.process.kill('SIGKILL'))
  const acknowledged = new Set<string>()
  const unanswered = new Map<string, string>()
  let stopped = false
  t.teardown(() => {
    stopped = true
  })
  let created = 0
  const send = async (): Promise<void> => {
    while (!stopped) {
      const [retry] = unanswered
      const key = retry && random() < 0.5 ? retry[0] : `k${created++}`
      const body = JSON.stringify({ batchId: key, events: [0, 1, 2].map((n) => ({ eventType: 'killed', key, n })) })
      unanswered.set(key, body)
      const answer = await fetch(`${server.address}/collect`, { method: 'POST', body }).catch(() => undefined)
      await answer?.arrayBuffer().catch(() => undefined)
      if (answer?.status === 200) {
        acknowledged.add(key)
        unanswered.delete(key)
      } else await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const sending = Array.from({ length: senders }, send)
  for (let kill = 0; kill < kills; kill++) {
    await until('others to take their places', async () => (await collectorsOf(dataDir)).length > 2)
    const before = acknowledged.size
    if (kill % 2 === 1) proxy.cut()
    await until('some answers', () => acknowledged.size > before + 50 + Math.floor(random() * 200))
    const running = await collectorsOf(dataDir)
    const pid = running[Math.floor(random() * running.length)]
    if (pid !== undefined) process.kill(pid, 'SIGKILL')
    if (kill % 2 === 1) proxy.mend()
  }
  // The last time everybody dies while the spool is what takes the events, and fewer come back.
  proxy.cut()
  const before = acknowledged.size
  await until('spooled answers', () => acknowledged.size > before + 200)
  const fleet = await collectorsOf(dataDir)
  server.process.kill('SIGKILL')
  stopped = true
  await Promise.all([server.exited, ...sending])
  await until('the collectors to follow their parent', () => !fleet.some(isAlive))
  proxy.mend()
  server = await start(1)
  for (let waited = 0; waited < drainSecondsMax && (await healthOf(server)).status !== 'healthy'; waited++)
    await new Promise((resolve) => setTimeout(resolve, 1_000))
  server.process.kill('SIGTERM')
  t.equal(await server.exited, 0)

  const stored = await database.db.query<{ key: string; rows: number; numbers: number }>(
    `select raw_event_data ->> 'key' as key, count(*) as rows, count(distinct raw_event_data ->> 'n') as numbers
     from events_log group by 1`,
  )
  const keys = new Set(stored.map((row) => row.key))
  t.same(
    [...acknowledged].filter((key) => !keys.has(key)),
    [],
    'nothing acknowledged is lost',
  )
  t.same(
    stored.filter((row) => row.rows !== 3 || row.numbers !== 3),
    [],
    'nothing is stored twice or in part',
  )
  t.match(await database.db.query('select count(*) > 0 as spooled from batches where spooled'), [{ spooled: true }])
  t.ok(acknowledged.size > kills * 50)
  t.comment(`${acknowledged.size} requests acknowledged, ${stored.length} stored, ${kills} kills`)
})
