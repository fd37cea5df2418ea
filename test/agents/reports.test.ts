import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { createDirectlyFollows } from '../../src/agents/directly-follows.ts'
import { createFacts } from '../../src/agents/make-fact.ts'
import { createPathTally, personStepsMax } from '../../src/agents/paths.ts'
import { readVaultInput } from '../../src/agents/read-vault-input.ts'
import type { CustomerProfile, DayReport, HeatmapReport, QualityVerdict } from '../../src/agents/report.ts'
import { selectReports } from '../../src/agents/report-rows.ts'
import { rfmSegmentOf, scoreRfm } from '../../src/agents/rfm.ts'
import { describeRule, holds, loadSegments, parseSegments } from '../../src/agents/segment-file.ts'
import { createAgentsService } from '../../src/agents/service.ts'
import { loadConfig } from '../../src/config.ts'
import type { Db } from '../../src/db.ts'
import { generateTraffic } from '../../src/demo/generate.ts'
import { createApp } from '../../src/http.ts'
import { createKeyedHash } from '../../src/keyed-hash.ts'
import { silentLog } from '../../src/log.ts'
import { requestErasure, selectErasureViews } from '../../src/privacy/requests.ts'
import { secret } from '../../src/secret.ts'
import { createDestinations } from '../../src/storage/destinations.ts'
import { createTestDatabase } from '../support/database.ts'
import { engineOn, type SentEvent, storeBatch, storeTraffic } from './lab.ts'

type Tap = { teardown(fn: () => unknown): void }
const database = async (t: Tap): Promise<Db> => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  return db
}
const untilMs = Date.UTC(2026, 10, 20)
const tables = [
  ...[
    'sessions',
    'visitors',
    'identities',
    'traits',
    'orders',
    'page_days',
    'site_days',
    'funnel_days',
    'reports',
    'facts',
  ],
  ...['dropoff_alerts', 'judged_days', 'agent_runs', 'outbox'],
]
/** Every row of ours with the transaction that wrote it. */
const fingerprint = async (db: Db): Promise<unknown> => {
  const found: Record<string, unknown> = {}
  for (const table of tables)
    found[table] = (
      await db.query(
        `select count(*) as rows, md5(string_agg(t.xmin::text || t.ctid::text, ' ' order by t.ctid)) as rows_md5 from ${table} t`,
      )
    )[0]
  return found
}

t.test('a run without news changes no row, nor does one of another kind', async (t) => {
  const db = await database(t)
  const traffic = generateTraffic({ events: 12_000, sites: 2, seed: 3, days: 12, untilMs, anomaly: {} })
  await storeTraffic(db, traffic.requests, untilMs)
  const engine = engineOn(db)
  const first = await engine.run({ kind: 'nightly' })
  t.ok(first.reports > 50)
  const before = await fingerprint(db)
  for (const kind of ['nightly', 'hourly', 'read'] as const)
    t.match(await engine.run({ kind }), { runId: null, events: 0, reports: 0, days: [] })
  t.same(await fingerprint(db), before)

  // Some news: other days' reports stay as they are.
  await storeBatch(db, [{ type: 'pageview', at: untilMs + 120_000, site: 'harbor-tea.example', visitor: 'late' }])
  const next = await engine.run({ kind: 'hourly' })
  t.same(next.days, [{ siteId: 'harbor-tea.example', day: '2026-11-20' }])
  t.equal(next.reports, 1)
  t.match(await engine.run({ kind: 'nightly' }), { runId: null }, 'no whole day is new: the weeks stay')
  await storeBatch(db, [
    { type: 'pageview', at: '2026-11-15T09:00:00Z', site: 'harbor-tea.example', created: untilMs + 180_000 },
  ])
  t.ok((await engine.run({ kind: 'nightly' })).reports > 5, 'a late event changes them')
})

