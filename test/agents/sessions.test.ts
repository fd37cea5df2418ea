import t from 'tap'
import type { Db } from '../../src/db.ts'
import { generateTraffic } from '../../src/demo/generate.ts'
import { insertTraffic } from '../../src/demo/insert.ts'
import { createRandom } from '../../src/demo/random.ts'
import { createTestDatabase } from '../support/database.ts'
import { engineOn, type SentEvent, storeBatch } from './lab.ts'

const database = async (t: { teardown(fn: () => unknown): void }): Promise<Db> => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  return db
}
const day = '2026-11-10'
const at = (time: string): string => `${day}T${time}Z`
const pageview = (time: string, rest: Partial<SentEvent> = {}): SentEvent => ({
  type: 'pageview',
  at: at(time),
  ...rest,
})
const sessionsIn = (db: Db) =>
  db.query<{ visitor: string; person: string; from: string; to: string; events: number; trail: string }>(
    `select visitor_key as visitor, person_key as person, to_char(started_at, 'HH24:MI:SS') as "from",
            to_char(ended_at, 'HH24:MI:SS') as "to", events, trail from sessions order by visitor_key, started_at`,
  )
const spans = async (db: Db): Promise<string[]> =>
  (await sessionsIn(db)).map((one) => `${one.from}-${one.to} ${one.events}`)

t.test('a session ends with the last event before the pause', async (t) => {
  // Mixpanel's story with a time-out of 15 minutes: Log In, Start Game 14 minutes later, nothing for 16 minutes.
  const db = await database(t)
  const engine = engineOn(db, { sessionTimeoutMs: 15 * 60_000 })
  await storeBatch(db, [
    { type: 'log in', at: at('10:00:00') },
    { type: 'start game', at: at('10:14:00') },
    { type: 'log in', at: at('10:30:00') },
  ])
  await engine.run({ kind: 'hourly' })
  t.same(await spans(db), ['10:00:00-10:14:00 2', '10:30:00-10:30:00 1'])
})

t.test('exactly 30 minutes is still one session, a millisecond more is not', async (t) => {
  const db = await database(t)
  await storeBatch(db, [
    pageview('10:00:00', { visitor: 'a' }),
    pageview('10:30:00', { visitor: 'a' }),
    pageview('10:00:00', { visitor: 'b' }),
    pageview('10:30:00.001', { visitor: 'b' }),
  ])
  await engineOn(db).run({ kind: 'hourly' })
  t.same(
    (await sessionsIn(db)).map(({ visitor }) => visitor),
    ['a', 'b', 'b'],
  )
})

t.test('a late event extends a session, begins it earlier, or joins two', async (t) => {
  const db = await database(t)
  const engine = engineOn(db)
  const arrive = async (...events: SentEvent[]) => {
    await storeBatch(db, events)
    await engine.run({ kind: 'hourly' })
    return spans(db)
  }
  const later = { created: at('23:00:00') }
  t.same(await arrive(pageview('10:00:00', { path: '/a' }), pageview('10:50:00', { path: '/c' })), [
    '10:00:00-10:00:00 1',
    '10:50:00-10:50:00 1',
  ])
  t.same(await arrive(pageview('09:45:00', { ...later, path: '/0' })), ['09:45:00-10:00:00 2', '10:50:00-10:50:00 1'])
  t.same(await arrive(pageview('10:25:00', { ...later, path: '/b' })), ['09:45:00-10:50:00 4'])
  t.same(await arrive(pageview('11:20:00', { ...later, path: '/d' })), ['09:45:00-11:20:00 5'])
  const [session] = await sessionsIn(db)
  t.same(
    (JSON.parse(session?.trail ?? '[]') as unknown[][]).map(([, , path]) => path),
    ['/0', '/a', '/b', '/c', '/d'],
  )
  const [visitor] = await db.query('select sessions, first_seen from visitors')
  t.match(visitor, { sessions: 1, first_seen: new Date(at('09:45:00')) })
})

