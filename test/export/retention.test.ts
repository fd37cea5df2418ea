import { rm } from 'node:fs/promises'
import path from 'node:path'
import t, { type Test } from 'tap'
import { systemClock } from '../../src/clock.ts'
import type { Db } from '../../src/db.ts'
import { openReplay } from '../../src/export/replay.ts'
import { type RetentionPolicy, releaseBuffer } from '../../src/export/retention.ts'
import { verifyDestination } from '../../src/export/verify.ts'
import { silentLog } from '../../src/log.ts'
import { createFolderDestination } from '../../src/storage/folder-destination.ts'
import { insertBatch, insertBatchIn, markRead } from '../support/batches.ts'
import { bucketReader, bucketSettings } from '../support/buckets.ts'
import { createTestDatabase } from '../support/database.ts'
import { readDelivered } from '../support/delivered.ts'
import { createTestExporter, tempFolder } from '../support/exporter.ts'
import { startTestS3 } from '../support/s3.ts'
import { collectOutput, exitOf, runProgram } from '../support/server.ts'

const hours = (n: number): string => new Date(Date.now() - n * 3_600_000).toISOString()
/** Two chunks that have ended, on TimescaleDB. */
const older = hours(40)
const newer = hours(20)

const atOnce: RetentionPolicy = { keepMs: 0, diskIsLow: false, backupBucket: null }
const releaseUnread = (db: Db, policy: Partial<RetentionPolicy> = {}) =>
  releaseBuffer({ db, clock: systemClock, log: silentLog }, { ...atOnce, ...policy })
/** Where the agents have read everything. */
const release = async (db: Db, policy: Partial<RetentionPolicy> = {}) => {
  await markRead(db)
  return releaseUnread(db, policy)
}
const counts = async (db: Db): Promise<unknown> =>
  (
    await db.query(
      `select (select count(*) from events_log) as events, (select count(*) from batches) as batches,
              (select count(*) from batch_sites) as sites, (select sum(events)::int from part_usage) as metered`,
    )
  )[0]
const setUp = async (t: Test) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  return { db, DATA_DIR: await tempFolder(t) }
}

t.test(
  'rows leave after their part was verified everywhere, and the keeping time; the ledger becomes the part’s',
  async (t) => {
    const { db, DATA_DIR } = await setUp(t)
    const { exporter, close } = createTestExporter(db, { DATA_DIR })
    t.teardown(close)
    await insertBatch(db, [{}, {}], older)
    await exporter.run()
    await insertBatch(db, [{}, {}, {}], newer)
    t.match(await release(db, { keepMs: 3_600_000 }), { parts: 0, events: 0 }, 'not before the keeping time')
    t.match(await counts(db), { events: 5, batches: 2 })
    t.match(await release(db), { parts: 1, events: 2 }, 'what is in no part stays')
    t.strictSame(await counts(db), { events: 3, batches: 1, sites: 1, metered: 2 })
    await exporter.run()
    t.match(await release(db), { parts: 1, events: 3 })
    t.strictSame(await counts(db), { events: 0, batches: 0, sites: 0, metered: 5 })
    t.match(await release(db), { parts: 0, events: 0, chunks: 0 }, 'once')
    await insertBatch(db, [{}])
    t.match(await exporter.run(), { parts: 1, events: 1 }, 'and it goes on')
    const folder = createFolderDestination('client', path.join(DATA_DIR, 'exports', 'client'))
    t.match(await verifyDestination(folder, { full: true }), { problems: [], events: 6 })
  },
)

t.test('rows of a part that one destination has not got are held', async (t) => {
  const { db, DATA_DIR } = await setUp(t)
  const { exporter, close } = createTestExporter(db, { DATA_DIR, CLIENT_S3_BUCKET: 'waits-for-keys' })
  t.teardown(close)
  await insertBatch(db, [{}], older)
  await exporter.run()
  t.match(await release(db), { parts: 0 })
  t.match(await release(db, { diskIsLow: true }), { parts: 0 }, 'a backup folder is no backup, even on a full disk')
  const later = { diskIsLow: true, backupBucket: 's3:https://s3.example.com/new-bucket/local' }
  t.match(await release(db, later), { parts: 0 }, 'nor is a bucket that was set after the files went to a folder')
  t.match(await counts(db), { events: 1 })
})

t.test('rows that the agents have not read stay; on a full disk they leave, and it is written down', async (t) => {
  const { db, DATA_DIR } = await setUp(t)
  const s3 = await startTestS3(['backup-bucket'])
  t.teardown(() => s3.close())
  const { exporter, close } = createTestExporter(db, { DATA_DIR, ...bucketSettings('BACKUP', s3, 'backup-bucket') })
  t.teardown(close)
  await insertBatch(db, [{}, {}], older)
  await exporter.run()
  await insertBatch(db, [{}], newer)
  await exporter.run()
  await db.execute('update batches set agents_run_id = 7 where batch_id = (select min(batch_id) from batches)')
  t.match(await releaseUnread(db), { parts: 1, events: 2 })
  t.match(await releaseUnread(db), { parts: 0 })
  t.match(await counts(db), { events: 1, batches: 1 })
  const bucket = { diskIsLow: true, backupBucket: `s3:${s3.endpoint}/backup-bucket/local` }
  t.match(await releaseUnread(db, bucket), { parts: 1, events: 1 })
  t.match(await db.query('select sum(events)::int as events from unread_events'), [{ events: 1 }])
})