t.test('facts are in the ledger, one id for one question, and notes can be written from what is read', async (t) => {
  const db = await database(t)
  const traffic = generateTraffic({ events: 12_000, sites: 2, seed: 4, days: 12, untilMs })
  await storeTraffic(db, traffic.requests, untilMs)
  await engineOn(db).run({ kind: 'nightly' })
  const input = await readVaultInput(db, { timeZone: 'UTC', from: '2026-11-10', to: '2026-11-19', customersMax: 10 })
  const { factsIn } = await import('../../src/agents/make-fact.ts')
  const facts = factsIn(input)
  const byId = new Map<string, string>()
  for (const fact of facts) {
    const text = JSON.stringify([fact.metric, fact.value, fact.n])
    if (byId.has(fact.id) && byId.get(fact.id) !== text)
      t.fail(`${fact.id} stands for ${byId.get(fact.id)} and ${text}`)
    byId.set(fact.id, text)
    if (fact.value !== null && !Number.isFinite(fact.value)) t.fail(`${fact.id} has no value`)
  }
  t.ok(byId.size > 1_000, `${byId.size} facts`)
  const stored = await db.query<{ fact_id: string }>('select fact_id from facts')
  const ledger = new Set(stored.map(({ fact_id }) => fact_id))
  t.same(
    [...byId.keys()].filter((id) => !ledger.has(id)),
    [],
    'each is in the ledger',
  )
  for (const one of facts)
    if (one.isPersonal !== true && 'customer' in one.dims) t.fail('a fact about one person says so')

  const [first, second] = input.days.filter(({ rawSite }) => rawSite === 'harbor-tea.example') as [DayReport, DayReport]
  t.equal(first.nextDay, second.day)
  t.equal(second.previousDay, first.day)
  t.ok(input.customers.length > 0 && input.customers.length <= 10)
  t.ok(input.funnels.every(({ flow }) => flow.edges.every(({ value }) => (value.value ?? 0) > 0)))
  for (const { paths } of input.days) {
    const step = new Map(paths.nodes.map(({ id, step: column }) => [id, column]))
    t.ok(
      paths.edges.every(({ from, to }) => (step.get(from) ?? 9) < (step.get(to) ?? 0)),
      'no circle',
    )
  }
})

t.test('the directly-follows graph of the running example of process mining', (t) => {
  // van der Aalst's running example, as pm4py ships it: 6 cases, 42 events. r register, c casually, t thoroughly,
  // k check, d decide, i reinitiate, p pay, x reject.
  const cases = ['rtkdx', 'rkcdp', 'rckditkdp', 'rckdp', 'rckdickdikcdx', 'rktdx']
  t.equal(cases.join('').length, 42)
  const graph = createDirectlyFollows()
  for (const one of cases) graph.add([...one].map((label, index) => ({ label, atMs: index * 1000 })))
  const { edges, starts, ends, variants } = graph.result(100)
  const count = (from: string, to: string) => edges.find((one) => one.from === from && one.to === to)?.count ?? 0
  t.same(starts, [{ label: 'r', count: 6 }])
  t.same(ends, [
    { label: 'p', count: 3 },
    { label: 'x', count: 3 },
  ])
  t.equal(variants.length, 6)
  t.same(
    ['kd', 'ck', 'rc', 'di', 'dp', 'dx', 'rk', 'kc', 'cd', 'tk'].map((edge) => count(edge[0] ?? '', edge[1] ?? '')),
    [6, 4, 3, 3, 3, 3, 2, 2, 2, 2],
  )
  t.ok(edges.every(({ secondsMedian }) => secondsMedian === 1))
  t.end()
})

/** A quiet site: the same visits every day at noon. */
const quietDays = (days: readonly string[], visits: number, eventsOf: (day: string, visitor: string) => SentEvent[]) =>
  days.flatMap((day) => Array.from({ length: visits }, (_, n) => eventsOf(day, `${day}-${n}`)).flat())