t.test('the channel is that of the earliest page, whenever it arrives', async (t) => {
  const db = await database(t)
  const engine = engineOn(db)
  const email = {
    raw: { attribution: { utmParams: { utm_medium: 'email', utm_source: 'news' }, referrerType: 'direct' } },
  }
  await storeBatch(db, [pageview('10:10:00')])
  await engine.run({ kind: 'hourly' })
  await storeBatch(db, [pageview('10:00:00', { ...email, created: at('12:00:00') })])
  await engine.run({ kind: 'hourly' })
  const [session] = await db.query('select channel, source, campaign, entry_path, pageviews from sessions')
  t.same(session, { channel: 'email', source: 'news', campaign: null, entry_path: '/', pageviews: 2 })
})

t.test('in whatever order and in how many runs events arrive, the sessions are the same', async (t) => {
  const some = { events: 4_000, sites: 2, seed: 77, days: 3, untilMs: Date.UTC(2026, 10, 20) }
  const stored = async (shuffled: boolean): Promise<unknown> => {
    const db = await database(t)
    const engine = engineOn(db, { stepEvents: shuffled ? 150 : 20_000 })
    await insertTraffic({ db, requests: generateTraffic(some).requests, batchEvents: 25 })
    if (shuffled) {
      // Batches are read by their number: other numbers are another order of arrival.
      const random = createRandom(5)
      const rows = await db.query<{ batch_id: number }>('select batch_id from batches')
      const ids = rows.map(({ batch_id }) => batch_id)
      const order = ids.map((id) => [id, random.next()] as const).sort(([, a], [, b]) => a - b)
      await db.execute('alter table batch_sites drop constraint batch_sites_batch_id_fkey')
      await db.execute('alter table batches alter column batch_id drop identity')
      for (const table of ['batch_sites', 'events_log', 'batches'])
        await db.execute(
          `update ${table} t set batch_id = m.later from unnest($1::bigint[], $2::bigint[]) as m(id, later)
           where t.batch_id = m.id`,
          [order.map(([id]) => id), order.map((_, index) => 1_000_000 + index)],
        )
    }
    await engine.run({ kind: 'hourly' })
    return {
      sessions: await db.query(
        `select site_id, visitor_key, person_key, started_at, ended_at, events, pageviews, engaged_ms, orders, revenue_micros,
                stage, channel, source, campaign, device, entry_path, exit_path, trail from sessions order by 1, 2, started_at`,
      ),
      visitors: await db.query('select * from visitors order by 1, 2'),
      pages: await db.query('select * from page_days order by 1, 2, 3, 4'),
      days: await db.query(
        'select site_id, day, events, pageviews, types, hours, consents from site_days order by 1, 2',
      ),
    }
  }
  t.same(await stored(true), await stored(false))
})

t.test('an order whose page is loaded again is one order', async (t) => {
  const db = await database(t)
  const engine = engineOn(db)
  const order = (time: string, id: string, value: number): SentEvent => ({
    ...{ type: 'purchase', at: at(time), data: { transaction_id: id, value, currency: 'EUR' } },
  })
  await storeBatch(db, [pageview('10:00:00'), order('10:01:00', 'A1', 20), order('10:02:00', 'A1', 20)])
  await engine.run({ kind: 'hourly' })
  await storeBatch(db, [order('15:00:00', 'A1', 20), order('15:01:00', 'A2', 5.5)])
  await engine.run({ kind: 'hourly' })
  const rows = await db.query('select orders, revenue_micros from sessions order by started_at')
  t.same(rows, [
    { orders: 1, revenue_micros: 20_000_000 },
    { orders: 1, revenue_micros: 5_500_000 },
  ])
})

