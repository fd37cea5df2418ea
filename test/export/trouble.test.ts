import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { systemClock } from '../../src/clock.ts'
import { createDb } from '../../src/db.ts'
import { isAppError } from '../../src/errors.ts'
import { copyOut } from '../../src/export/copy-out.ts'
import { selectWaiting } from '../../src/export/deliveries.ts'
import type { Exporter } from '../../src/export/exporter.ts'
import { withExporterLock } from '../../src/export/lock.ts'
import { selectUnencoded } from '../../src/export/parts.ts'
import { verifyDestination } from '../../src/export/verify.ts'
import { createFolderDestination } from '../../src/storage/folder-destination.ts'
import { insertBatch } from '../support/batches.ts'
import { bucketReader, bucketSettings } from '../support/buckets.ts'
import { createTestDatabase } from '../support/database.ts'
import { folderReader, readDelivered } from '../support/delivered.ts'
import { createTestExporter, tempFolder } from '../support/exporter.ts'
import { startFaultingS3 } from '../support/faulting-s3.ts'
import { startTestS3 } from '../support/s3.ts'
import { until } from '../support/until.ts'

const many = Array.from({ length: 4000 }, (_, n) => ({
  raw_event_data: JSON.stringify({ n, text: 'words '.repeat(200) }),
}))

/** The next run after one whose connection was cut: the server gives its lock back when it has noticed. */
const runWhenFree = async (exporter: Exporter): Promise<unknown> => {
  let report: unknown
  await until('the exporter is free', async () => {
    report = await exporter.run().catch((error: unknown) => {
      if (!isAppError(error) || error.code !== 'export_busy') throw error
    })
    return report !== undefined
  })
  return report
}

type Tap = { pass(text: string): unknown; teardown(fn: () => unknown): void }

/** Mounts a file system of so many megabytes until the test ends, or what is returned is called; says so where it may not. */
const mountSmall = (t: Tap, folder: string, megabytes: number): (() => void) | undefined => {
  mkdirSync(folder)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    t.pass('skipped: a small file system needs the right to mount one')
    return undefined
  }
  let mounted = true
  const unmount = () => {
    if (mounted) execFileSync('umount', [folder])
    mounted = false
  }
  t.teardown(unmount)
  return unmount
}

t.test('a full disk ends the run with an error, and the next run delivers everything', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const DATA_DIR = await tempFolder(t)
  const staging = path.join(DATA_DIR, 'staging')
  const unmount = mountSmall(t, staging, 2)
  if (!unmount) return
  const { exporter, close: closeExporter } = createTestExporter(db, { DATA_DIR })
  t.teardown(closeExporter)
  await insertBatch(db, many)
  await t.rejects(exporter.run(), { code: 'export_encode_failed', message: /ENOSPC/ })
  t.strictSame(readdirSync(staging), [], 'what was written of it is gone')
  unmount()
  t.match(await runWhenFree(exporter), { parts: 1, events: many.length })
  const { rows, problems } = await readDelivered(folderReader(path.join(DATA_DIR, 'exports', 'client')))
  t.strictSame(problems, [])
  t.equal(rows.json?.length, many.length)
})

t.test('a disk that is full of what was delivered is freed before rows are copied out', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const DATA_DIR = await tempFolder(t)
  const staging = path.join(DATA_DIR, 'staging')
  if (!mountSmall(t, staging, 8)) return
  const { exporter, close: closeExporter } = createTestExporter(db, { DATA_DIR })
  t.teardown(closeExporter)
  await insertBatch(db, many.slice(0, 10))
  await exporter.run()
  const [delivered] = await db.query<{ part_id: number }>('select part_id from export_parts')
  const left = path.join(staging, `part-${delivered?.part_id}`)
  const filler = path.join(staging, 'filler')
  writeFileSync(filler, Buffer.alloc(7_900_000))
  await insertBatch(db, many.slice(0, 400))
  await t.rejects(exporter.run(), { code: 'export_encode_failed', message: /ENOSPC/ })
  t.equal((await selectUnencoded(db)).length, 1, 'the part is claimed, and waits')
  mkdirSync(left)
  renameSync(filler, path.join(left, 'left-behind'))
  t.match(await runWhenFree(exporter), { events: 400 })
})

