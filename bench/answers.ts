import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { createAgentsService } from '../src/agents/service.ts'
import { createBillingService } from '../src/billing/service.ts'
import { systemClock as clock } from '../src/clock.ts'
import { adminRoutes } from '../src/collect/admin-routes.ts'
import { createApp } from '../src/http.ts'
import { silentLog as log } from '../src/log.ts'
import { createTestDatabase } from '../test/support/database.ts'
import { createTestExporter, testConfig } from '../test/support/exporter.ts'
import { fillBuffer } from './support/fill.ts'
import { percentileOf } from './support/load.ts'
import { writeResult } from './support/result.ts'

/**
 * How long people wait for status, counts, usage and a statement while many events are buffered: half of them delivered, half
 * of them waiting, in batches as small as a site's own traffic makes them. Nothing is kept from one answer to the next but
 * PostgreSQL's cache.
 *
 *   npm run bench:answers -- [--events 10000000] [--each 25] [--times 40]
 */
const short = process.env.BENCH_SHORT === '1'
const { values } = parseArgs({
  options: {
    events: { type: 'string', default: short ? '200000' : '10000000' },
    each: { type: 'string', default: '25' },
    times: { type: 'string', default: '40' },
  },
})
const [events, each, times] = [Number(values.events), Number(values.each), Number(values.times)]

const { db, url, close } = await createTestDatabase()
const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-bench-'))
const env = { DATA_DIR: folder, DATABASE_URL: url, CLIENT_ID: 'acme', EXPORT_FORMAT: 'parquet' }
const config = testConfig(env)
const exporting = createTestExporter(db, env)
const billing = createBillingService({
  ...{ db, config, clock, log, adminToken: 'token', destinations: exporting.destinations, syncMs: 0 },
})
const agents = createAgentsService({
  db,
  config,
  clock,
  log,
  adminToken: 'token',
  destinations: exporting.destinations,
})
const app = createApp({ log, trustProxy: false, adminRatePerSecond: 0 })
for (const room of [exporting, billing, agents]) room.routes(app)
app.register(async (scope) => adminRoutes({ db, adminToken: { reveal: () => 'token' } as never })(scope as never))

process.stdout.write(`filling the buffer with ${events} events, ${each} a batch …\n`)
await fillBuffer(db, events / 2, 50, each)
await exporting.exporter.run()
await fillBuffer(db, events / 2, 50, each)
const session = await db.session()
await session.execute('set statement_timeout = 0')
await session.execute('analyze')
session.release()
await db.execute(
  `insert into domains (domain, state, decided_at, decided_by) select distinct regexp_replace(site_id, '^[^.]*\\.', ''), 'approved', '2026-01-01Z'::timestamptz, 'bench' from batch_sites on conflict do nothing`,
)

const month = new Date().toISOString().slice(0, 7)
const rows: { path: string; p50: number; p95: number; bytes: number }[] = []
for (const path of [
  '/export/status',
  '/events/count',
  '/events/recent?limit=50',
  `/billing/usage?month=${month}`,
  '/billing/domains',
  '/billing/statements',
  '/agents/status',
]) {
  const waited: number[] = []
  let bytes = 0
  for (let i = 0; i < times; i++) {
    const started = performance.now()
    const answer = await app.inject({ url: path, headers: { authorization: 'Bearer token' } })
    waited.push(performance.now() - started)
    bytes = answer.body.length
    if (answer.statusCode !== 200) throw new Error(`${path} answered ${answer.statusCode}: ${answer.body}`)
  }
  waited.sort((a, b) => a - b)
  rows.push({ path, p50: percentileOf(waited, 0.5), p95: percentileOf(waited, 0.95), bytes })
}
const counted = (await app.inject({ url: '/events/count', headers: { authorization: 'Bearer token' } })).json()
const usage = (
  await app.inject({ url: `/billing/usage?month=${month}`, headers: { authorization: 'Bearer token' } })
).json()
const isRight = counted.total_events === events && usage.events === events
process.stdout.write(`${events} events buffered in ${events / each} batches; ${times} times each\n`)
for (const { path, p50, p95, bytes } of rows)
  process.stdout.write(
    `${path.padEnd(32)} p50 ${p50.toFixed(1).padStart(7)} ms  p95 ${p95.toFixed(1).padStart(7)} ms  ${bytes} bytes\n`,
  )
process.stdout.write(
  `${counted.total_events} counted, ${usage.events} in the usage of ${month}${isRight ? '' : ' WRONG'}\n`,
)
writeResult('answers', { events, each, rows, isRight })
await app.close()
await agents.close()
await billing.close()
await exporting.close()
await close()
await rm(folder, { recursive: true, force: true })
process.exit(isRight ? 0 : 1)
