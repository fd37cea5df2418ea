import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'
import { createTestDatabase } from '../test/support/database.ts'
import { sampleMemory } from './support/memory.ts'

/**
 * How long a sender waits for its 200, which comes after COMMIT; then whether every acknowledged event is stored.
 *
 *   node --import=tsx bench/collect-latency.ts [--rate 2000] [--each 10] [--seconds 60]   at a fixed rate of events/s
 *   node --import=tsx bench/collect-latency.ts --rate 0 --each 1 [--connections 128]      as fast as it goes
 *
 * At a fixed rate requests are sent on schedule, whether or not earlier ones were answered, and waiting counts from the
 * schedule (no coordinated omission). The load comes from this process, on the same machine.
 */
const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '2000' },
    each: { type: 'string', default: '10' },
    seconds: { type: 'string', default: process.env.BENCH_SHORT === '1' ? '5' : '60' },
    connections: { type: 'string', default: '128' },
  },
})
const [rate, each, seconds, connections] = [values.rate, values.each, values.seconds, values.connections].map(
  Number,
) as [number, number, number, number]

const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-bench-'))
const database = await createTestDatabase()
// Compiled as it is shipped: the loader of the tests wraps every function that it compiles.
const program = path.join(import.meta.dirname, '../dist/bench/collector-process.js')
await build({
  entryPoints: [path.join(import.meta.dirname, '../test/collect/collector-process.ts')],
  ...{ outfile: program, bundle: true, packages: 'external', platform: 'node', format: 'esm', target: 'node20' },
})
const server = fork(program, {
  execArgv: process.env.COLLECT_PROFILE ? ['--cpu-prof', `--cpu-prof-dir=${process.env.COLLECT_PROFILE}`] : [],
  stdio: ['ignore', 'inherit', 'ignore', 'ipc'],
  env: { ...process.env, DATABASE_URL: database.url, DATA_DIR: folder, RATE_LIMIT_COLLECT: '0' },
})
const [{ port }] = (await once(server, 'message')) as [{ port: number }]