t.test('a connection whose COPY was given up answers nothing more, and its pool goes on', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  await insertBatch(db, many)
  const { exporter, close: closeExporter } = createTestExporter(db, { DATA_DIR: await tempFolder(t) })
  t.teardown(closeExporter)
  await db.execute(`update export_parts set manifest = manifest`)
  await exporter.run()
  await db.execute(
    `update export_parts set manifest = null, manifest_sha256 = null, manifest_key = null, encoded_at = null`,
  )
  const [part] = await selectUnencoded(db)
  const session = await db.session()
  await t.rejects(
    copyOut(session, part as NonNullable<typeof part>, '/nonexistent', (blocks) => blocks),
    { code: 'ENOENT' },
  )
  await t.rejects(session.query('select 1'))
  session.release()
  t.strictSame(await db.query('select 1 as one'), [{ one: 1 }])
})

t.test('a destination that was changed in mid-part gets the whole part', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const s3 = await startTestS3(['bucket-a', 'bucket-b'])
  t.teardown(() => s3.close())
  const proxy = await startFaultingS3(s3.endpoint)
  t.teardown(() => proxy.close())
  const DATA_DIR = await tempFolder(t)
  await insertBatch(db, [{}])
  // The first bucket takes the objects and refuses the manifest.
  proxy.break({ bucket: 'bucket-a', step: 'manifest', fault: '403' })
  const before = createTestExporter(db, {
    DATA_DIR,
    ...bucketSettings('CLIENT', { ...s3, endpoint: proxy.endpoint }, 'bucket-a'),
  })
  t.match((await before.exporter.run()).destinations, [
    { state: 'verified' },
    { state: 'parked' },
    { state: 'verified' },
  ])
  await before.close()
  const after = createTestExporter(db, { DATA_DIR, ...bucketSettings('CLIENT', s3, 'bucket-b') })
  t.teardown(after.close)
  await after.exporter.run({ probe: true })
  const { rows, problems } = await readDelivered(bucketReader(s3, 'bucket-b', 'analytics'))
  t.strictSame(problems, [])
  t.equal(rows.json?.length, 1)
})

t.test('a staged file that a power cut left with other bytes is made again, not delivered', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const DATA_DIR = await tempFolder(t)
  const env = { DATA_DIR, CLIENT_S3_BUCKET: 'waits-for-keys' }
  const before = createTestExporter(db, env)
  await insertBatch(db, [{}])
  await before.exporter.run()
  await before.close()
  await db.execute(`update deliveries set state = 'pending', identity = null, verified_at = null`)
  const [partId] = (await db.query<{ part_id: number }>('select part_id from export_parts')).map((row) => row.part_id)
  const objects = await db.query<{ key: string; bytes: number }>('select key, bytes from export_objects')
  const folder = path.join(DATA_DIR, 'staging', `part-${partId}`)
  mkdirSync(folder, { recursive: true })
  for (const { key, bytes } of objects) writeFileSync(path.join(folder, key.replaceAll('/', '_')), Buffer.alloc(bytes))
  const after = createTestExporter(db, { DATA_DIR })
  t.teardown(after.close)
  await after.exporter.run({ probe: true })
  const client = createFolderDestination('client', path.join(DATA_DIR, 'exports', 'client'))
  t.match(await verifyDestination(client, { full: true }), { problems: [], events: 1 })
})

t.test('a part that was set aside does not hold up the retries of others', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const DATA_DIR = await tempFolder(t)
  const { exporter, close: closeExporter } = createTestExporter(db, { DATA_DIR, EXPORT_FORMAT: 'json,csv' })
  t.teardown(closeExporter)
  for (let part = 0; part < 2; part++) {
    await insertBatch(db, [{}])
    await exporter.run()
  }
  await db.execute(
    `update deliveries set state = case when object_id = (select min(object_id) from export_objects) then 'quarantined'
                                        else 'pending' end, next_attempt_at = null where destination = 'client'`,
  )
  await db.execute(
    `update deliveries set next_attempt_at = to_timestamp(1000), attempts = 1
     where destination = 'client' and part_id = (select max(part_id) from export_parts) and object_id is null`,
  )
  t.strictSame(await selectWaiting(db), [{ destination: 'client', nextAttemptMs: 1_000_000 }])
})

t.test('nothing is adopted while an export is under way', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const service = createTestExporter(db, { DATA_DIR: await tempFolder(t) })
  t.teardown(service.close)
  await withExporterLock(db, async () => {
    await t.rejects(service.adopt(), { code: 'export_busy' })
  })
  t.match(await service.adopt(), { manifests: 0 })
})

t.test('a connection keeps its limits after a run', async (t) => {
  const { url, close } = await createTestDatabase()
  t.teardown(close)
  const one = createDb({
    url,
    applicationName: 'test',
    connectionsMax: 1,
    statementTimeoutMs: 1234,
    clock: systemClock,
  })
  t.teardown(() => one.close())
  await withExporterLock(one, async () => undefined)
  t.strictSame(await one.query('show statement_timeout'), [{ statement_timeout: '1234ms' }])
})