const fortnight = Array.from({ length: 24 }, (_, index) =>
  new Date(Date.UTC(2026, 9, 20 + index)).toISOString().slice(0, 10),
)
const qualityOn = async (db: Db, day: string): Promise<QualityVerdict> => {
  const [report] = await selectReports<DayReport>(db, { kind: 'day', sites: ['shop.example'], from: day, to: day })
  if (!report) throw new Error(`no report of ${day}`)
  return report.body.quality
}
const levelOf = (verdict: QualityVerdict, check: string) => verdict.checks.find((one) => one.check === check)?.level

t.test('lost events, a broken clock, bots, rejects and silence are seen, and red days are not judged', async (t) => {
  const db = await database(t)
  const pages = (day: string, visitor: string, rest: Partial<SentEvent> = {}): SentEvent[] =>
    [1, 2, 3, 4, 5, 6].map((seq) => ({
      ...{ type: seq === 6 ? 'search' : 'pageview', at: `${day}T12:00:0${seq}Z`, visitor },
      ...{ raw: { seq, pageId: `p${visitor}` }, data: seq === 6 ? { query: 'tea' } : {} },
      ...rest,
    }))
  const last = fortnight.at(-1) ?? ''
  await storeBatch(
    db,
    quietDays(fortnight.slice(0, -1), 6, (day, visitor) => pages(day, visitor)),
  )
  // The last day: every third event is lost, searches never come, half is bots, clocks are a day wrong.
  await storeBatch(db, [
    ...quietDays([last], 6, (day, visitor) => pages(day, visitor).filter((_, index) => index % 3 !== 2)),
    ...quietDays([last], 9, (day, visitor) => pages(day, `bot${visitor}`, { raw: { bot: true } }).slice(0, 4)),
  ])
  await db.execute(
    `insert into batch_sites (batch_id, site_id, quarter, events, rejected, duplicates)
     select max(batch_id), 'shop.example', $1::timestamptz, 0, 30, 0 from batches`,
    [`${last}T12:00:00Z`],
  )
  await storeBatch(db, [{ type: 'pageview', at: Date.parse(last) + 86_400_000 + 60_000, site: 'tick.example' }])
  await engineOn(db).run({ kind: 'hourly' })

  const fine = await qualityOn(db, fortnight.at(-2) ?? '')
  t.equal(fine.level, 'green')
  t.same(fine.vetoes, [])
  t.equal(fine.checks.find(({ check }) => check === 'loss')?.fact.value, 0)
  const broken = await qualityOn(db, last)
  t.equal(broken.level, 'red')
  t.same(broken.vetoes, ['alerts', 'judgement'])
  t.equal(levelOf(broken, 'loss'), 'red')
  t.ok(
    Math.abs((broken.checks.find(({ check }) => check === 'loss')?.fact.value ?? 0) - 1 / 5) < 0.01,
    'what is lost after the last event cannot be seen',
  )
  t.equal(levelOf(broken, 'bots'), 'amber')
  t.equal(levelOf(broken, 'rejects'), 'red')
  const [report] = await selectReports<DayReport>(db, { kind: 'day', sites: ['shop.example'], from: last, to: last })
  t.equal(report?.body.totals.sessions.value, 6, 'bots are no visits')
})

t.test('a day on which nothing came has a report that says so', async (t) => {
  const db = await database(t)
  const visit = (day: string, visitor: string): SentEvent[] =>
    Array.from({ length: 40 }, (_, n) => ({
      type: 'pageview',
      at: `${day}T12:00:${String(n).padStart(2, '0')}Z`,
      visitor,
    }))
  await storeBatch(db, quietDays(fortnight, 2, visit))
  const silent = '2026-11-13'
  await storeBatch(db, [{ type: 'pageview', at: `2026-11-14T09:00:00Z`, site: 'tick.example' }])
  await engineOn(db).run({ kind: 'hourly' })
  const verdict = await qualityOn(db, silent)
  t.equal(levelOf(verdict, 'volume'), 'red')
  t.equal(verdict.level, 'red')
})

