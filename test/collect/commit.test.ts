import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { systemClock } from '../../src/clock.ts'
import { beat, segmentFileName } from '../../src/collect/spool-folders.ts'
import { createStore } from '../../src/collect/store.ts'
import { silentLog } from '../../src/log.ts'
import { createTestDatabase } from '../support/database.ts'
import { createServer, eventsOf, post } from './server.ts'
import { until } from './until.ts'

const database = await createTestDatabase()
const { db } = database
t.teardown(() => database.close())

/** Rows of the type `held` wait, in the middle of their COPY, for whoever holds this lock; `poison` is refused as data. */
const gate = 4242
await db.execute(`
  create function test_gate() returns trigger language plpgsql as $$
  begin
    if new.event_type = 'held' then perform pg_advisory_xact_lock_shared(${gate}); end if;
    if new.event_type = 'poison' then raise exception 'poison' using errcode = '22P02'; end if;
    return new;
  end $$`)
await db.execute('create trigger test_gate before insert on events_log for each row execute function test_gate()')

const holdGate = async () => {
  const session = await db.session()
  await session.query(`select pg_advisory_lock(${gate})`)
  return async () => {
    await session.query(`select pg_advisory_unlock(${gate})`)
    session.release()
  }
}
const waitingCopies = () =>
  db.query<{ pid: number }>(
    `select pid from pg_stat_activity where query like 'copy events_log%' and wait_event = 'advisory' and state = 'active'`,
  )

t.test('a refused row is found among 200 requests and 2,000 events; every neighbour is stored', async (t) => {
  const server = await createServer(db)
  t.teardown(() => server.close())
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, r) =>
      post(server, {
        ...{ eventType: 'batch', batchId: `r${r}`, siteId: 'bisect.example' },
        events: Array.from({ length: 10 }, (_, e) => ({
          eventType: r % 50 === 7 && e % 4 === 3 ? 'poison' : 'sound',
          r,
          e,
        })),
      }),
    ),
  )
  const poisoned = answers.filter((answer) => (answer.body.rejected as unknown[]).length > 0)
  t.equal(poisoned.length, 4)
  for (const answer of poisoned)
    t.match(answer.body, {
      ...{ status: 'success', events_processed: 8, duplicate: false },
      rejected: [
        { index: 3, code: 'row_refused' },
        { index: 7, code: 'row_refused' },
      ],
    })
  t.equal((await eventsOf(db, 'sound')).length, 2000 - 8)
  const kept = await db.query<{ site_id: string; payload: Buffer }>('select site_id, payload from rejects')
  t.equal(kept.length, 8)
  t.match(JSON.parse(kept[0]?.payload.toString() ?? ''), { eventType: 'poison', r: 7, e: 3 })
  const [sites] = await db.query(
    `select sum(events)::int as events, sum(rejected)::int as rejected from batch_sites where site_id = 'bisect.example'`,
  )
  t.same(sites, { events: 1992, rejected: 8 })
  const again = await post(server, {
    ...{ eventType: 'batch', batchId: 'r7', siteId: 'bisect.example' },
    events: Array.from({ length: 10 }, (_, e) => ({ eventType: e % 4 === 3 ? 'poison' : 'sound', r: 7, e })),
  })
  t.match(again.body, { duplicate: true }, 'its receipt was claimed with it')
})

t.test('a single event that the database refuses is 400 row_refused', async (t) => {
  const server = await createServer(db)
  t.teardown(() => server.close())
  t.match(await post(server, { eventType: 'poison' }), { status: 400, body: { code: 'row_refused' } })
})

t.test('while a group is being committed, new requests gather into one', async (t) => {
  const server = await createServer(db)
  t.teardown(() => server.close())
  const openGate = await holdGate()
  const first = post(server, { eventType: 'held' })
  await until('the first COPY to be held', async () => (await waitingCopies()).length === 1)
  const others = Array.from({ length: 300 }, () => post(server, { eventType: 'gathered' }))
  await until('the others to be queued', () => server.collector.health().queue.requests === 300)
  await openGate()
  await Promise.all([first, ...others])
  const batches = await db.query(`select distinct batch_id from events_log where event_type = 'gathered'`)
  t.equal(batches.length, 1)
})