t.test('who is who', async (t) => {
  const identify = (time: string, visitor: string, user: string, traits = {}): SentEvent => ({
    ...{ type: 'identify', at: at(time), visitor, user, data: { traits } },
  })
  const persons = async (db: Db) =>
    Object.fromEntries(
      (await sessionsIn(db)).map((one) => [
        `${one.visitor} ${one.from.slice(0, 2)}`,
        one.person.replace('visitor:shop.example:', ''),
      ]),
    )

  t.test('one person on two devices; what was before the first login is theirs', async (t) => {
    const db = await database(t)
    await storeBatch(db, [
      pageview('08:00:00', { visitor: 'phone' }),
      identify('09:00:00', 'phone', 'ada'),
      pageview('10:00:00', { visitor: 'desk' }),
      identify('11:00:00', 'desk', 'ada'),
      pageview('12:00:00', { visitor: 'other' }),
    ])
    await engineOn(db).run({ kind: 'hourly' })
    t.same(await persons(db), {
      ...{
        'phone 08': 'user:ada',
        'phone 09': 'user:ada',
        'desk 10': 'user:ada',
        'desk 11': 'user:ada',
        'other 12': 'other',
      },
    })
  })

  t.test('two users of one device never become one: it is divided at each login', async (t) => {
    const db = await database(t)
    const engine = engineOn(db)
    await storeBatch(db, [
      pageview('07:00:00', { visitor: 'shared' }),
      identify('08:00:00', 'shared', 'ada'),
      pageview('09:00:00', { visitor: 'shared' }),
      identify('10:00:00', 'shared', 'ben'),
      pageview('11:00:00', { visitor: 'shared' }),
    ])
    await engine.run({ kind: 'hourly' })
    await storeBatch(db, [identify('12:00:00', 'shared', 'ada')])
    await engine.run({ kind: 'hourly' })
    t.same(await persons(db), {
      ...{ 'shared 07': 'user:ada', 'shared 08': 'user:ada', 'shared 09': 'user:ada', 'shared 10': 'user:ben' },
      ...{ 'shared 11': 'user:ben', 'shared 12': 'user:ada' },
    })
  })

  t.test('a user id alone links nobody, and ids that everybody has are none', async (t) => {
    const db = await database(t)
    await storeBatch(db, [
      pageview('08:00:00', { visitor: 'a', user: 'ada' }),
      identify('09:00:00', 'b', 'undefined'),
      identify('10:00:00', 'c', 'anonymous'),
      identify('11:00:00', 'd', '0'),
    ])
    await engineOn(db).run({ kind: 'hourly' })
    t.same(Object.values(await persons(db)), ['a', 'b', 'c', 'd'])
    t.same(await db.query('select * from identities'), [])
  })

  t.test('an account that everybody uses stops gathering devices, and a kiosk gives its past to nobody', async (t) => {
    const db = await database(t)
    await storeBatch(
      db,
      Array.from({ length: 50 }, (_, n) => identify(`08:00:${String(n).padStart(2, '0')}`, `v${n}`, 'shop')),
    )
    const engine = engineOn(db)
    await engine.run({ kind: 'hourly' })
    await storeBatch(db, [
      ...Array.from({ length: 10 }, (_, n) => identify(`09:00:0${n}`, `w${n}`, 'shop')),
      pageview('10:00:00', { visitor: 'kiosk' }),
      ...Array.from({ length: 6 }, (_, n) => identify(`${11 + n}:00:00`, 'kiosk', `guest${n}x`)),
    ])
    await engine.run({ kind: 'hourly' })
    const [shop] = await db.query(`select count(*) as visitors from identities where user_id = 'shop'`)
    t.same(shop, { visitors: 50 })
    t.match(await persons(db), {
      'kiosk 10': 'kiosk',
      'kiosk 11': 'user:guest0x',
      'kiosk 16': 'user:guest5x',
      'w3 09': 'w3',
    })
  })

  t.test('what a user says is kept with its time, where it changes', async (t) => {
    const db = await database(t)
    await storeBatch(db, [
      identify('08:00:00', 'a', 'ada', { plan: 'basic', age: 33, nested: { a: 1 }, 'a b': 'y' }),
      identify('09:00:00', 'a', 'ada', { plan: 'basic' }),
    ])
    const engine = engineOn(db)
    await engine.run({ kind: 'hourly' })
    await storeBatch(db, [identify('10:00:00', 'a', 'ada', { plan: 'gold' })])
    await engine.run({ kind: 'hourly' })
    const plans = await db.query(
      `select to_char(at, 'HH24:MI') as at, value from traits where name = 'plan' order by traits.at`,
    )
    t.same(
      plans.filter((one, index) => one.value !== plans[index - 1]?.value),
      [
        { at: '08:00', value: 'basic' },
        { at: '10:00', value: 'gold' },
      ],
    )
    t.same(await db.query(`select value from traits where name = 'age'`), [{ value: '33' }])
    t.same(await db.query(`select value from traits where name = 'nested'`), [])
  })
})