t.test('events that a full disk took unread veto their day', async (t) => {
  const db = await database(t)
  await storeBatch(db, [
    { type: 'pageview', at: '2026-11-10T10:00:00Z' },
    { type: 'pageview', at: '2026-11-11T10:00:00Z' },
  ])
  const engine = engineOn(db)
  await engine.run({ kind: 'hourly' })
  t.equal((await qualityOn(db, '2026-11-10')).level, 'green')
  await db.execute(`insert into unread_events values ('shop.example', '2026-11-10T10:15:00Z', 12)`)
  await engine.run({ kind: 'hourly' })
  const verdict = await qualityOn(db, '2026-11-10')
  t.equal(levelOf(verdict, 'unread'), 'red')
  t.equal((await qualityOn(db, '2026-11-11')).level, 'green')
})

t.test('days are those of the time zone', async (t) => {
  const db = await database(t)
  await storeBatch(db, [
    { type: 'pageview', at: '2026-10-24T21:59:00Z', visitor: 'a' },
    { type: 'pageview', at: '2026-10-24T22:01:00Z', visitor: 'b' },
    { type: 'pageview', at: '2026-10-25T22:59:00Z', visitor: 'c' },
    { type: 'pageview', at: '2026-10-25T23:01:00Z', visitor: 'd' },
  ])
  await engineOn(db, { timeZone: 'Europe/Berlin' }).run({ kind: 'hourly' })
  const days = await selectReports<DayReport>(db, { kind: 'day' })
  t.same(
    days.map(({ body }) => [body.day, body.totals.sessions.value, body.window.from, body.window.to]),
    [
      ['2026-10-24', 1, '2026-10-23T22:00:00.000Z', '2026-10-24T22:00:00.000Z'],
      ['2026-10-25', 2, '2026-10-24T22:00:00.000Z', '2026-10-25T23:00:00.000Z'],
      ['2026-10-26', 1, '2026-10-25T23:00:00.000Z', '2026-10-26T23:00:00.000Z'],
    ],
    'the day on which clocks go back has 25 hours',
  )
})

t.test('a profile shows what was known at each visit, and what was never said', async (t) => {
  const db = await database(t)
  const identify = (day: string, traits: object): SentEvent => ({
    ...{ type: 'identify', at: `${day}T10:00:05Z`, visitor: 'v', user: 'ada', data: { traits } },
  })
  const visit = (day: string): SentEvent => ({ type: 'pageview', at: `${day}T10:00:00Z`, visitor: 'v', path: '/tea' })
  await storeBatch(db, [
    ...[visit('2026-11-01'), visit('2026-11-03'), identify('2026-11-03', { plan: 'basic', age: 41 })],
    ...[visit('2026-11-05'), identify('2026-11-07', { plan: 'gold' }), visit('2026-11-09')],
    {
      type: 'purchase',
      at: '2026-11-09T10:01:00Z',
      visitor: 'v',
      data: { transaction_id: 'A', value: 12.5, currency: 'EUR' },
    },
    { type: 'pageview', at: '2026-11-12T00:01:00Z', visitor: 'x' },
  ])
  await engineOn(db).run({ kind: 'nightly' })
  const [customer] = (await selectReports<CustomerProfile>(db, { kind: 'customer' })).map(({ body }) => body)
  t.match(customer, { rawUserId: 'ada', visitorIds: ['v'], touchpointsTotal: 5, asOf: '2026-11-12T00:00:00.000Z' })
  t.same(
    customer?.touchpoints.map(({ at, rawAttributesThen }) => [at.slice(0, 10), { ...rawAttributesThen }]),
    [
      ['2026-11-09', { age: '41', plan: 'gold' }],
      ['2026-11-07', { age: '41', plan: 'gold' }],
      ['2026-11-05', { age: '41', plan: 'basic' }],
      ['2026-11-03', { age: '41', plan: 'basic' }],
      ['2026-11-01', {}],
    ],
  )
  const attribute = (name: string) => customer?.attributes.find(({ rawName }) => rawName === name)
  t.match(attribute('plan'), { rawValue: 'gold', since: '2026-11-07T10:00:05.000Z', history: [{ rawValue: 'basic' }] })
  t.match(attribute('gender'), { rawValue: null, since: null, history: [] })
  const { figures } = customer ?? {}
  t.match(figures?.lifetimeValue, { value: 12.5, unit: 'money', currency: 'EUR', isPersonal: true })
  for (const name of ['rfmRecency', 'probabilityAlive', 'propensity'] as const) {
    t.equal(figures?.[name].value, null)
    t.type(figures?.[name].notEnoughHistory, 'string', `${name} is not invented`)
  }
})

