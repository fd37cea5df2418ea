import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import t from 'tap'
import { systemClock } from '../../src/clock.ts'
import type { Db } from '../../src/db.ts'
import { finishErasure } from '../../src/erasures.ts'
import { silentLog } from '../../src/log.ts'
import { requestErasure, selectErasureViews } from '../../src/privacy/requests.ts'
import { insertBatch, longAgo, markRead } from '../support/batches.ts'
import { event, forget, gone, keyedHash, release, search, searchDatabase, setUp } from './lab.ts'

const metered = async (db: Db) =>
  (await db.query('select sum(events)::int as events, sum(erased)::int as erased from part_usage'))[0]

t.test('a visitor whose rows are in the buffer leaves no trace there, nor in delivered files', async (t) => {
  const lab = await setUp(t)
  const { db, DATA_DIR, service, verify } = lab
  await insertBatch(db, [event(gone), event('other'), event('third', { created_at: '2026-11-20T18:30:00Z' })])
  await service.exporter.run()
  await insertBatch(db, [event('other'), event(gone), event(gone, { site_id: null })])
  await service.exporter.run()
  // One part is delivered with nobody else in an hour, one batch is in no part yet.
  await insertBatch(db, [event(gone, { created_at: '2026-11-20T19:30:00Z' })])
  await service.exporter.run()
  await insertBatch(db, [event(gone), event('other')])
  t.match(await search(DATA_DIR, gone), { length: 18 }, 'it was there, in every format and destination')

  const erasureId = await forget(lab, { visitor: gone })
  t.same(await search(DATA_DIR, gone), [])
  t.same(await searchDatabase(db, gone), [])
  t.match(await selectErasureViews(db, erasureId), [{ state: 'finished', events: 4, parts_waiting: 0 }])
  t.same(await metered(db), { events: 9, erased: 5 }, 'what was metered stays metered')
  const { client, backup, parity } = await verify()
  t.match([client.problems, backup.problems, parity], [[], [], []])
  t.match(client, { events: 9, erased: 5, manifests: 7, quarantined: 0 })

  await insertBatch(db, [event('later')])
  t.match(await service.exporter.run(), { parts: 1, events: 1 }, 'and the chain goes on behind the revisions')
  t.match((await verify()).client, { problems: [], events: 10, manifests: 8 })
  const record = JSON.parse(
    await readFile(path.join(DATA_DIR, 'exports/backup/erasures/n1', `${erasureId}.json`), 'utf8'),
  )
  t.match(record, { erasure_id: erasureId, events: 4, parts: [{ part: 1, revision: 1, events: 1 }, {}, {}] })
})

/** When a chunk of TimescaleDB was written that may be dropped by now. */
const ended = new Date(Date.now() - 40 * 3_600_000).toISOString()

t.test('rows that have left the buffer are taken out of the files, in every format, and only they', async (t) => {
  const lab = await setUp(t)
  const { db, DATA_DIR, service, verify } = lab
  const hostile = '{"eventType":"x","text":"a \\"quoted\\", \\\\ line\\nbreak 😀","n":9007199254740993}'
  await insertBatch(
    db,
    [
      event(gone),
      event('other', { raw_event_data: hostile, url: 'https://a.example/?q="x",\n', path: '' }),
      event('third', { created_at: '2026-11-20T18:30:00Z' }),
    ],
    ended,
  )
  await insertBatch(db, [event('untouched')], ended)
  await service.exporter.run()
  await insertBatch(
    db,
    [event('fourth', { raw_event_data: JSON.stringify({ type: 'alias', previousId: gone }) })],
    ended,
  )
  await service.exporter.run()
  const before = await linesOf(DATA_DIR)
  await markRead(db)
  t.match(await release(db), { parts: 2 })
  await forget(lab, { visitor: gone })
  t.same(await search(DATA_DIR, gone), [])
  t.same(await searchDatabase(db, gone), [])
  t.same(
    await linesOf(DATA_DIR),
    before.filter((line) => !line.includes(gone)),
    'all other lines are as they were',
  )
  t.same(await metered(db), { events: 5, erased: 2 })
  const { client, backup, parity } = await verify()
  t.match([client.problems, backup.problems, parity], [[], [], []])
  t.match(client, { events: 5, erased: 2 })
  const rows = await Promise.all(['json', 'csv', 'parquet'].map((format) => rowsOf(DATA_DIR, format)))
  t.same(rows, [3, 3, 3])
})

const linesOf = async (dataDir: string): Promise<string[]> => {
  const root = path.join(dataDir, 'exports/client/events/format=json')
  const files = (await readdir(root, { recursive: true })).filter((one) => one.endsWith('.gz')).sort()
  const texts = await Promise.all(
    files.map(async (file) => gunzipSync(await readFile(path.join(root, file))).toString()),
  )
  return texts.flatMap((text) => text.split('\n').slice(0, -1))
}
const rowsOf = async (dataDir: string, format: string): Promise<number> => {
  const files = `${dataDir}/exports/client/events/format=${format}/**/*.${format === 'parquet' ? 'parquet' : `${format}.gz`}`
  const read = { json: 'read_json_auto', csv: 'read_csv_auto', parquet: 'read_parquet' }[format]
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  return Number((await connection.runAndReadAll(`select count(*) from ${read}('${files}')`)).getRows()[0]?.[0])
}

