import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { createTestDatabase } from '../test/support/database.ts'
import { startCollector } from './support/collector.ts'
import { startExporter } from './support/exporter.ts'
import { fillBuffer } from './support/fill.ts'
import { createLoad, medianOf, percentileOf } from './support/load.ts'
import { writeResult } from './support/result.ts'
import { selectStored } from './support/stored.ts'

/**
 * How long senders wait while an export is under way, beside how long they wait without one, in turn. Collector, exporter and
 * PostgreSQL are processes of their own, as on a client's machine. All that was acknowledged must be stored and exported.
 *
 *   npm run bench:beside -- [--rounds 5] [--rate 2000] [--each 10] [--seconds 40] [--backlog 400000] [--formats parquet]
 */
const short = process.env.BENCH_SHORT === '1'
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: short ? '1' : '5' },
    rate: { type: 'string', default: '2000' },
    each: { type: 'string', default: '10' },
    seconds: { type: 'string', default: short ? '5' : '40' },
    backlog: { type: 'string', default: short ? '100000' : '400000' },
    formats: { type: 'string', default: 'parquet' },
  },
})
const [rounds, rate, each, seconds, backlog] = [
  ...[values.rounds, values.rate, values.each, values.seconds, values.backlog].map(Number),
] as [number, number, number, number, number]

const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-bench-'))
const { url, db, close } = await createTestDatabase()
const collector = await startCollector({ DATABASE_URL: url, DATA_DIR: folder })
const load = createLoad({ port: collector.port, each, rate, connections: 0, seconds })
await createLoad({ port: collector.port, each, rate, connections: 0, seconds: 3 }).run()

const exporter = await startExporter({ DATABASE_URL: url, DATA_DIR: folder, EXPORT_FORMAT: values.formats })
let acknowledged = 0
let filled = 0
let exported = 0
const ratios: number[] = []
const waited = { alone: [] as number[], beside: [] as number[] }
for (let round = 0; round < rounds; round++) {
  await fillBuffer(db, backlog)
  filled += backlog
  // What filling left to be written must not be counted as the export's.
  await db.execute('checkpoint')
  execFileSync('sync')
  const alone = await load.run()
  let isDone = false
  const exporting = exporter.run().finally(() => {
    isDone = true
  })
  // As long as it exports, and no longer: what follows would only dilute it.
  const beside = await load.run(() => isDone)
  exported += await exporting
  acknowledged += (alone.acknowledged + beside.acknowledged) * each
  const [without, during] = [percentileOf(alone.latenciesMs, 0.99), percentileOf(beside.latenciesMs, 0.99)]
  waited.alone.push(without)
  waited.beside.push(during)
  ratios.push(during / without)
  process.stdout.write(
    `round ${round + 1}: p99 ${without.toFixed(1)} ms alone; ${during.toFixed(1)} ms during ${beside.seconds.toFixed(1)} s of an export, ` +
      `${(during / without).toFixed(2)} x; p50 ${percentileOf(alone.latenciesMs, 0.5).toFixed(1)} and ${percentileOf(beside.latenciesMs, 0.5).toFixed(1)} ms; ` +
      `${alone.failed + beside.failed} failed\n`,
  )
}
exported += await exporter.run()
await exporter.stop()
await collector.stop()
const warmed = exported - filled - acknowledged
const stored = await selectStored(db, exported)
const isRight = stored.events === exported && warmed === rate * 3
process.stdout.write(
  `median: ${medianOf(ratios).toFixed(2)} x (${medianOf(waited.alone).toFixed(1)} ms, ${medianOf(waited.beside).toFixed(1)} ms); ` +
    `${exported} events exported of ${stored.events} stored${isRight ? '' : ' WRONG'}\n`,
)
writeResult('collect-beside-export', { rate, each, rounds, ratio: medianOf(ratios), ratios, ...waited, isRight })
await close()
await rm(folder, { recursive: true, force: true })
process.exit(isRight ? 0 : 1)