t.test('when the queue is full, senders are told at once, nothing accepted is lost, and it recovers', async (t) => {
  const server = await createServer(db, { commitMsMax: 60_000 })
  t.teardown(() => server.close())
  const openGate = await holdGate()
  const first = post(server, { eventType: 'held', of: 'crowd' })
  await until('the first COPY to be held', async () => (await waitingCopies()).length === 1)
  const pad = 'x'.repeat(25_000)
  const large = { events: Array.from({ length: 40 }, () => ({ eventType: 'crowd', pad })) }
  const taken: ReturnType<typeof post>[] = []
  let refused: Awaited<ReturnType<typeof post>> | undefined
  while (!refused && taken.length < 200) {
    const answer = post(server, large)
    const queued = () => server.collector.health().queue.requests > taken.length
    refused = await Promise.race([answer, until('it to be queued', queued).then(() => undefined)])
    if (!refused) taken.push(answer)
  }
  t.match(refused, { status: 503, body: { code: 'buffer_full' }, headers: { 'retry-after': /^\d+$/ } })
  t.ok(taken.length > 20 && taken.length < 100, `${taken.length} requests of 1 MB were taken`)
  await openGate()
  for (const answer of [first, ...taken]) t.equal((await answer).status, 200)
  t.equal((await eventsOf(db, 'crowd')).length, taken.length * 40)
  t.equal(server.collector.health().queue.bytes, 0)
  t.equal((await post(server, large)).status, 200)
})

t.test(
  'two collectors that commit out of order lose nothing: the later batch is visible first, both stay',
  async (t) => {
    const [slow, quick] = [await createServer(db), await createServer(db)]
    t.teardown(() => Promise.all([slow.close(), quick.close()]))
    const openGate = await holdGate()
    const held = post(slow, { eventType: 'held', of: 'slow' })
    await until('the slow COPY to be held', async () => (await waitingCopies()).length === 1)
    t.equal((await post(quick, { eventType: 'overtaker' })).status, 200)
    const visible = await db.query<{ batch_id: number }>('select max(batch_id) as batch_id from batches')
    await openGate()
    t.equal((await held).status, 200)
    const late = await db.query(
      `select batch_id from batches join events_log using (batch_id) where batch_id < $1::bigint and part_id is null
     and raw_event_data ->> 'of' = 'slow'`,
      [visible[0]?.batch_id],
    )
    t.equal(late.length, 1, 'the batch with the lower id appeared after the higher one')
  },
)

t.test('two groups with the same keys in opposite order both end, and each event is stored once', async (t) => {
  const [one, two] = [await createServer(db), await createServer(db)]
  t.teardown(() => Promise.all([one.close(), two.close()]))
  const event = (n: number) => ({ eventType: 'crossed', batchId: `c${n}`, visitorId: 'v' })
  const numbers = Array.from({ length: 100 }, (_, n) => n)
  const answers = await Promise.all([
    ...numbers.map((n) => post(one, event(n))),
    ...numbers.toReversed().map((n) => post(two, event(n))),
  ])
  t.ok(answers.every((answer) => answer.status === 200))
  t.equal(answers.filter((answer) => answer.body.duplicate).length, 100)
  t.equal((await eventsOf(db, 'crossed')).length, 100)
})

