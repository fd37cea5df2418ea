import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { createTestDatabase } from '../test/support/database.ts'
import { startCollector } from './support/collector.ts'
import { createLoad, percentileOf } from './support/load.ts'
import { writeResult } from './support/result.ts'
import { selectStored } from './support/stored.ts'

/**
 * How long a sender waits for its 200, which comes after COMMIT; then whether every acknowledged event is stored.
 *
 *   npm run bench:collect -- [--rate 2000] [--each 10] [--seconds 60]   at a fixed rate of events/s
 *   npm run bench:collect -- --rate 0 --each 1 [--connections 128]      as fast as it goes
 *   npm run bench:collect -- --shares 0.2,0.5,0.8 [--each 10]           as fast as it goes, then at these shares of that
 *
 * The load comes from this process, on the same machine.
 */
const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '2000' },
    each: { type: 'string', default: '10' },
    seconds: { type: 'string', default: process.env.BENCH_SHORT === '1' ? '5' : '60' },
    connections: { type: 'string', default: '128' },
    shares: { type: 'string', default: '' },
    workers: { type: 'string', default: '1' },
  },
})
const [rate, each, seconds, connections] = [values.rate, values.each, values.seconds, values.connections].map(
  Number,
) as [number, number, number, number]

const shares = values.shares === '' ? [] : values.shares.split(',').map(Number)

const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-bench-'))
const database = await createTestDatabase()
const collector = await startCollector({
  ...{ DATABASE_URL: database.url, DATA_DIR: folder, COLLECT_WORKERS: values.workers },
})
let sent = 0
let acknowledged = 0
let batches = 0
let right = true
const runs: Record<string, unknown>[] = []

/** One run, printed; resolves to events/s. Load is sent at `atRate` events/s, or as fast as it goes where that is 0. */
const measure = async (atRate: number): Promise<number> => {
  const cpuBefore = collector.cpuSeconds()
  const report = await createLoad({ port: collector.port, each, rate: atRate, connections, seconds, from: sent }).run()
  const cpu = collector.cpuSeconds() - cpuBefore
  sent += report.requests
  acknowledged += report.acknowledged * each
  const stored = await selectStored(database.db, acknowledged)
  right &&= stored.events === acknowledged && stored.distinct === stored.events
  const commits = stored.batches - batches
  batches = stored.batches
  const percentile = (p: number): number => Number(percentileOf(report.latenciesMs, p).toFixed(1))
  const perSecond = (report.acknowledged * each) / report.seconds
  process.stdout.write(
    `${each} events a request, ${atRate > 0 ? `${Math.round(atRate)} events/s` : `${connections} connections`}, ${report.seconds.toFixed(1)} s: ` +
      `${Math.round(perSecond / each)} requests/s, ${Math.round(perSecond)} events/s acknowledged, ${report.failed} failed\n` +
      `  waiting: p50 ${percentile(0.5)} ms, p95 ${percentile(0.95)} ms, p99 ${percentile(0.99)} ms, most ${percentile(1)} ms\n` +
      `  ${commits} commits, ${((report.acknowledged * each) / commits).toFixed(1)} events each; ${((1e6 * cpu) / report.acknowledged).toFixed(0)} µs of CPU a request\n`,
  )
  runs.push({
    ...{ atRate, eventsPerSecond: perSecond, failed: report.failed, commits, cpuSeconds: cpu },
    ...{ p50: percentile(0.5), p95: percentile(0.95), p99: percentile(0.99), longest: percentile(1) },
  })
  return perSecond
}

const saturated = await measure(shares.length > 0 ? 0 : rate)
for (const share of shares) await measure(saturated * share)
const peakMb = await collector.stop()
process.stdout.write(
  `collectors ${peakMb} MB at most; ${acknowledged} events acknowledged, and stored once each${right ? '' : ': WRONG'}\n`,
)
writeResult('collect-latency', {
  each,
  connections,
  workers: Number(values.workers),
  peakMb,
  acknowledged,
  right,
  runs,
})
await database.close()
await rm(folder, { recursive: true, force: true })
process.exit(right ? 0 : 1)
