import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { createTestDatabase } from '../test/support/database.ts'
import { until } from '../test/support/until.ts'
import { startCollector } from './support/collector.ts'
import { createLoad, medianOf, percentileOf } from './support/load.ts'
import { sampleProcesses } from './support/processes.ts'
import { writeResult } from './support/result.ts'
import { selectStored } from './support/stored.ts'

/**
 * How long senders wait while people watch the live stream, beside how long they wait while nobody does, in turn. Collector,
 * worker, PostgreSQL and those who watch are processes of their own. All that was acknowledged must be stored.
 *
 *   npm run bench:streams -- [--clients 50] [--rate 2000] [--each 10] [--seconds 60] [--rounds 5]
 */
const short = process.env.BENCH_SHORT === '1'
const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '50' },
    rate: { type: 'string', default: '2000' },
    each: { type: 'string', default: '10' },
    seconds: { type: 'string', default: short ? '5' : '60' },
    rounds: { type: 'string', default: short ? '1' : '5' },
  },
})
const [clients, rate, each, seconds, rounds] = [
  values.clients,
  values.rate,
  values.each,
  values.seconds,
  values.rounds,
].map(Number) as [number, number, number, number, number]

const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-bench-'))
const { url, db, close } = await createTestDatabase()
const env = { DATABASE_URL: url, DATA_DIR: folder, ADMIN_TOKEN: 'bench-token', EXPORT_SCHEDULE: 'off' }
const collector = await startCollector(env)

const startWorker = async () => {
  const program = path.join(import.meta.dirname, '../dist/bin/evothesis.js')
  const child = spawn(process.execPath, [program, 'worker'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env, HOST: '127.0.0.1', PORT: '0', LOG_LEVEL: 'warn', RATE_LIMIT_ADMIN: '0' },
  })
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  const addressOf = () => /Admin API\s+(http:\S+)/.exec(text)?.[1]
  await until('the worker is there', () => addressOf() !== undefined)
  return { child, address: addressOf() ?? '' }
}
const worker = await startWorker()
const memory = sampleProcesses(worker.child.pid ?? 0, 500)
const load = createLoad({ port: collector.port, each, rate, connections: 0, seconds })
const warm = await createLoad({
  port: collector.port,
  each,
  rate,
  connections: 0,
  seconds: 5,
  from: 1_000_000_000,
}).run()

type Counted = { events: number; skipped: number; cut: number; bytes: number }
const watch = () => {
  const child = fork(
    path.join(import.meta.dirname, 'support/stream-clients.ts'),
    [worker.address, 'bench-token', String(clients)],
    {
      execArgv: ['--import=tsx'],
    },
  )
  return {
    async end(): Promise<Counted> {
      child.send('how many')
      const [counted] = (await once(child, 'message')) as [Counted]
      child.kill()
      await once(child, 'exit')
      return counted
    },
  }
}

let acknowledged = warm.acknowledged * each
const ratios: number[] = []
for (let round = 0; round < rounds; round++) {
  const alone = await load.run()
  const watching = watch()
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  const beside = await load.run()
  const { events, skipped, cut } = await watching.end()
  acknowledged += (alone.acknowledged + beside.acknowledged) * each
  const [without, during] = [percentileOf(alone.latenciesMs, 0.99), percentileOf(beside.latenciesMs, 0.99)]
  ratios.push(during / without)
  process.stdout.write(
    `round ${round + 1}: p99 ${without.toFixed(1)} ms alone, ${during.toFixed(1)} ms with ${clients} streams, ${(during / without).toFixed(2)} x; ` +
      `p50 ${percentileOf(alone.latenciesMs, 0.5).toFixed(1)} and ${percentileOf(beside.latenciesMs, 0.5).toFixed(1)} ms; ` +
      `a stream got ${Math.round(events / clients)} events and the count of ${Math.round(skipped / clients)} more; ${cut} cut; ${alone.failed + beside.failed} failed\n`,
  )
}
const { totalMb, cpuSeconds } = memory.stop()
worker.child.kill('SIGTERM')
await once(worker.child, 'exit')
await collector.stop()
const stored = await selectStored(db, acknowledged)
const right = stored.events === acknowledged && stored.distinct === stored.events
const median = medianOf(ratios)
process.stdout.write(
  `median ${median.toFixed(2)} x; worker ${totalMb} MB at most, ${cpuSeconds.toFixed(1)} s of CPU; stored ${stored.events}, acknowledged ${acknowledged}${right ? '' : ' WRONG'}\n`,
)
writeResult('collect-beside-streams', { clients, rate, each, rounds, ratio: median, ratios, workerMb: totalMb, right })
await close()
await rm(folder, { recursive: true, force: true })
process.exit(right ? 0 : 1)