t.test("a person's path is drawn to its end, a site's as far as it can be read", (t) => {
  const acts = Array.from({ length: 7 }, (_, n) => ({ atMs: n, type: 'pageview', text: `/${n}` }))
  const facts = createFacts({ dims: { site: 's' }, fromMs: 0, toMs: 1, query: 'select' })
  const drawn = (steps?: number) => {
    const paths = createPathTally(steps)
    paths.add({ acts })
    return paths.graph(facts)
  }
  t.same(
    drawn(personStepsMax).nodes.map(({ kind, rawLabel }) => (kind === 'page' ? rawLabel : kind)),
    ['/0', '/1', '/2', '/3', '/4', '/5', '/6', 'exit'],
  )
  t.equal(drawn().edges.length, 4)
  t.end()
})

t.test('heat maps count clicks where they were', async (t) => {
  const db = await database(t)
  const userAgent = 'Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0'
  const at = (n: number) => Date.parse('2026-11-10T10:00:00Z') + n * 1000
  await storeBatch(db, [
    ...Array.from({ length: 60 }, (_, n): SentEvent => ({ type: 'pageview', at: at(n), visitor: `v${n}`, userAgent })),
    ...Array.from(
      { length: 30 },
      (_, n): SentEvent => ({
        ...{ type: 'click', at: at(n), visitor: `v${n}`, userAgent },
        data: { tagName: 'button', id: 'buy', position: { x: 0.99, y: 0 } },
      }),
    ),
    ...Array.from(
      { length: 15 },
      (_, n): SentEvent => ({ type: 'scroll_depth', at: at(n), visitor: `v${n}`, userAgent, data: { milestone: 50 } }),
    ),
    { type: 'pageview', at: '2026-11-11T10:00:00Z' },
  ])
  await engineOn(db).run({ kind: 'nightly' })
  const [map] = (await selectReports<HeatmapReport>(db, { kind: 'heatmap' })).map(({ body }) => body)
  t.match(map, { rawPath: '/', device: 'desktop', clicks: { value: 30 }, views: { value: 60 } })
  t.equal(map?.grid.counts[19], 30, 'the top right cell of 20 columns')
  t.equal(
    map?.grid.counts.reduce((a, b) => a + b, 0),
    30,
  )
  t.match(map?.scroll.find(({ percent }) => percent === 50)?.reached, { value: 0.25, n: 60 })
  t.match(map?.elements, [{ rawElement: 'button#buy' }])
})

