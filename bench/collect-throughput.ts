import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { createTestDatabase } from '../test/support/database.ts'
import { startCollector } from './support/collector.ts'
import { copyAtOnce, insertEach, insertRequests } from './support/insert.ts'
import { createLoad, medianOf, percentileOf } from './support/load.ts'
import { writeResult } from './support/result.ts'
import { selectStored } from './support/stored.ts'

/**
 * How many events a second are acknowledged, which means committed, with 1, 10 and 100 of them in a request; beside three
 * ways of writing the same rows into the same table without any of our rules: one COPY of them all, one INSERT for each, and
 * one INSERT for each request. The load, the collector and PostgreSQL share this machine. All that was acknowledged must
 * be stored, once.
 *
 *   npm run bench:throughput -- [--seconds 10] [--rounds 3] [--workers 1]
 */
const short = process.env.BENCH_SHORT === '1'
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: short ? '3' : '10' },
    rounds: { type: 'string', default: short ? '1' : '3' },
    workers: { type: 'string', default: '1' },
  },
})
const [seconds, rounds] = [Number(values.seconds), Number(values.rounds)]
/** Events of a request, connections, and how many requests a second are prepared for at most. */
const shapes = [
  { each: 1, connections: 512, requestsMax: 25_000 },
  { each: 10, connections: 256, requestsMax: 8_000 },
  { each: 100, connections: 64, requestsMax: 900 },
]

const database = await createTestDatabase()
const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-bench-'))
const collector = await startCollector({
  ...{ DATABASE_URL: database.url, DATA_DIR: folder, COLLECT_WORKERS: values.workers },
})
let acknowledged = 0
let failed = 0

type Run = { requests: number; events: number; cpuMicros: number; p50: number; p99: number }
const collect = async ({ each, connections, requestsMax }: (typeof shapes)[number]): Promise<Run> => {
  const load = createLoad({ ...{ port: collector.port, each, rate: 0, connections, seconds }, from: acknowledged })
  load.prepare(requestsMax * seconds)
  const cpu = collector.cpuSeconds()
  const report = await load.run()
  acknowledged += report.acknowledged * each
  failed += report.failed
  return {
    requests: report.acknowledged / report.seconds,
    events: (report.acknowledged * each) / report.seconds,
    cpuMicros: (1e6 * (collector.cpuSeconds() - cpu)) / report.acknowledged,
    p50: percentileOf(report.latenciesMs, 0.5),
    p99: percentileOf(report.latenciesMs, 0.99),
  }
}

const rows: Record<string, unknown>[] = []
await createLoad({ port: collector.port, each: 10, rate: 0, connections: 64, seconds: 2, from: 1e9 })
  .run()
  .then((warm) => {
    acknowledged += warm.acknowledged * 10
  })
const runs = new Map<number, Run[]>(shapes.map(({ each }) => [each, []]))
const references = {
  copy: [] as number[],
  insertEach: [] as number[],
  insert10: [] as number[],
  insert100: [] as number[],
}
for (let round = 0; round < rounds; round++) {
  references.copy.push(await copyAtOnce(database.url, 200_000))
  references.insertEach.push(await insertEach(database.url, seconds / 2))
  references.insert10.push(await insertRequests(database.url, 10, seconds / 2))
  references.insert100.push(await insertRequests(database.url, 100, seconds / 2))
  for (const shape of shapes) runs.get(shape.each)?.push(await collect(shape))
}
const copy = medianOf(references.copy)
const thousands = (n: number): string => `${(n / 1000).toFixed(1)}k`.padStart(8)
process.stdout.write(
  `references, events/s: one COPY ${thousands(copy)}, an INSERT each ${thousands(medianOf(references.insertEach))}, ` +
    `an INSERT for 10 ${thousands(medianOf(references.insert10))}, for 100 ${thousands(medianOf(references.insert100))}\n` +
    `${values.workers} collector${values.workers === '1' ? '' : 's'}; events a request, requests/s, events/s, x of COPY, x of an INSERT each, CPU µs a request, p50, p99 ms\n`,
)
for (const [each, all] of runs) {
  const of = (pick: (run: Run) => number) => medianOf(all.map(pick))
  const row = {
    ...{ each, requests: of((run) => run.requests), events: of((run) => run.events) },
    ofCopy: medianOf(all.map((run, i) => run.events / (references.copy[i] ?? copy))),
    ofInsertEach: medianOf(all.map((run, i) => run.events / (references.insertEach[i] ?? 1))),
    ...{ cpuMicros: of((run) => run.cpuMicros), p50: of((run) => run.p50), p99: of((run) => run.p99) },
  }
  rows.push(row)
  process.stdout.write(
    `${String(each).padStart(3)} ${thousands(row.requests)} ${thousands(row.events)} ${row.ofCopy.toFixed(2).padStart(6)} ` +
      `${row.ofInsertEach.toFixed(1).padStart(6)} ${row.cpuMicros.toFixed(0).padStart(6)} ${row.p50.toFixed(1).padStart(7)} ${row.p99.toFixed(1).padStart(7)}\n`,
  )
}
const stored = await selectStored(database.db, acknowledged)
const peakMb = await collector.stop()
const isRight = stored.events === acknowledged && stored.distinct === stored.events && failed === 0
process.stdout.write(
  `${stored.events} events stored of ${acknowledged} acknowledged${isRight ? '' : ' WRONG'}; ${failed} failed; collectors ${peakMb} MB at most\n`,
)
writeResult('collect-throughput', { workers: Number(values.workers), references, rows, peakMb, isRight })
await database.close()
await rm(folder, { recursive: true, force: true })
process.exit(isRight ? 0 : 1)
