import { readdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { insertBatch } from '../support/batches.ts'
import { createTestDatabase } from '../support/database.ts'
import { folderReader, readDelivered, readManifests } from '../support/delivered.ts'
import { createTestExporter, tempFolder } from '../support/exporter.ts'

const parts = async (folder: string): Promise<string[]> =>
  (await readManifests(folderReader(folder))).map(({ manifest }) => `${manifest.part}: ${manifest.events}`)

t.test('an emptied database parks until it has adopted, and never overwrites what was delivered', async (t) => {
  const DATA_DIR = await tempFolder(t)
  const folder = path.join(DATA_DIR, 'exports', 'client')
  const before = await createTestDatabase()
  const first = createTestExporter(before.db, { DATA_DIR })
  await insertBatch(before.db, [{}, {}])
  await first.exporter.run()
  await insertBatch(before.db, [{}])
  await first.exporter.run()
  await first.close()
  await before.close()
  const delivered = await readManifests(folderReader(folder))

  const after = await createTestDatabase()
  t.teardown(after.close)
  const second = createTestExporter(after.db, { DATA_DIR })
  t.teardown(second.close)
  await insertBatch(after.db, [{}, {}, {}])
  await t.rejects(second.exporter.run(), { code: 'export_head_unknown', message: /evothesis export adopt/ })
  t.strictSame(await readManifests(folderReader(folder)), delivered, 'nothing was written')

  t.match(await second.adopt(), { manifests: 2, events: 3 })
  t.match(await second.adopt(), { manifests: 0 }, 'adopting again changes nothing')
  t.match(await second.exporter.run(), { parts: 1, events: 3 })
  const { rows, problems, manifests } = await readDelivered(folderReader(folder))
  t.strictSame(problems, [])
  t.equal(rows.json?.length, 6)
  const genesis = manifests.find((one) => one.events === 3)
  t.match(genesis, {
    part: 1,
    predecessor: { part: 2, sha256: delivered[1]?.sha256 },
    previous_manifest_sha256: delivered[1]?.sha256,
  })
  const usage = await after.db.query('select sum(events) as events from part_usage')
  t.match(usage, [{ events: '6' }], 'the usage of the earlier life is known')
})

t.test('a database restored from a dump does not deliver twice what its former life delivered later', async (t) => {
  const DATA_DIR = await tempFolder(t)
  const folder = path.join(DATA_DIR, 'exports', 'client')
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const first = createTestExporter(db, { DATA_DIR })
  await insertBatch(db, [{}])
  await first.exporter.run()
  await insertBatch(db, [{}, {}])
  // The dump: as everything stood here, with one part delivered and one batch unclaimed.
  await db.execute('create schema dump')
  const tables = ['export_parts', 'batches', 'part_usage', 'export_objects', 'export_manifests', 'deliveries']
  for (const table of tables) await db.execute(`create table dump.${table} as select * from ${table}`)
  await first.exporter.run()
  await insertBatch(db, [{}, {}, {}])
  await first.exporter.run()
  await first.close()
  t.strictSame(await parts(folder), ['1: 1', '2: 2', '3: 3'])

  // The restore: the third batch is lost, its id will be given again.
  await db.execute('delete from events_log where batch_id = 3')
  for (const table of [
    'deliveries',
    'export_objects',
    'export_manifests',
    'part_usage',
    'batch_sites',
    'batches',
    'export_parts',
  ])
    if (table !== 'batch_sites') await db.execute(`delete from ${table}`)
  for (const table of tables)
    await db.execute(`insert into ${table} overriding system value select * from dump.${table}`)
  await db.execute(`select setval(pg_get_serial_sequence('batches', 'batch_id'), 2)`)
  await db.execute(
    `select setval(pg_get_serial_sequence('export_parts', 'part_id'), (select max(part_id) from export_parts))`,
  )
  const again = createTestExporter(db, { DATA_DIR })
  t.teardown(again.close)
  await insertBatch(db, [{ event_type: 'new' }])
  await t.rejects(again.exporter.run(), { code: 'export_head_unknown' })
  t.match(await again.adopt(), { manifests: 2, events: 5 })
  t.match(await again.exporter.run(), { parts: 1, events: 1 }, 'only what came after the restore is exported')
  const { rows, problems } = await readDelivered(folderReader(folder))
  t.strictSame(problems, [])
  t.equal(new Set(rows.json?.map((row) => row.event_id)).size, 7)
  t.equal(rows.json?.length, 7)
})

t.test('a prefix that holds another client is refused, and the other destination goes on', async (t) => {
  const DATA_DIR = await tempFolder(t)
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const other = createTestExporter(db, { DATA_DIR, CLIENT_ID: 'other' })
  await insertBatch(db, [{}])
  await other.exporter.run()
  await other.close()
  await rm(path.join(DATA_DIR, 'exports', 'backup'), { recursive: true })

  const fresh = await createTestDatabase()
  t.teardown(fresh.close)
  await insertBatch(fresh.db, [{}])
  const mine = createTestExporter(fresh.db, { DATA_DIR, CLIENT_ID: 'mine', NODE_ID: 'n2' })
  t.teardown(mine.close)
  t.match(await mine.exporter.run(), {
    parts: 1,
    destinations: [
      { destination: 'backup', state: 'verified' },
      { destination: 'client', state: 'parked', error: /client other/ },
      { destination: 'client', state: 'pending' },
    ],
  })
  t.equal((await readManifests(folderReader(path.join(DATA_DIR, 'exports', 'client')))).length, 1, 'nothing was added')
})

t.test(
  'a file that was changed under its key is not overwritten; the part is set aside and later parts go on',
  async (t) => {
    const DATA_DIR = await tempFolder(t)
    const { db, close } = await createTestDatabase()
    t.teardown(close)
    const { exporter, close: closeExporter } = createTestExporter(db, { DATA_DIR })
    t.teardown(closeExporter)
    await insertBatch(db, [{}])
    await exporter.run()
    const client = path.join(DATA_DIR, 'exports', 'client')
    const [key] = (await folderReader(client).keys()).filter((one) => one.startsWith('events/'))
    await writeFile(path.join(client, key ?? ''), 'other bytes')
    await db.execute(`update deliveries set state = 'pending', identity = null where destination = 'client'`)
    await insertBatch(db, [{}])
    const report = await exporter.run()
    t.match(
      report.destinations.filter((one) => one.state === 'quarantined'),
      [{ destination: 'client', deliveries: 1, error: /other bytes/ }],
    )
    t.equal((await readManifests(folderReader(client))).length, 2)
    t.equal((await readdir(path.join(client, '.incoming'))).length, 0)
  },
)
