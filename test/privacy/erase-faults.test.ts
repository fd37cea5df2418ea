import { mkdir, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { reconcile } from '../../src/billing/reconcile.ts'
import { systemClock } from '../../src/clock.ts'
import { createRejectsDelivery } from '../../src/collect/deliver-rejects.ts'
import { createForgetting } from '../../src/collect/forget.ts'
import { finishErasure } from '../../src/erasures.ts'
import type { EncodeContext } from '../../src/export/encode-context.ts'
import { applyErasures } from '../../src/export/erase.ts'
import { openReplay } from '../../src/export/replay.ts'
import { silentLog } from '../../src/log.ts'
import { removeLeftAccess } from '../../src/privacy/access.ts'
import { personOf, requestErasure, selectErasureViews } from '../../src/privacy/requests.ts'
import type { Destination } from '../../src/storage/destination.ts'
import { insertBatch, longAgo, markRead } from '../support/batches.ts'
import { event, forget, gone, keyedHash, type Lab, release, search, searchDatabase, setUp } from './lab.ts'

const ask = ({ db }: Lab, visitor = gone) =>
  requestErasure(db, keyedHash, { visitor }, { by: 'a test', nowMs: Date.now() })
const backupOf = ({ service }: Lab): Destination => {
  const backup = service.destinations.find((one) => one.name === 'backup')
  if (!backup) throw new Error('a backup destination')
  return backup
}
const unreadable = (lab: Lab) => {
  for (const destination of lab.service.destinations)
    destination.read = async () => {
      throw new Error('the file cannot be read')
    }
}

t.test('rows of a part that waits for its revision stay in the buffer', async (t) => {
  const lab = await setUp(t)
  const { db, DATA_DIR, service, forgetting, verify } = lab
  await insertBatch(db, [event(gone), event('other')], longAgo)
  await service.exporter.run()
  await markRead(db)
  const { erasureId } = await ask(lab)
  await forgetting.work()
  // The exporter stops after the rows were deleted, before the part is encoded again.
  let looks = 0
  const stopped = {
    get aborted() {
      return looks++ > 0
    },
  } as AbortSignal
  const session = await db.session()
  await applyErasures({ db, clock: systemClock, log: silentLog, encode: {} as EncodeContext, stopped }, session)
  session.release()
  t.match(await db.query('select revision, revision_wanted from export_parts'), [{ revision: 0, revision_wanted: 1 }])
  t.match(await release(db), { parts: 0, chunks: 0 })
  await service.exporter.run()
  await forgetting.work()
  await finishErasure(db, erasureId, 'agents')
  t.match(await selectErasureViews(db, erasureId), [{ state: 'finished' }])
  t.same(await search(DATA_DIR, gone), [])
  t.match((await verify()).client, { problems: [], events: 2, erased: 1 })
  t.match(await release(db), { parts: 1 }, 'and leave when it is made')
})

t.test('an erasure that cannot read a delivered file waits, and new events are exported all the same', async (t) => {
  const lab = await setUp(t)
  const { db, DATA_DIR, service, forgetting } = lab
  await insertBatch(db, [event(gone), event('other')], longAgo)
  await service.exporter.run()
  await markRead(db)
  await release(db)
  const reads = service.destinations.map((one) => one.read)
  unreadable(lab)
  const { erasureId } = await ask(lab)
  await forgetting.work()
  await insertBatch(db, [event('new')])
  t.match(await service.exporter.run(), { parts: 1, events: 1, held: null })
  t.match(await selectErasureViews(db, erasureId), [{ state: 'delivering' }])
  service.destinations.forEach((one, i) => {
    if (reads[i]) one.read = reads[i]
  })
  await service.exporter.run()
  await forgetting.work()
  await finishErasure(db, erasureId, 'agents')
  t.match(await selectErasureViews(db, erasureId), [{ state: 'finished' }])
  t.same(await search(DATA_DIR, gone), [])
})

t.test('a destination that is added after an erasure gets the whole chain', async (t) => {
  const lab = await setUp(t)
  const { db, DATA_DIR, service, verify } = lab
  await insertBatch(db, [event(gone), event('other')])
  await service.exporter.run()
  await insertBatch(db, [event('other')])
  await service.exporter.run()
  await forget(lab, { visitor: gone })
  // Another bucket in the place of the client's.
  await rm(path.join(DATA_DIR, 'exports', 'client'), { recursive: true })
  await db.execute(`update deliveries set identity = 'folder:elsewhere' where destination = 'client'`)
  await openReplay(db, { from: '2026-01-01', to: '2027-01-01', destination: 'client' })
  await service.exporter.run({ probe: true })
  const { client, backup, parity } = await verify()
  t.match([client.problems, backup.problems, parity], [[], [], []])
  t.match(client, { manifests: 3, events: 3, erased: 1 })
  t.same(await search(DATA_DIR, gone), [])
})

t.test(
  'what is received, delivered and metered still agrees after erasures, from the buffer and from files',
  async (t) => {
    const lab = await setUp(t)
    const { db, service } = lab
    const proof = () =>
      reconcile(
        {
          ...{ db, clock: systemClock, destinations: service.destinations, timeZone: 'UTC' },
          ...{ clientId: 'local', nodeId: 'n1' },
        },
        '2026-11',
      )
    await insertBatch(db, [event(gone), event('other'), event(gone, { site_id: null, event_type: 'click' })], longAgo)
    await service.exporter.run()
    await markRead(db)
    await release(db)
    await insertBatch(db, [event(gone), event('other', { created_at: '2026-11-20T18:31:00Z' })])
    await service.exporter.run()
    await insertBatch(db, [event(gone), event('other')])
    const agreed = { received: { events: 7, pageviews: 6 }, differences: [] }
    t.match(await proof(), { ...agreed, pending: [/2 events are in no part yet/] })
    await forget(lab, { visitor: gone })
    const whole = { delivered: { client: { events: 7, pageviews: 6 }, backup: { events: 7, pageviews: 6 } } }
    t.match(await proof(), { ...agreed, ...whole, pending: [] })
    await markRead(db)
    await release(db)
    t.match(await proof(), { ...agreed, ...whole, pending: [] }, 'and when the rows have gone')
  },
)

t.test('a reject that is on its way to the backup is found there', async (t) => {
  const lab = await setUp(t)
  const { db, DATA_DIR, forgetting, service } = lab
  await db.execute(
    `insert into rejects (created_at, code, message, payload) values (now(), 'event_invalid', 'x', convert_to($1::text, 'UTF8'))`,
    [JSON.stringify({ visitorId: gone, url: 'x' })],
  )
  const backup = backupOf(lab)
  let forgotten: Promise<void> = Promise.resolve()
  const slow: Destination = {
    ...backup,
    async create(key, file) {
      forgotten = forgetting.work()
      // The erasure comes while the file is on its way, and has all the time that it wants.
      await Promise.race([forgotten, systemClock.sleep(500)])
      return backup.create(key, file)
    },
  }
  const { erasureId } = await ask(lab)
  await service.exporter.run()
  const delivery = createRejectsDelivery({
    ...{ db, clock: systemClock, log: silentLog, nodeId: 'n1', destination: slow },
    stagingFolder: path.join(DATA_DIR, 'staging'),
  })
  await delivery.deliver()
  await forgotten
  await forgetting.work()
  await service.exporter.run()
  await finishErasure(db, erasureId, 'agents')
  t.match(await selectErasureViews(db, erasureId), [{ state: 'finished' }])
  t.same(await search(DATA_DIR, gone), [])
  t.same(await searchDatabase(db, gone), [])
})

t.test('an id that no database can hold is looked for as it was stored', (t) => {
  t.equal(personOf(keyedHash, { visitor: 'a\0b\ud800😀' }).visitors[0], 'a\ufffdb\ufffd😀')
  t.end()
})

t.test('a person whose id is a number is found in rejects', async (t) => {
  const lab = await setUp(t)
  const { db } = lab
  for (const visitorId of [4711, 47110])
    await db.execute(
      `insert into rejects (created_at, code, message, payload) values (now(), 'event_invalid', 'x', convert_to($1::text, 'UTF8'))`,
      [JSON.stringify({ visitorId, url: { of: 'x' } })],
    )
  await forget(lab, { visitor: '4711' })
  const left = await db.query<{ payload: string }>(`select convert_from(payload, 'UTF8') as payload from rejects`)
  t.same(left, [{ payload: '{"visitorId":47110,"url":{"of":"x"}}' }])
})

t.test('an erasure waits for a spooled record that came before its segment was begun', async (t) => {
  const lab = await setUp(t)
  const { db, DATA_DIR } = lab
  const folder = path.join(DATA_DIR, 'spool', 'host.1.abc')
  await mkdir(folder, { recursive: true })
  const nowMs = Date.now()
  // The segment is named by its first record; a slow request that came five seconds before may stand behind it.
  const segment = path.join(folder, `${String(nowMs - 60_000).padStart(15, '0')}-000001-host.1.abc.spool`)
  await writeFile(segment, 'a record')
  const { erasureId } = await requestErasure(db, keyedHash, { visitor: gone }, { by: 'a test', nowMs: nowMs - 63_000 })
  const forgetting = createForgetting({
    ...{ db, clock: systemClock, log: silentLog, nodeId: 'n1', backup: undefined },
    ...{ spoolRoot: path.join(DATA_DIR, 'spool'), stagingFolder: path.join(DATA_DIR, 'staging') },
  })
  await forgetting.work()
  t.match(await selectErasureViews(db, erasureId), [{ state: 'waiting' }])
  await rm(segment)
  await forgetting.work()
  t.match(await selectErasureViews(db, erasureId), [{ state: 'erasing' }])
})

t.test('files that a killed process left behind are removed when work begins', async (t) => {
  const lab = await setUp(t)
  const { DATA_DIR, db } = lab
  const staging = path.join(DATA_DIR, 'staging')
  await mkdir(staging, { recursive: true })
  for (const name of ['rejects-e-1-2.json.gz', 'forget-e-1-2.json.gz']) await writeFile(path.join(staging, name), gone)
  const access = path.join(DATA_DIR, 'scratch', 'access-999999999-abcdef')
  await mkdir(access, { recursive: true })
  await writeFile(path.join(access, 'part.json'), gone)
  await utimes(access, 0, 0)
  await removeLeftAccess(path.join(DATA_DIR, 'scratch'), Date.now())
  const delivery = createRejectsDelivery({
    ...{ db, clock: systemClock, log: silentLog, nodeId: 'n1', destination: backupOf(lab), stagingFolder: staging },
  })
  for (const one of [delivery, lab.forgetting]) {
    one.start()
    await one.close()
  }
  t.same(await readdir(staging), [])
  t.same(await readdir(path.join(DATA_DIR, 'scratch')), [])
})
