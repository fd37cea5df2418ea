import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { createTestDatabase } from '../test/support/database.ts'
import { startCollector } from './support/collector.ts'
import { createLoad, percentileOf } from './support/load.ts'
import { selectStored } from './support/stored.ts'

/**
 * How long a sender waits for its 200, which comes after COMMIT; then whether every acknowledged event is stored.
 *
 *   npm run bench:collect -- [--rate 2000] [--each 10] [--seconds 60]   at a fixed rate of events/s
 *   npm run bench:collect -- --rate 0 --each 1 [--connections 128]      as fast as it goes
 *
 * The load comes from this process, on the same machine.
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
const collector = await startCollector({ DATABASE_URL: database.url, DATA_DIR: folder })

const cpuBefore = collector.cpuSeconds()
const load = createLoad({ port: collector.port, each, rate, connections, seconds })
const { latenciesMs, acknowledged, failed, seconds: took } = await load.run()
const cpu = collector.cpuSeconds() - cpuBefore

const stored = await selectStored(database.db, acknowledged * each)
const right = stored.events === acknowledged * each && stored.distinct === stored.events
const peakMb = await collector.stop()
const percentile = (p: number): string => percentileOf(latenciesMs, p).toFixed(1)
process.stdout.write(
  `${each} events a request, ${rate > 0 ? `${rate} events/s` : `${connections} connections`}, ${took.toFixed(1)} s: ` +
    `${Math.round(acknowledged / took)} requests/s, ${Math.round((acknowledged * each) / took)} events/s acknowledged, ${failed} failed\n` +
    `waiting: p50 ${percentile(0.5)} ms, p95 ${percentile(0.95)} ms, p99 ${percentile(0.99)} ms, most ${percentile(1)} ms\n` +
    `${stored.batches} commits, ${((acknowledged * each) / stored.batches).toFixed(1)} events each; collector ${peakMb} MB at most, ` +
    `${((1e6 * cpu) / acknowledged).toFixed(0)} µs of CPU a request\n` +
    `stored ${stored.events} of ${acknowledged * each} acknowledged${right ? '' : ' WRONG'}\n`,
)
await database.close()
await rm(folder, { recursive: true, force: true })
process.exit(right ? 0 : 1)