t.test('a connection that is killed during COPY leaves no half batch, and its events are stored once', async (t) => {
  const server = await createServer(db)
  t.teardown(() => server.close())
  const openGate = await holdGate()
  const answer = post(server, {
    events: [{ eventType: 'severed' }, { eventType: 'held', of: 'severed' }, { eventType: 'severed' }],
  })
  const [copy] = await until('the COPY to be held', async () => {
    const copies = await waitingCopies()
    return copies.length === 1 && copies
  })
  await db.query('select pg_terminate_backend($1::int)', [copy?.pid])
  t.match(await answer, { status: 200, body: { events_processed: 3 } }, 'answered from the spool')
  t.equal((await eventsOf(db, 'severed')).length, 0)
  await openGate()
  await until('the spool to be empty', () => server.collector.health().status === 'healthy')
  const rows = await db.query(`select batch_id, n, spooled from events_log join batches using (batch_id)
    where event_type = 'severed' order by n`)
  t.match(rows, [
    { n: 0, spooled: true },
    { n: 2, spooled: true },
  ])
})

t.test('a group that is replayed with its key is stored once', async (t) => {
  const store = createStore({ db, log: silentLog, clock: systemClock })
  const line = (type: string) =>
    `00000000-0000-4000-8000-000000000000\t${type}\t\\N\t\\N\t\\N\t\\N\t2026-01-01T00:00:00Z\t\\N\t\\N\t\\N\t\\N\t{}\t2026-01-01T00:00:00Z`
  const group = {
    commitKey: '6e9a0df0-0000-4000-8000-000000000001',
    submissions: ['replayed', 'poison', 'replayed'].map((type, index) => ({
      ...{ createdMs: Date.now(), bytes: 10 },
      units: [{ rows: [{ index, siteId: '', pageview: false, bytes: 2, line: line(type) }], rejects: [] }],
    })),
  }
  await Promise.all([1, 2, 3].map(() => store.store(group, { spooled: true })))
  await store.store(group, { spooled: true })
  t.equal((await eventsOf(db, 'replayed')).length, 2, 'also when it had to be halved')
})

t.test('what was accepted is finished when the collector closes; what comes later is refused', async (t) => {
  const server = await createServer(db)
  const openGate = await holdGate()
  const held = post(server, { eventType: 'held', of: 'closing' })
  await until('the COPY to be held', async () => (await waitingCopies()).length === 1)
  const closed = server.collector.close()
  t.match(await post(server, { eventType: 'late' }), { status: 503, body: { code: 'shutting_down' } })
  t.equal((await server.app.inject({ url: '/health' })).statusCode, 503)
  await openGate()
  t.equal((await held).status, 200)
  await closed
  await server.app.close()
})

t.test('expired receipts are trimmed', async (t) => {
  await db.execute(
    `insert into receipts select gen_random_uuid(), gen_random_uuid(), now() - interval '1 s' from generate_series(1, 12000)`,
  )
  const server = await createServer(db)
  t.teardown(() => server.close())
  await until('the trim', async () => {
    const [row] = await db.query<{ n: number }>('select count(*) as n from receipts where expires_at < now()')
    return row?.n === 0
  })
  t.pass()
})

t.test('a receipt outlives every spooled record that may need it', async (t) => {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'evothesis-receipts-'))
  t.teardown(() => rm(dataDir, { recursive: true }))
  const spooledMs = Date.parse('2020-01-01T00:00:00Z')
  const neighbour = path.join(dataDir, 'spool', 'other-host.7.abcdef01')
  await beat(neighbour, Date.now())
  await writeFile(path.join(neighbour, segmentFileName(spooledMs, 0, 'x')), 'a record that waits')
  const insert = (expiresAt: string, count: number) =>
    db.execute(
      `insert into receipts select gen_random_uuid(), gen_random_uuid(), $1::timestamptz from generate_series(1, $2::int)`,
      [expiresAt, count],
    )
  await insert('2019-12-31T23:59:59Z', 6_000)
  await insert('2020-01-01T00:00:01Z', 10)
  const server = await createServer(db, { env: { DATA_DIR: dataDir } })
  t.teardown(() => server.close())
  const older = async () =>
    (await db.query<{ n: number }>(`select count(*) as n from receipts where expires_at < '2020-01-01'`))[0]?.n === 0
  await until('those older than the record to be trimmed', older)
  const kept = await db.query(`select count(*) as n from receipts where expires_at < '2020-01-02'`)
  t.same(kept, [{ n: 10 }])
})