t.test('what is too old goes, and what it counted stays with who comes back', async (t) => {
  const db = await database(t)
  const visit = (day: string, visitor: string): SentEvent[] => [
    { type: 'pageview', at: `${day}T10:00:00Z`, visitor },
    { type: 'purchase', at: `${day}T10:01:00Z`, visitor, data: { transaction_id: `${visitor}${day}`, value: 5 } },
  ]
  const engine = engineOn(db, { keepDays: 30 })
  await storeBatch(db, [...visit('2026-09-01', 'comes back'), ...visit('2026-09-01', 'gone')])
  await engine.run({ kind: 'nightly' })
  await storeBatch(db, visit('2026-09-20', 'comes back'))
  await engine.run({ kind: 'nightly' })
  await storeBatch(db, visit('2026-10-10', 'comes back'))
  await engine.run({ kind: 'nightly' })
  t.match(
    await db.query('select visitor_key, first_seen, sessions, orders, past_sessions, past_orders from visitors'),
    [
      {
        visitor_key: 'comes back',
        first_seen: new Date('2026-09-01T10:00:00Z'),
        sessions: 2,
        orders: 2,
        past_sessions: 1,
        past_orders: 1,
      },
    ],
  )
  t.same(await db.query('select distinct day::text as day from site_days where events > 0 order by 1'), [
    { day: '2026-09-20' },
    { day: '2026-10-10' },
  ])
  await storeBatch(db, [
    { type: 'pageview', at: '2026-08-01T10:00:00Z', created: '2026-10-11T10:00:00Z', visitor: 'import' },
  ])
  await engine.run({ kind: 'nightly' })
  t.same(await db.query(`select 1 from sessions where visitor_key = 'import'`), [], 'older than what is kept')
})

t.test('texts by a model go after the same time, in each run, also while no model is asked', async (t) => {
  const db = await database(t)
  await db.execute(
    `insert into narratives (key, model, subject, body, reason, written_at)
     select repeat(n, 64), 'a model', 'day', null, 'rejected', now() - days * interval '1 day'
     from (values ('a', 29), ('b', 31)) as w(n, days)`,
  )
  await engineOn(db, { keepDays: 30 }).run({ kind: 'hourly' })
  t.same(await db.query('select left(key, 1) as key from narratives'), [{ key: 'a' }])
})

t.test('who asks to be forgotten is', async (t) => {
  const db = await database(t)
  const engine = engineOn(db)
  const visit = (visitor: string, user?: string): SentEvent[] => [
    { type: 'pageview', at: '2026-11-10T10:00:00Z', visitor },
    ...(user
      ? [{ type: 'identify', at: '2026-11-10T10:01:00Z', visitor, user, data: { traits: { plan: 'gold' } } }]
      : []),
  ]
  await storeBatch(db, [...visit('hers', 'ada'), ...visit('his', 'ben'), ...visit('stranger')])
  await storeBatch(db, [{ type: 'pageview', at: '2026-11-11T10:00:00Z', visitor: 'x' }])
  await engine.run({ kind: 'nightly' })
  t.equal((await selectReports(db, { kind: 'customer' })).length, 2)
  await db.execute(
    `insert into erasures (requested_by, kind, subject, subject_hash, spool_done_at, resolved_at, buffer_done_at)
     values ('test', 'user', '{"visitors": ["hers"], "users": ["ada"]}', gen_random_uuid(), now(), now(), now())`,
  )
  await engine.run({ kind: 'hourly' })
  const left = async (column: string, table: string) =>
    (await db.query<{ one: string }>(`select distinct ${column} as one from ${table} order by 1`)).map(({ one }) => one)
  t.same(await left('visitor_key', 'sessions'), ['his', 'stranger', 'x'])
  t.same(await left('visitor_key', 'visitors'), ['his', 'stranger', 'x'])
  t.same(await left('user_id', 'identities'), ['ben'])
  t.same(await left('user_id', 'traits'), ['ben'])
  t.same(
    (await selectReports<CustomerProfile>(db, { kind: 'customer' })).map(({ body }) => body.rawUserId),
    ['ben'],
  )
  const everything = await Promise.all(
    ['reports', 'facts', 'traits', 'dropoff_alerts'].map((table) => db.query(`select t::text as row from ${table} t`)),
  )
  t.notMatch(JSON.stringify(everything), /ada/)
  t.notMatch((await db.query('select agents_done_at from erasures'))[0], { agents_done_at: null })
})