t.test('ids of any length and of any kind are told apart, and none passes for somebody else', async (t) => {
  const db = await database(t)
  const wide = (end: string) => `${'\ud83d\udc8e'.repeat(250)}${end}`
  await storeBatch(db, [
    pageview('08:00:00', { visitor: wide('a'), site: wide('s') }),
    { type: 'identify', at: at('08:00:01'), visitor: wide('a'), site: wide('s'), user: wide('u') },
    pageview('08:00:02', { visitor: wide('b'), site: wide('s') }),
    { type: 'purchase', at: at('08:00:03'), visitor: wide('b'), site: wide('s'), data: { transaction_id: wide('o') } },
    { type: 'identify', at: at('08:00:00'), visitor: 'hers', user: 'ada' },
    pageview('08:00:00', { visitor: 'user:ada' }),
    pageview('08:00:00', { visitor: 'session:s1' }),
    pageview('08:00:00', { visitor: null, session: 's1' }),
    { type: 'purchase', at: at('08:00:00'), visitor: null, user: 'ada' },
  ])
  await engineOn(db).run({ kind: 'nightly' })
  const persons = (await sessionsIn(db)).map(({ person }) => person)
  t.equal(persons.length, 7)
  t.equal(persons.filter((one) => one === 'user:ada').length, 2, 'her device, and the order that a server sent for her')
  t.equal(new Set(persons).size, 6)
})

t.test('hostile events are kept small, and harm nobody', async (t) => {
  const db = await database(t)
  const long = `/${'x'.repeat(9_000)}`
  await storeBatch(db, [
    pageview('08:00:00', {
      path: `/a\t'"\\[[x]]\n${'\ud83d\ude00'.repeat(300)}`,
      raw: { attribution: { utmParams: 'none', referrer: 7 } },
    }),
    pageview('08:00:01', { path: long, raw: { browser: [1], page: null, seq: 'x', pageId: { a: 1 } } }),
    { type: 'click', at: at('08:00:02'), data: { position: { x: 'NaN', y: 5 }, tagName: 9, classes: {}, id: long } },
    { type: 'purchase', at: at('08:00:03'), data: { value: -5, transaction_id: {}, currency: '<b>' } },
    { type: 'purchase', at: at('08:00:04'), data: { value: 1e300, order_id: 'x' } },
    { type: 'engagement', at: at('08:00:05'), data: { engagedMs: -1 } },
    {
      type: 'identify',
      at: at('08:00:06'),
      user: 'ada',
      data: { traits: JSON.parse('{"__proto__":"x","a":[1],"b":null}') },
    },
    { type: 'constructor', at: at('08:00:07'), data: { __proto__: null } },
    { type: 'web_vital', at: at('08:00:08'), data: { name: 'LCP', value: '9'.repeat(50) } },
    pageview('08:00:09', { visitor: null }),
    { type: 'pageview', at: '2031-01-01T00:00:00Z', created: at('08:00:10') },
    { type: 'pageview', at: '1971-01-01T00:00:00Z', created: at('08:00:11') },
  ])
  const report = await engineOn(db).run({ kind: 'nightly' })
  t.equal(report.events, 12)
  const [session] = await db.query<{ entry_path: string; revenue_micros: number; trail: string }>(
    'select entry_path, revenue_micros, trail from sessions',
  )
  t.equal(session?.revenue_micros, 0)
  t.ok((session?.entry_path.length ?? 999) <= 301)
  t.ok((session?.trail.length ?? 9_999) < 3_000)
  t.same(
    await db.query('select distinct day::text as day from site_days'),
    [{ day }],
    'a wrong clock makes no day of its own',
  )
  t.equal((await db.query('select 1 from visitors')).length, 1)
})