let sent = 0
const bodyOf = (n: number): string => {
  const event = (i: number) => ({
    ...{
      eventType: i % 5 === 0 ? 'pageview' : 'click',
      eventId: `bench-${n}-${i}`,
      timestamp: new Date().toISOString(),
    },
    ...{
      url: `https://www.shop.example/products/${n % 997}?utm_source=newsletter&page=${i}`,
      path: `/products/${n % 997}`,
    },
    page: { title: `Product ${n % 997} – Shop`, referrer: 'https://www.shop.example/', width: 1920, height: 1080 },
    eventData: { tagName: 'a', classes: 'btn btn-primary', text: 'Add to cart', position: { x: 412, y: 958 }, n, i },
  })
  const ids = { sessionId: `s${n % 5000}`, visitorId: `v${n % 4000}`, siteId: 'shop-example', batchId: `b${n}` }
  return JSON.stringify(
    each === 1
      ? { ...ids, ...event(0) }
      : { eventType: 'batch', ...ids, events: Array.from({ length: each }, (_, i) => event(i)) },
  )
}
const nextRequest = (): string => {
  const body = bodyOf(sent++)
  return `POST /collect HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

/** One keep-alive connection, one request at a time: a browser's share of the traffic, at the least cost to this process. */
const open = async (answered: (line: Sender, ok: boolean) => void): Promise<Sender> => {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  await new Promise((resolve) => socket.once('connect', resolve))
  // An idle connection that is closed is not used again; one with a request on it leaves the count wrong, and that is shown.
  socket.on('error', () => socket.destroy())
  const sender: Sender = { socket, dueMs: 0 }
  let received = ''
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1')
    const head = received.indexOf('\r\n\r\n')
    const length = Number(/content-length: (\d+)/i.exec(received)?.[1] ?? Number.NaN)
    if (head === -1 || received.length < head + 4 + length) return
    const ok = received.startsWith('HTTP/1.1 200')
    received = ''
    answered(sender, ok)
  })
  return sender
}
type Sender = { socket: Socket; dueMs: number }

const latenciesMs: number[] = []
let acknowledged = 0
let failed = 0
const note = (sender: Sender, ok: boolean): void => {
  latenciesMs.push(performance.now() - sender.dueMs)
  if (ok) acknowledged++
  else failed++
}

const atFixedRate = async (): Promise<void> => {
  const free: Sender[] = []
  let opening = 0
  const answered = (sender: Sender, ok: boolean) => {
    note(sender, ok)
    free.push(sender)
  }
  const begun = performance.now()
  const everyMs = (1000 * each) / rate
  for (let n = 0; n * everyMs < seconds * 1000; ) {
    const due = begun + n * everyMs
    if (performance.now() < due) {
      await new Promise((resolve) => setTimeout(resolve, 1))
      continue
    }
    // Like a browser: a connection is opened when it is needed, and closed by the server when it is idle for long.
    let sender = free.pop()
    while (sender?.socket.destroyed) sender = free.pop()
    sender ??= await open(answered).finally(() => opening++)
    sender.dueMs = due
    sender.socket.write(nextRequest())
    n++
  }
  const patienceEnds = performance.now() + 30_000
  while (acknowledged + failed < sent && performance.now() < patienceEnds)
    await new Promise((resolve) => setTimeout(resolve, 5))
  process.stdout.write(`${opening} connections\n`)
}

const asFastAsItGoes = async (): Promise<void> => {
  const end = performance.now() + seconds * 1000
  let open_ = connections
  await new Promise<void>((resolve, reject) => {
    const send = (sender: Sender) => {
      if (performance.now() >= end) return --open_ === 0 ? resolve() : undefined
      sender.dueMs = performance.now()
      sender.socket.write(nextRequest())
    }
    for (let i = 0; i < connections; i++)
      open((sender, ok) => {
        note(sender, ok)
        send(sender)
      }).then(send, reject)
  })
}

/** CPU seconds that the collector used so far (user and system, in clock ticks of 10 ms). */
const cpuSeconds = (): number => {
  const fields = readFileSync(`/proc/${server.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

const cpuBefore = cpuSeconds()
const memory = sampleMemory(server.pid ?? 0, 1000)
const started = performance.now()
await (rate > 0 ? atFixedRate() : asFastAsItGoes())
const took = (performance.now() - started) / 1000
const peak = memory.stop()
const cpu = cpuSeconds() - cpuBefore

latenciesMs.sort((a, b) => a - b)
const percentile = (p: number): string =>
  (latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(latenciesMs.length * p))] ?? 0).toFixed(1)
const [stored] = await database.db.query<{ events: number; batches: number; distinct: number }>(
  `select (select count(*) from events_log) as events, (select count(*) from batches) as batches,
          (select count(distinct event_id) from events_log) as distinct`,
)
const right = stored?.events === acknowledged * each && stored.distinct === stored.events
process.stdout.write(
  `${each} events a request, ${rate > 0 ? `${rate} events/s` : `${connections} connections`}, ${took.toFixed(1)} s: ` +
    `${Math.round(acknowledged / took)} requests/s, ${Math.round((acknowledged * each) / took)} events/s acknowledged, ${failed} failed\n` +
    `waiting: p50 ${percentile(0.5)} ms, p95 ${percentile(0.95)} ms, p99 ${percentile(0.99)} ms, most ${percentile(1)} ms\n` +
    `${stored?.batches} commits, ${((acknowledged * each) / (stored?.batches ?? 1)).toFixed(1)} events each; collector ${peak.totalMb} MB at most, ` +
    `${((1e6 * cpu) / acknowledged).toFixed(0)} µs of CPU a request\n` +
    `stored ${stored?.events} of ${acknowledged * each} acknowledged${right ? '' : ' WRONG'}\n`,
)
server.kill('SIGTERM')
await once(server, 'exit')
await database.close()
await rm(folder, { recursive: true, force: true })
process.exit(right ? 0 : 1)
