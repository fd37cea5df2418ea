import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock as clock } from '../src/clock.ts'
import { releaseBuffer } from '../src/export/retention.ts'
import { verifyDestination } from '../src/export/verify.ts'
import { createKeyedHash } from '../src/keyed-hash.ts'
import { silentLog as log } from '../src/log.ts'
import { requestErasure } from '../src/privacy/requests.ts'
import { secret } from '../src/secret.ts'
import { createFolderDestination } from '../src/storage/folder-destination.ts'
import { createTestDatabase } from '../test/support/database.ts'
import { createTestExporter } from '../test/support/exporter.ts'
import { createTcpProxy } from '../test/support/tcp-proxy.ts'
import { startCollector } from './support/collector.ts'
import { fillBuffer } from './support/fill.ts'
import { createLoad } from './support/load.ts'
import { writeResult } from './support/result.ts'
import { selectStored } from './support/stored.ts'

/**
 * Events a second of the work that nobody waits for: a spool that is stored when the database is back, an export that is
 * verified in full, one person who is taken out of the buffer and out of delivered files, and rows that leave the buffer. Each
 * is held against what must be there afterwards.
 *
 *   npm run bench:rates -- [--events 1000000] [--spooled 200000]
 */
const short = process.env.BENCH_SHORT === '1'
const { values } = parseArgs({
  options: {
    events: { type: 'string', default: short ? '100000' : '1000000' },
    spooled: { type: 'string', default: short ? '20000' : '200000' },
  },
})
const [events, spooled] = [Number(values.events), Number(values.spooled)]
const figures: Record<string, number> = {}
const problems: string[] = []
const expect = (isSo: boolean, what: string): void => {
  if (!isSo) problems.push(what)
}
const rate = async <T>(name: string, count: number, work: () => Promise<T>): Promise<T> => {
  const started = performance.now()
  const done = await work()
  const seconds = (performance.now() - started) / 1000
  figures[name] = count / seconds
  process.stdout.write(
    `${name.padEnd(44)} ${`${(count / seconds / 1000).toFixed(0)}k events/s`.padStart(16)} ${seconds.toFixed(1).padStart(7)} s\n`,
  )
  return done
}

const spool = async (): Promise<void> => {
  const { url, db, close } = await createTestDatabase()
  const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-bench-'))
  const target = new URL(url)
  const proxy = await createTcpProxy({ host: target.hostname, port: Number(target.port) })
  const through = Object.assign(new URL(url), { hostname: '127.0.0.1', port: String(proxy.port) }).href
  const collector = await startCollector({ DATABASE_URL: through, DATA_DIR: folder })
  proxy.cut()
  const load = createLoad({ port: collector.port, each: 100, rate: 0, connections: 32, seconds: 3600 })
  load.prepare(spooled / 100)
  const report = await rate('taken into the spool, the database away', spooled, () => load.run())
  proxy.mend()
  const { events: stored, distinct } = await rate('stored out of the spool', spooled, () => selectStored(db, spooled))
  expect(report.acknowledged * 100 === spooled && stored === spooled && distinct === spooled, 'the spool')
  await collector.stop()
  await proxy.close()
  await close()
  await rm(folder, { recursive: true, force: true })
}

const exported = async (): Promise<void> => {
  const { db, close } = await createTestDatabase()
  const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-bench-'))
  await fillBuffer(db, events)
  const service = createTestExporter(db, { DATA_DIR: folder, EXPORT_FORMAT: 'parquet' })
  await rate('exported as Parquet to two folders', events, () => service.exporter.run())
  const backup = createFolderDestination('backup', path.join(folder, 'exports', 'backup'))
  const verify = async (name: string, full: boolean): Promise<number> => {
    const { events: found, problems: wrong } = await rate(name, events, () => verifyDestination(backup, { full }))
    expect(found === events && wrong.length === 0, name)
    return found
  }
  await verify('verified: manifests, sizes, checksums', false)
  await verify('verified in full: every row read back', true)

  const keyedHash = createKeyedHash(secret('bench'))
  const forget = async (name: string): Promise<void> => {
    const [row] = await db.query<{ visitor: string; rows: number }>(
      `select visitor_id as visitor, count(*) as rows from events_log group by 1 order by 1 limit 1`,
    )
    const visitor = row?.visitor ?? released
    await requestErasure(db, keyedHash, { visitor }, { by: 'bench', nowMs: clock.now() })
    await db.execute('update erasures set spool_done_at = now() where spool_done_at is null')
    await rate(name, events, () => service.exporter.run())
    const [left] = await db.query<{ open: number; rows: number }>(
      `select (select count(*) from erasures where export_done_at is null) as open,
              (select count(*) from events_log where visitor_id = $1::text) as rows`,
      [visitor],
    )
    expect(left?.open === 0 && left.rows === 0, name)
  }
  const [one] = await db.query<{ visitor: string }>('select max(visitor_id) as visitor from events_log')
  const released = one?.visitor ?? ''
  await forget('looked through for a person, in the buffer')

  await db.execute('update batches set agents_run_id = 1')
  await rate('released from the buffer', events, () =>
    releaseBuffer({ db, clock, log }, { keepMs: -1_000, diskIsLow: false, backupBucket: null }),
  )
  const [left] = await db.query<{ rows: number }>('select count(*) as rows from events_log')
  expect(left?.rows === 0, `released: ${left?.rows} rows are left`)
  await forget('looked through for a person, in the files')
  await service.close()
  await close()
  await rm(folder, { recursive: true, force: true })
}

await spool()
await exported()
process.stdout.write(problems.length === 0 ? 'all as it must be\n' : `WRONG: ${problems.join('; ')}\n`)
writeResult('rates', { events, spooled, figures, problems })
process.exit(problems.length === 0 ? 0 : 1)