t.test('RFM and rules of segments', (t) => {
  // R's package rfm publishes sizes of segments, for its own data and by other rules: nothing of it can be held here.
  const limits = { recency: [-90, -60, -30, -10], frequency: [1, 1, 2, 4], monetary: [10, 20, 50, 100] }
  t.same(scoreRfm(limits, { recencyDays: 3, orders: 5, revenue: 500 }), { recency: 5, frequency: 5, monetary: 5 })
  t.same(scoreRfm(limits, { recencyDays: 200, orders: 1, revenue: 5 }), { recency: 1, frequency: 1, monetary: 1 })
  t.equal(rfmSegmentOf({ recency: 5, frequency: 5, monetary: 5 }), 'champions')
  t.equal(rfmSegmentOf({ recency: 1, frequency: 5, monetary: 5 }), 'cannot_lose')
  t.equal(rfmSegmentOf({ recency: 1, frequency: 1, monetary: 1 }), 'lost')
  t.equal(rfmSegmentOf({ recency: 5, frequency: 1, monetary: 1 }), 'new_customers')

  const person: Record<string, string | number | boolean | string[]> = {
    orders: 2,
    device: 'mobile',
    site: ['a.example', 'b.example'],
  }
  const fieldOf = (field: string) => person[field]
  t.ok(
    holds(
      {
        all: [
          { field: 'orders', gte: 2 },
          { field: 'device', in: ['mobile', 'tablet'] },
        ],
      },
      fieldOf,
    ),
  )
  t.ok(holds({ field: 'site', eq: 'b.example' }, fieldOf))
  t.notOk(holds({ field: 'rfm_segment', eq: 'lost' }, fieldOf), 'what is not known does not hold')
  t.ok(holds({ field: 'rfm_segment', known: false }, fieldOf))
  t.ok(
    holds(
      {
        not: {
          any: [
            { field: 'orders', lt: 2 },
            { field: 'device', eq: 'desktop' },
          ],
        },
      },
      fieldOf,
    ),
  )
  t.equal(loadSegments('/nowhere').length, 8)
  t.equal(
    describeRule({ all: [{ field: 'orders', gte: 2 }, { not: { field: 'days_since_last_visit', gt: 30 } }] }),
    'orders at least 2 and not days since last visit above 30',
  )
  t.throws(
    () => parseSegments('version: 1\nsegments: [{id: a, name: A, rule: {field: shoe_size, eq: 4}}]', 'segments.yaml'),
    {
      code: 'setting_invalid',
    },
  )
  t.throws(() => parseSegments('version: 1\nsegments: [{id: a, name: A, rule: {field: orders}}]', 'segments.yaml'), {
    message: /comparison/,
  })
  t.end()
})

