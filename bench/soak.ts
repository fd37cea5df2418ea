import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock as clock } from '../src/clock.ts'
import { releaseBuffer } from '../src/export/retention.ts'
import { verifyDestination } from '../src/export/verify.ts'
import { silentLog as log } from '../src/log.ts'
import { createFolderDestination } from '../src/storage/folder-destination.ts'
import { createTestDatabase } from '../test/support/database.ts'
import { startCollector } from './support/collector.ts'
import { startExporter } from './support/exporter.ts'
import { createLoad, percentileOf } from './support/load.ts'
import { processMb } from './support/processes.ts'
import { writeResult } from './support/result.ts'

/**
 * A long, steady load, with an export every minute and rows leaving the buffer two minutes after their delivery: memory, the
 * size of the tables and the time that senders wait must not drift, and at the end every acknowledged event must be in
 * the files, once.
 *
 *   npm run bench:soak -- [--minutes 30] [--rate 5000] [--each 10]
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: process.env.BENCH_SHORT === '1' ? '2' : '30' },
    rate: { type: 'string', default: '5000' },
    each: { type: 'string', default: '10' },
  },
})
const [minutes, rate, each] = [Number(values.minutes), Number(values.rate), Number(values.each)]
/** So long after its delivery a row leaves the buffer. */
const keepMs = 120_000

const { url, db, close } = await createTestDatabase()
const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-bench-'))
const collector = await startCollector({ DATABASE_URL: url, DATA_DIR: folder })

const exporter = await startExporter({ DATABASE_URL: url, DATA_DIR: folder, EXPORT_FORMAT: 'parquet' })
const release = async (): Promise<number> => {
  // The agents are not part of this: what they have to read counts as read.
  await db.execute('update batches set agents_run_id = 1 where part_id is not null and agents_run_id is null')
  return (await releaseBuffer({ db, clock, log }, { keepMs, diskIsLow: false, backupBucket: null })).parts
}
const sizes = async (): Promise<{ rows: number; tableMb: number; ledgerMb: number }> => {
  const [row] = await db.query<{ rows: number; table: number; ledger: number }>(
    `select (select coalesce(sum(events), 0) from batches)::bigint as rows, pg_total_relation_size('events_log') / 1000000 as table,
            (pg_total_relation_size('batches') + pg_total_relation_size('batch_sites') + pg_total_relation_size('receipts')) / 1000000 as ledger`,
  )
  return { rows: row?.rows ?? 0, tableMb: row?.table ?? 0, ledgerMb: row?.ledger ?? 0 }
}

let from = 0
let acknowledged = 0
let failed = 0
const rows: Record<string, number>[] = []
process.stdout.write(
  'minute   acknowledged   p50      p99 ms   collector   exporter   buffered      events_log   ledger and receipts\n',
)
let exporting: Promise<unknown> = Promise.resolve()
for (let minute = 1; minute <= minutes; minute++) {
  const load = createLoad({ port: collector.port, each, rate, connections: 0, seconds: 60, from })
  const report = await load.run()
  from += report.requests
  acknowledged += report.acknowledged * each
  failed += report.failed
  await exporting
  exporting = exporter.run().then(release)
  const { rows: buffered, tableMb, ledgerMb } = await sizes()
  const row = {
    ...{ minute, p50: percentileOf(report.latenciesMs, 0.5), p99: percentileOf(report.latenciesMs, 0.99) },
    ...{ collectorMb: processMb(collector.pid), exporterMb: processMb(exporter.pid), buffered, tableMb, ledgerMb },
  }
  rows.push(row)
  process.stdout.write(
    `${String(minute).padStart(6)} ${String(acknowledged).padStart(14)} ${row.p50.toFixed(1).padStart(7)} ${row.p99.toFixed(1).padStart(9)} ` +
      `${`${row.collectorMb} MB`.padStart(11)} ${`${row.exporterMb} MB`.padStart(10)} ${String(buffered).padStart(10)} ${`${tableMb} MB`.padStart(15)} ${`${ledgerMb} MB`.padStart(12)}\n`,
  )
}
await exporting
await collector.stop()
await exporter.run()
await exporter.stop()
const { events, problems } = await verifyDestination(
  createFolderDestination('backup', path.join(folder, 'exports', 'backup')),
  { full: true },
)
const isRight = events === acknowledged && failed === 0 && problems.length === 0
process.stdout.write(
  `${events} events in the files of ${acknowledged} acknowledged, ${failed} failed${isRight ? '' : ' WRONG'}\n`,
)
writeResult('soak', { minutes, rate, each, rows, isRight })
await close()
await rm(folder, { recursive: true, force: true })
process.exit(isRight ? 0 : 1)