t.test('a user is also their visitors, but not who else used the same device', async (t) => {
  const lab = await setUp(t)
  const { db, DATA_DIR, service, verify } = lab
  const user = 'user-to-forget'
  const raw = (userId: string | null, visitorId: string) => ({
    user_id: userId,
    visitor_id: visitorId,
    raw_event_data: JSON.stringify({
      eventType: 'x',
      visitorId,
      ...(userId && { userId }),
      mark: `${userId}-${visitorId}`,
    }),
  })
  await insertBatch(
    db,
    [raw(null, 'phone'), raw(user, 'phone'), raw('sister', 'phone'), raw(null, 'elsewhere')],
    longAgo,
  )
  await service.exporter.run()
  await markRead(db)
  await release(db)
  await insertBatch(db, [raw(null, 'phone'), raw(user, 'laptop'), raw(null, 'laptop')])
  await forget(lab, { user })
  await service.exporter.run()
  t.same(await search(DATA_DIR, user), [])
  t.same(await searchDatabase(db, user), [])
  const marks = (await linesOf(DATA_DIR)).map((line) => /"mark":"([^"]+)"/.exec(line)?.[1])
  t.same(marks.sort(), ['null-elsewhere', 'sister-phone'])
  t.match((await verify()).client.problems, [])
})

t.test('rejects and what the spool still holds are forgotten, too', async (t) => {
  const lab = await setUp(t)
  const { db, DATA_DIR, forgetting, service } = lab
  const spool = path.join(DATA_DIR, 'spool', 'host.1.abc')
  await mkdir(spool, { recursive: true })
  const segment = path.join(spool, `${String(Date.now() - 60_000).padStart(15, '0')}-000001-host.1.abc.spool`)
  await writeFile(segment, 'a record')
  const payload = (visitor: string) => JSON.stringify({ visitorId: visitor, url: 'x' })
  const reject = (visitor: string) =>
    db.execute(
      `insert into rejects (created_at, code, message, payload) values (now(), 'event_invalid', 'x', convert_to($1::text, 'UTF8'))`,
      [payload(visitor)],
    )
  await reject(gone)
  await reject('other')
  const { createRejectsDelivery } = await import('../../src/collect/deliver-rejects.ts')
  const backup = service.destinations.find((one) => one.name === 'backup')
  if (!backup) throw new Error('a backup destination')
  const stagingFolder = path.join(DATA_DIR, 'staging')
  await createRejectsDelivery({
    ...{ db, clock: systemClock, log: silentLog, nodeId: 'n1', destination: backup, stagingFolder },
  }).deliver()
  await reject(gone)

  const { erasureId } = await requestErasure(db, keyedHash, { visitor: gone }, { by: 'a test', nowMs: Date.now() })
  await forgetting.work()
  await service.exporter.run()
  t.match(await selectErasureViews(db, erasureId), [{ state: 'waiting' }], 'it waits for the spool')
  await rm(segment)
  await forgetting.work()
  await service.exporter.run()
  await finishErasure(db, erasureId, 'agents')
  t.match(await selectErasureViews(db, erasureId), [{ state: 'finished' }])
  t.same(await search(path.join(DATA_DIR, 'exports'), gone), [])
  t.same(await searchDatabase(db, gone), [])
  t.ok((await search(path.join(DATA_DIR, 'exports', 'backup', 'rejects'), 'other')).length > 0, 'others stay')
})

t.test('a process that died between a revision and its delivery makes the same files again', async (t) => {
  const lab = await setUp(t)
  const { db, DATA_DIR, service, forgetting, verify } = lab
  await insertBatch(db, [event(gone), event('other'), event('third', { created_at: '2026-11-20T18:30:00Z' })], longAgo)
  await service.exporter.run()
  await markRead(db)
  await release(db)
  const [exports, copy] = [path.join(DATA_DIR, 'exports'), path.join(DATA_DIR, 'copy')]
  await cp(exports, copy, { recursive: true })
  const { erasureId } = await requestErasure(db, keyedHash, { visitor: gone }, { by: 'a test', nowMs: Date.now() })
  await forgetting.work()
  await service.exporter.run()
  const revised = await search(exports, 'other')

  await rm(exports, { recursive: true })
  await cp(copy, exports, { recursive: true })
  await rm(copy, { recursive: true })
  await rm(path.join(DATA_DIR, 'staging'), { recursive: true, force: true })
  await db.execute(`update deliveries set state = 'pending', verified_at = null, evidence = null where revision = 1
                    and (object_id is null or object_id in (select object_id from export_objects where hour = '2026-11-20T17:00Z'))`)
  await db.execute('update erasures set export_done_at = null')
  t.ok((await search(DATA_DIR, gone)).length > 0)
  await service.exporter.run({ probe: true })
  await finishErasure(db, erasureId, 'agents')
  t.same(await search(DATA_DIR, gone), [])
  t.same(await search(exports, 'other'), revised)
  t.match(await selectErasureViews(db, erasureId), [{ state: 'finished' }])
  t.match((await verify()).client, { problems: [], erased: 1 })
})

t.test('a destination that is behind gets the chain in order, and never the person', async (t) => {
  const lab = await setUp(t)
  const { db, DATA_DIR, service, verify } = lab
  await insertBatch(db, [event(gone), event('other')])
  const client = path.join(DATA_DIR, 'exports', 'client')
  await mkdir(path.dirname(client), { recursive: true })
  // A file where the folder belongs: nothing can be written there.
  await writeFile(client, '')
  await service.exporter.run()
  await insertBatch(db, [event('other')])
  await service.exporter.run({ probe: true })
  const erasureId = await forget(lab, { visitor: gone })
  t.match(
    await selectErasureViews(db, erasureId),
    [{ state: 'delivering' }],
    'not finished while a destination has not got it',
  )
  await rm(client)
  await service.exporter.run({ probe: true })
  t.match(await selectErasureViews(db, erasureId), [{ state: 'finished' }])
  t.same(await search(DATA_DIR, gone), [])
  const { client: report, backup, parity } = await verify()
  t.match([report.problems, backup.problems, parity], [[], [], []])
  t.match(report, { manifests: 3, erased: 1 })
})