t.test('on a full disk rows leave that the backup bucket has; the client is healed from there later', async (t) => {
  const { db, DATA_DIR } = await setUp(t)
  const s3 = await startTestS3(['backup-bucket'])
  t.teardown(() => s3.close())
  const env = { DATA_DIR, EXPORT_FORMAT: 'json,parquet', ...bucketSettings('BACKUP', s3, 'backup-bucket') }
  const waiting = createTestExporter(db, { ...env, CLIENT_S3_BUCKET: 'waits-for-keys' })
  await insertBatch(db, [{ path: '/a' }, { path: '/b' }], older)
  await waiting.exporter.run()
  await waiting.close()
  t.match(await release(db, { diskIsLow: true, backupBucket: `s3:${s3.endpoint}/backup-bucket/local` }), {
    parts: 1,
    events: 2,
    unverified: 1,
  })
  t.match(await counts(db), { events: 0, batches: 0 })

  // The staged files are gone as well: the only copy is in the backup bucket.
  await rm(path.join(DATA_DIR, 'staging'), { recursive: true, force: true })
  const healed = createTestExporter(db, env)
  t.teardown(healed.close)
  t.match(await healed.exporter.run({ probe: true }), {
    parts: 0,
    destinations: [{ destination: 'backup' }, { destination: 'client', state: 'verified', deliveries: 3 }],
  })
  const folder = createFolderDestination('client', path.join(DATA_DIR, 'exports', 'client'))
  t.match(await verifyDestination(folder, { full: true }), { problems: [], events: 2 })
  t.strictSame((await readDelivered(bucketReader(s3, 'backup-bucket', 'local'))).problems, [])
})

t.test('a batch that commits between the check and the drop survives', async (t) => {
  const { db, DATA_DIR } = await setUp(t)
  const { exporter, close } = createTestExporter(db, { DATA_DIR })
  t.teardown(close)
  await insertBatch(db, [{}], older)
  await exporter.run()
  // A transaction that began in that chunk's time, and has written there, while retention looks.
  let commit = () => {}
  const mayCommit = new Promise<void>((resolve) => {
    commit = resolve
  })
  let written = () => {}
  const isWritten = new Promise<void>((resolve) => {
    written = resolve
  })
  const late = db.transaction(async (tx) => {
    await insertBatchIn(tx, [{ event_type: 'late' }], older)
    written()
    await mayCommit
  })
  await isWritten
  await release(db)
  commit()
  await late
  await release(db)
  t.match(await db.query(`select event_type from events_log where event_type = 'late'`), [{ event_type: 'late' }])
  t.match(await exporter.run(), { parts: 1, events: 1 }, 'and it is exported')
  await release(db)
  t.match(await counts(db), { events: 0, batches: 0 })
})

t.test('a replay delivers the same keys and bytes again, also when the rows have gone', async (t) => {
  const { db, DATA_DIR } = await setUp(t)
  const { exporter, close } = createTestExporter(db, { DATA_DIR, EXPORT_FORMAT: 'json,csv' })
  t.teardown(close)
  const created_at = '2026-11-19T10:00:00.000000Z'
  await insertBatch(db, [{ created_at }, { created_at }], older)
  await exporter.run()
  const client = createFolderDestination('client', path.join(DATA_DIR, 'exports', 'client'))
  const whole = { from: '2026-11-19T00:00:00Z', to: '2026-11-20T00:00:00Z' }

  await rm(path.join(DATA_DIR, 'exports', 'client', 'events'), { recursive: true })
  t.match(await openReplay(db, { ...whole, destination: 'client' }), { parts: 1, deliveries: 3 })
  await exporter.run()
  t.match(await verifyDestination(client, { full: true }), { problems: [], events: 2, objects: 2 }, 'from the buffer')

  await release(db)
  await rm(path.join(DATA_DIR, 'exports', 'client'), { recursive: true })
  t.match(await openReplay(db, whole), { parts: 1, deliveries: 6 })
  await exporter.run()
  t.match(await verifyDestination(client, { full: true }), { problems: [], events: 2 }, 'from the other destination')
  t.match(await openReplay(db, { from: '2026-11-20T00:00:00Z', to: '2026-11-21T00:00:00Z' }), { parts: 0 })
})

t.test('the command replays days, and says how it is used', async (t) => {
  const { db, close, url } = await createTestDatabase()
  t.teardown(close)
  const DATA_DIR = await tempFolder(t)
  const { exporter, close: closeExporter } = createTestExporter(db, { DATA_DIR })
  await insertBatch(db, [{ created_at: '2026-11-19T10:00:00.000000Z' }])
  await exporter.run()
  await closeExporter()
  const run = async (args: string[]) => {
    const child = runProgram(args, { DATA_DIR, DATABASE_URL: url })
    const output = collectOutput(child)
    return { code: await exitOf(child), text: output() }
  }
  const client = path.join(DATA_DIR, 'exports', 'client')
  await rm(path.join(client, 'events'), { recursive: true })
  const replayed = await run([
    'export',
    'replay',
    '--from',
    '2026-11-19',
    '--to',
    '2026-11-20',
    '--destination',
    'client',
  ])
  t.match(replayed, { code: 0, text: /client +2 objects verified/ }, replayed.text)
  t.match(await verifyDestination(createFolderDestination('client', client), { full: true }), {
    problems: [],
    objects: 1,
  })
  t.match(await run(['export', 'replay']), { code: 2, text: /--from/ })
  t.match(await run(['export', 'replay', '--from', 'x', '--to', 'y']), { code: 2 })
  t.match(await run(['export', 'run', '--from', '2026-11-19']), { code: 2 })
})