t.test('the service runs nightly and hourly when due, and its API answers in pages', async (t) => {
  const db = await database(t)
  const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  let nowMs = Date.parse('2026-11-20T10:00:00Z')
  const clock = { now: () => nowMs, sleep: async () => {} }
  const config = loadConfig({ DATA_DIR: folder }, '/nowhere/.env')
  const service = createAgentsService({
    db,
    config,
    clock,
    log: silentLog,
    adminToken: 'secret',
    destinations: createDestinations(config),
  })
  t.teardown(() => service.close())
  await storeTraffic(db, generateTraffic({ events: 3_000, sites: 1, seed: 6, days: 5, untilMs }).requests, untilMs)
  t.match(await service.runDue(), { kind: 'nightly', alertsOpened: 0 })
  t.equal(await service.runDue(), null, 'nothing is due')
  const vault = path.join(folder, 'vault')
  const today = 'daily_reports/2026-11-20 shop.example.md'
  t.ok(existsSync(path.join(vault, '_index.md')), 'the notes are written')
  t.ok(existsSync(path.join(folder, 'exports/client/vault/n1/_index.md')), 'and delivered')
  t.notOk(existsSync(path.join(vault, today)))
  const { erasureId } = await requestErasure(
    db,
    createKeyedHash(secret('x')),
    { visitor: 'v' },
    { by: 'a test', nowMs },
  )
  await db.execute('update erasures set spool_done_at = now()')
  t.equal(await service.runDue(), null, 'the buffer comes first')
  await db.execute('update erasures set buffer_done_at = now(), collect_done_at = now(), export_done_at = now()')
  t.match(await service.runDue(), { kind: 'hourly' }, 'who asked to be forgotten does not wait for the hour')
  t.match(await selectErasureViews(db, erasureId), [{ state: 'finished' }])
  t.equal(await service.runDue(), null)
  nowMs += 3_600_000
  await storeBatch(db, [{ type: 'pageview', at: nowMs }])
  t.match(await service.runDue(), { kind: 'hourly', events: 1 })
  t.ok(existsSync(path.join(vault, today)), 'the day under way has a note within the hour')
  nowMs = Date.parse('2026-11-21T00:31:00Z')
  t.match(await service.runDue(), { kind: 'nightly' })

  const app = createApp({ log: silentLog, trustProxy: false })
  t.teardown(() => app.close())
  service.routes(app)
  const get = async (url: string, token = 'secret') => {
    const answer = await app.inject({ url, headers: { authorization: `Bearer ${token}` } })
    return { status: answer.statusCode, body: JSON.parse(answer.body) as Record<string, unknown> }
  }
  t.equal((await get('/agents/status', 'wrong')).status, 401)
  t.match((await get('/agents/status')).body, { unread: { batches: 0 } })
  const seen = new Set<string>()
  let next: string | null = ''
  for (let pages = 0; next !== null && pages < 50; pages++) {
    const { body }: { body: Record<string, unknown> } = await get(
      `/agents/sessions?limit=40${next && `&after=${next}`}`,
    )
    for (const { session } of body.rows as { session: string }[]) {
      if (seen.has(session)) t.fail(`${session} came twice`)
      seen.add(session)
    }
    next = body.next as string | null
  }
  const [sessions] = await db.query<{ count: number }>('select count(*) as count from sessions')
  t.equal(seen.size, sessions?.count)
  const { body: customers } = await get('/agents/customers?limit=2')
  const [customer] = customers.rows as { key: string }[]
  t.match((await get(`/agents/customers/${customer?.key}`)).body, { key: customer?.key })
  t.equal((await get('/agents/customers/c_nobody')).status, 404)
  t.match((await get('/agents/funnels?site=harbor-tea.example')).body, { reports: [{ rawSite: 'harbor-tea.example' }] })
  t.ok(
    ((await get('/agents/journeys?site=harbor-tea.example&from=2026-11-15&to=2026-11-19')).body.cases as number) > 100,
  )
  for (const url of [
    '/agents/sessions?after=nonsense',
    `/agents/sessions?after=${Buffer.from('["2026-11-20","x"]').toString('base64url')}`,
    '/agents/journeys?site=a&from=2026-01-01&to=2026-12-31',
    '/agents/days?from=yesterday&to=today',
    '/agents/alerts?state=maybe',
  ])
    t.match(await get(url), { status: 400, body: { code: 'request_invalid' } }, url)
})

t.test('two runs at once are refused, not mixed', async (t) => {
  const db = await database(t)
  await storeBatch(db, [{ type: 'pageview', at: '2026-11-10T10:00:00Z' }])
  const [one, two] = await Promise.allSettled([
    engineOn(db).run({ kind: 'hourly' }),
    engineOn(db).run({ kind: 'hourly' }),
  ])
  const refused = [one, two].filter(({ status }) => status === 'rejected')
  t.match(refused, [{ reason: { code: 'agents_busy' } }])
  t.same(await db.query('select events from sessions'), [{ events: 1 }])
})
