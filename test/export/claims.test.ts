import { createHash } from 'node:crypto'
import path from 'node:path'
import t from 'tap'
import { insertBatch, insertBatchIn } from '../support/batches.ts'
import { createTestDatabase } from '../support/database.ts'
import { folderReader, readDelivered } from '../support/delivered.ts'
import { createTestExporter, tempFolder } from '../support/exporter.ts'

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

t.test('a batch that commits after a later one was exported is exported by the next run', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const DATA_DIR = await tempFolder(t)
  const { exporter, close: closeExporter } = createTestExporter(db, { DATA_DIR })
  t.teardown(closeExporter)

  // TimescaleDB lets one transaction at a time make a chunk, so it must be there before two of them overlap.
  await insertBatch(db, [{ event_type: 'earlier' }])
  t.match(await exporter.run(), { parts: 1, events: 1 })

  // The first batch takes its id and its time, then waits; the second one overtakes it.
  let commitFirst = () => {}
  const mayCommit = new Promise<void>((resolve) => {
    commitFirst = resolve
  })
  let hasId = () => {}
  const inserted = new Promise<void>((resolve) => {
    hasId = resolve
  })
  const first = db.transaction(async (tx) => {
    const id = await insertBatchIn(tx, [{ event_type: 'slow' }])
    hasId()
    await mayCommit
    return id
  })
  await inserted
  const second = await insertBatch(db, [{ event_type: 'fast' }])
  t.match(await exporter.run(), { parts: 1, events: 1 })
  commitFirst()
  t.ok((await first) < second, 'the slow batch has the lower id')
  t.match(await exporter.run(), { parts: 1, events: 1 })

  const { rows, problems } = await readDelivered(folderReader(path.join(DATA_DIR, 'exports', 'client')))
  t.strictSame(problems, [])
  t.strictSame(rows.json?.map((row) => row.event_type).sort(), ['earlier', 'fast', 'slow'])
})

t.test("a run ends, however much comes in meanwhile; what came in is the next one's", async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const DATA_DIR = await tempFolder(t)
  const { exporter, close: closeExporter } = createTestExporter(db, { DATA_DIR, PART_ROWS_MAX: '1000' })
  t.teardown(closeExporter)
  const rows = Array.from({ length: 600 }, () => ({}))
  const batch = () => insertBatch(db, rows)
  await batch()
  await batch()
  // Whenever something of a part was done, there is another batch.
  let arriving: Promise<unknown> = Promise.resolve()
  let arrived = 0
  const report = await exporter.run({
    onProgress() {
      if (arrived++ < 20) arriving = arriving.then(batch)
    },
  })
  await arriving
  t.ok(arrived > 2)
  t.match(report, { parts: 2, events: 1200 })
  t.match(await exporter.run(), { events: 600 * Math.min(arrived, 20) })
})

t.test('a part keeps within its rows, and a larger batch is a part of its own', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const DATA_DIR = await tempFolder(t)
  const { exporter, close: closeExporter } = createTestExporter(db, { DATA_DIR, PART_ROWS_MAX: '1000' })
  t.teardown(closeExporter)
  for (const size of [400, 600, 1, 1500, 999, 1])
    await insertBatch(
      db,
      Array.from({ length: size }, () => ({})),
    )
  t.match(await exporter.run(), { parts: 4, events: 3501 })
  const { manifests, problems } = await readDelivered(folderReader(path.join(DATA_DIR, 'exports', 'backup')))
  t.strictSame(problems, [])
  t.strictSame(
    manifests.map((one) => [one.part, one.events]),
    [
      [1, 1000],
      [2, 1],
      [3, 1500],
      [4, 1000],
    ],
  )
})

t.test('a part whose rows differ from its ledger is quarantined, and later parts do not wait for it', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const DATA_DIR = await tempFolder(t)
  const { exporter, close: closeExporter } = createTestExporter(db, { DATA_DIR, PART_ROWS_MAX: '1000' })
  t.teardown(closeExporter)
  const damaged = await insertBatch(
    db,
    Array.from({ length: 1000 }, () => ({})),
  )
  await insertBatch(db, [{ event_type: 'whole' }])
  await db.execute('delete from events_log where batch_id = $1::bigint and n = 0', [damaged])
  await exporter.run()
  const { manifests, rows } = await readDelivered(folderReader(path.join(DATA_DIR, 'exports', 'client')))
  t.match(manifests, [
    { part: 1, quarantined: true, events: 1000, objects: [] },
    { part: 2, quarantined: false, events: 1 },
  ])
  t.strictSame(
    rows.json?.map((row) => row.event_type),
    ['whole'],
  )
})

t.test(
  'a part encoded again, on one and four threads, with other memory, after a restart, has the same bytes',
  async (t) => {
    const { db, close } = await createTestDatabase()
    t.teardown(close)
    const text = (n: number) => `${'text of some length '.repeat(n % 40)}${n}`
    for (let batch = 0; batch < 3; batch++)
      await insertBatch(
        db,
        Array.from({ length: 20_000 }, (_, n) => ({
          url: `https://shop.example.com/${n % 977}`,
          visitor_id: `v${(n * 7919) % 5003}`,
          created_at: `2026-11-20T1${n < 18_000 ? 7 : 8}:30:00.${String(n).padStart(6, '0')}Z`,
          raw_event_data: JSON.stringify({ n, text: text(n) }),
        })),
      )
    const made: string[][] = []
    for (const [threads, memory] of [
      ['1', '256'],
      ['4', '192'],
      ['2', '1024'],
    ]) {
      const DATA_DIR = await tempFolder(t)
      const { exporter, close: closeExporter } = createTestExporter(db, {
        DATA_DIR,
        EXPORT_FORMAT: 'json,csv,parquet',
        ENCODE_THREADS: threads,
        ENCODE_MEMORY_MB: memory,
      })
      await exporter.run()
      await closeExporter()
      const files = folderReader(path.join(DATA_DIR, 'exports', 'client'))
      const keys = (await files.keys()).filter((key) => key.startsWith('events/'))
      made.push(await Promise.all(keys.map(async (key) => `${key} ${sha256(await files.read(key))}`)))
      // As after a crash between encoding and delivering, but in another folder: everything is delivered once more.
      await db.execute(`update deliveries set state = 'pending', identity = null`)
    }
    t.equal(made[0]?.length, 6)
    for (const other of made.slice(1)) t.strictSame(other, made[0])
  },
)

t.test('two exporters on one database do not run at the same time', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const DATA_DIR = await tempFolder(t)
  const one = createTestExporter(db, { DATA_DIR })
  const two = createTestExporter(db, { DATA_DIR })
  t.teardown(async () => {
    await one.close()
    await two.close()
  })
  await insertBatch(db, [{}])
  const runs = await Promise.allSettled([one.exporter.run(), two.exporter.run()])
  const busy = runs.filter((run) => run.status === 'rejected')
  t.match(busy, [{ reason: { code: 'export_busy' } }])
  const { rows, problems } = await readDelivered(folderReader(path.join(DATA_DIR, 'exports', 'client')))
  t.strictSame(problems, [])
  t.equal(rows.json?.length, 1)
})
