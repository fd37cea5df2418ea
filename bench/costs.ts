import { readdirSync, readFileSync, statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { openEngine } from '../src/agents/open-engine.ts'
import { systemClock as clock } from '../src/clock.ts'
import { silentLog as log } from '../src/log.ts'
import { createTestDatabase } from '../test/support/database.ts'
import { createTestExporter, testConfig } from '../test/support/exporter.ts'
import { startCollector } from './support/collector.ts'
import { unclaimAll } from './support/fill.ts'
import { createLoad } from './support/load.ts'
import { writeResult } from './support/result.ts'

/**
 * What a million events cost from the pixel to the files and the notes, and what machine a site therefore needs: CPU time of
 * all processes together (PostgreSQL included, the load left out), bytes in the database and in the files. Prints the table of
 * docs/performance.md. Counts the whole machine's CPU time, so nothing else may run on it.
 *
 *   npm run bench:costs -- [--seconds 60] [--rate 2000] [--each 5]
 */
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: process.env.BENCH_SHORT === '1' ? '10' : '60' },
    rate: { type: 'string', default: '2000' },
    each: { type: 'string', default: '5' },
  },
})
const [seconds, rate, each] = [Number(values.seconds), Number(values.rate), Number(values.each)]

/** CPU seconds of the machine so far, idle and waiting left out. */
const busy = (): number => {
  const [user = 0, nice = 0, system = 0, , , irq = 0, soft = 0] = (
    readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? ''
  )
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return (user + nice + system + irq + soft) / 100
}
const ownCpu = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}
/** CPU seconds a million events, of `work` without this process, unless it is the one that works. */
const costOf = async (events: () => number, work: () => Promise<unknown>, isOwn: boolean): Promise<number> => {
  const [before, own] = [busy(), ownCpu()]
  await work()
  const used = busy() - before - (isOwn ? 0 : ownCpu() - own)
  return (used / events()) * 1e6
}

const { url, db, close } = await createTestDatabase()
const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-bench-'))
const collector = await startCollector({ DATABASE_URL: url, DATA_DIR: folder })
await createLoad({ port: collector.port, each, rate, connections: 0, seconds: 3, from: 1e9 }).run()
await db.execute('truncate events_log, batches, batch_sites, receipts')
let events = 0
const collect = await costOf(
  () => events,
  async () => {
    const report = await createLoad({ port: collector.port, each, rate, connections: 0, seconds }).run()
    events = report.acknowledged * each
  },
  false,
)
await collector.stop()
const sizes = await db.query<{ table: string; bytes: number }>(
  `select name as table, pg_total_relation_size(name::regclass) as bytes
   from unnest(array['events_log', 'batches', 'batch_sites', 'receipts']) as name`,
)
const rowBytes = sizes.reduce((sum, one) => sum + one.bytes, 0) / events

const files: Record<string, { cpu: number; bytes: number }> = {}
for (const format of ['parquet', 'json']) {
  const DATA_DIR = path.join(folder, format)
  await unclaimAll(db)
  const service = createTestExporter(db, { DATA_DIR, EXPORT_FORMAT: format })
  const cpu = await costOf(
    () => events,
    () => service.exporter.run(),
    true,
  )
  await service.close()
  const delivered = readdirSync(path.join(DATA_DIR, 'exports/backup'), { recursive: true, withFileTypes: true })
  const bytes = delivered.reduce(
    (sum, one) => sum + (one.isFile() ? statSync(path.join(one.parentPath, one.name)).size : 0),
    0,
  )
  files[format] = { cpu, bytes: bytes / events }
}
const engine = openEngine({
  db,
  config: testConfig({ DATA_DIR: folder, DATABASE_URL: url }),
  clock,
  log,
  pauseMs: 0,
  forgetNotes: undefined,
})
const agents = await costOf(
  () => events,
  () => engine.run({ kind: 'nightly' }),
  true,
)
await close()
await rm(folder, { recursive: true, force: true })

const parquet = files.parquet ?? { cpu: 0, bytes: 0 }
const costs = {
  collect,
  parquet: parquet.cpu,
  json: files.json?.cpu ?? 0,
  agents,
  rowBytes,
  parquetBytes: parquet.bytes,
  jsonBytes: files.json?.bytes ?? 0,
}
process.stdout.write(
  `of ${events} events, ${each} a request, at ${rate} a second:\n` +
    `CPU seconds a million: collect ${collect.toFixed(0)}, export as Parquet ${costs.parquet.toFixed(0)}, as JSON ${costs.json.toFixed(0)}, agents ${agents.toFixed(0)}\n` +
    `bytes an event: in the database ${rowBytes.toFixed(0)}, in Parquet ${costs.parquetBytes.toFixed(0)}, in JSON ${costs.jsonBytes.toFixed(0)}, once for each destination\n\n`,
)

/** A day's busiest hour brings so much more than its mean; rows stay for so long; what the system and its logs take. */
const [peakFactor, keptDays, systemGb] = [4, 3.5, 12]
/** Objects, manifests, and looking at both, hourly, in two destinations. */
const requestsOf = (day: number): number => 30 * 24 * 2 * (5 + Math.ceil(day / 24 / 250_000))
const machines = [
  { name: '2 vCPU, 4 GB, 80 GB', cores: 2, diskGb: 80, usd: 9 },
  { name: '4 vCPU, 8 GB, 160 GB', cores: 4, diskGb: 160, usd: 17 },
  { name: '8 vCPU, 16 GB, 240 GB', cores: 8, diskGb: 240, usd: 32 },
]
process.stdout.write(
  '| events a day | a month | busiest hour | CPU, all cores | disk | files a month, Parquet, one bucket | S3 requests a month | machine | price a million |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: |\n',
)
for (const day of [10_000, 100_000, 1_000_000, 200e6 / 30, 20_000_000]) {
  const perSecond = (day / 86_400) * peakFactor
  const cores = (perSecond * (collect + costs.parquet + costs.json + agents)) / 1e6
  const diskGb = systemGb + (day * keptDays * rowBytes * 1.3) / 1e9
  const machine = machines.find((one) => one.diskGb * 0.85 > diskGb && one.cores * 0.5 > cores)
  process.stdout.write(
    `| ${Math.round(day).toLocaleString('en')} | ${Math.round((day * 30) / 1e6) || (day * 30) / 1e6} M | ${perSecond.toFixed(1)}/s | ${cores.toFixed(2)} cores | ${diskGb.toFixed(0)} GB | ` +
      `${((day * 30 * costs.parquetBytes) / 1e9).toFixed(1)} GB | ${requestsOf(day).toLocaleString('en')} | ${machine?.name ?? 'several nodes'} | ${machine ? `$${((machine.usd * 1e6) / (day * 30)).toFixed(machine.usd * 1e6 > day * 30 ? 2 : 3)}` : ''} |\n`,
  )
}
writeResult('costs', { events, rate, each, costs, cores: cpus().length })
