import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { readDelivered } from '../../src/billing/read-delivered.ts'
import { systemClock } from '../../src/clock.ts'
import { expireObjects } from '../../src/export/expire.ts'
import { openReplay } from '../../src/export/replay.ts'
import { releaseBuffer } from '../../src/export/retention.ts'
import { checkParity, verifyDestination } from '../../src/export/verify.ts'
import { silentLog } from '../../src/log.ts'
import { insertBatch, longAgo } from '../support/batches.ts'
import { createTestDatabase } from '../support/database.ts'
import { createTestExporter, tempFolder } from '../support/exporter.ts'

t.test('objects expire after their time, only of closed periods, and nobody takes them for lost', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const DATA_DIR = await tempFolder(t)
  const service = createTestExporter(db, { DATA_DIR, EXPORT_FORMAT: 'json,parquet' })
  t.teardown(() => service.close())
  const { destinations } = service
  const clock = { ...systemClock, now: () => Date.parse('2026-12-31T00:00:00Z') }
  const expire = (days: number) =>
    expireObjects({ db, clock, destinations, stagingFolder: path.join(DATA_DIR, 'staging') }, days)
  const objects = async (name: string) =>
    (await readdir(path.join(DATA_DIR, 'exports', name, 'events'), { recursive: true })).filter((one) =>
      /part-/.test(one),
    )

  for (const created_at of ['2026-10-31T23:59:00Z', '2026-11-01T00:01:00Z', '2026-11-20T12:00:00Z']) {
    await insertBatch(db, [{ created_at }, { created_at }], longAgo)
    await service.exporter.run()
  }
  t.equal(await expire(30), 0, 'rows are in the buffer')
  await db.execute('update batches set agents_run_id = 1')
  await releaseBuffer(
    { db, clock: systemClock, log: silentLog },
    { keepMs: -1_000, diskIsLow: false, backupBucket: null },
  )
  t.equal(await expire(30), 0, 'no period is closed')
  await db.execute(
    `insert into billing_periods (month, timezone, starts_at, ends_at, terms)
     values ('2026-10', 'UTC', '2026-10-01', '2026-11-01', '{}'), ('2026-11', 'UTC', '2026-11-01', '2026-12-01', '{}')`,
  )
  const closeMonth = (month: string) =>
    db.execute(
      `insert into statements (month, revision, node_id, issued_at, document, sha256) values ($1::text, 1, 'n1', now(), '{}', 'x')`,
      [month],
    )
  await closeMonth('2026-10')
  t.equal(await expire(30), 1, 'that of October')
  await closeMonth('2026-11')
  t.equal(await expire(45), 1, 'of November what is old enough')
  t.equal(await expire(45), 0, 'once')
  for (const name of ['client', 'backup']) t.equal((await objects(name)).length, 2, name)

  const reports = await Promise.all(destinations.map((one) => verifyDestination(one, { full: true, mustHold: true })))
  for (const report of reports) t.match(report, { problems: [], manifests: 3, expired: 2, objects: 2, events: 6 })
  const [a, b] = reports
  if (a && b) t.same(checkParity(a.chain, b.chain).problems, [])
  const [first] = destinations
  if (!first) throw new Error('a destination')
  t.same((await readDelivered(first)).differences, [])

  const lost = (await objects('client'))[0] ?? ''
  await rm(path.join(DATA_DIR, 'exports', 'client', 'events', lost))
  t.match(
    (await verifyDestination(first, { full: false })).problems,
    [{ kind: 'missing object' }],
    'what is lost is lost',
  )
})

t.test('a replay that is asked for while objects expire asks for nothing', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const DATA_DIR = await tempFolder(t)
  const service = createTestExporter(db, { DATA_DIR })
  t.teardown(() => service.close())
  await insertBatch(db, [{ created_at: '2026-10-10T12:00:00Z' }], longAgo)
  await service.exporter.run()
  await db.execute('update batches set agents_run_id = 1')
  await releaseBuffer(
    { db, clock: systemClock, log: silentLog },
    { keepMs: -1_000, diskIsLow: false, backupBucket: null },
  )
  await db.execute(
    `insert into billing_periods (month, timezone, starts_at, ends_at, terms) values ('2026-10', 'UTC', '2026-10-01', '2026-11-01', '{}')`,
  )
  await db.execute(
    `insert into statements (month, revision, node_id, issued_at, document, sha256) values ('2026-10', 1, 'n1', now(), '{}', 'x')`,
  )
  const destinations = service.destinations.map((one) => ({
    ...one,
    remove: async (key: string) => {
      await openReplay(db, { from: '2026-10-01', to: '2026-11-01' })
      return one.remove(key)
    },
  }))
  const clock = { ...systemClock, now: () => Date.parse('2026-12-31T00:00:00Z') }
  t.equal(await expireObjects({ db, clock, destinations, stagingFolder: path.join(DATA_DIR, 'staging') }, 30), 1)
  const report = await service.exporter.run({ probe: true })
  t.match(await db.query(`select state from deliveries where state <> 'verified'`), { length: 0 })
  t.notMatch(report.destinations, [{ state: 'failed' }])
  await insertBatch(db, [{}])
  await service.exporter.run()
  for (const one of service.destinations)
    t.match(await verifyDestination(one, { full: true }), { problems: [], manifests: 2, expired: 1, events: 2 })
})
