import { createHash } from 'node:crypto'
import { readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { parse } from 'csv-parse/sync'
import t from 'tap'
import { decideDomain } from '../../src/billing/domains.ts'
import { createApp } from '../../src/http.ts'
import { silentLog } from '../../src/log.ts'
import { approve, type BillingLab, createBillingLab } from './lab.ts'

const dayMs = 24 * 3600_000
const october = '2026-10-15T12:00:00.000000Z'
const outbox = async ({ db }: BillingLab, type: string) =>
  (
    await db.query<{ body: string }>('select body from outbox where type = $1::text order by occurred_at, body', [type])
  ).map((row) => (JSON.parse(row.body) as { data: Record<string, unknown> }).data)
const published = (lab: BillingLab) => path.join(lab.backupFolder, 'billing', lab.config.NODE_ID, 'statements')

t.test('a month closes after its grace with what was delivered of approved domains', async (t) => {
  const lab = await createBillingLab(t, { BILLING_PLAN: 'small', BILLING_TIMEZONE: 'Europe/Berlin' })
  await approve(lab, 'example.com')
  await lab.visit('shop.example.com', october, 30)
  await lab.visit('blog.example.com', october, 5, { event_type: 'click' })
  await lab.visit('other.net', october, 7)
  await lab.visit('localhost', october, 11)
  // In Berlin this is November, and that is October.
  await lab.visit('shop.example.com', '2026-10-31T23:00:00.000000Z', 100)
  await lab.visit('shop.example.com', '2026-10-31T22:59:59.999999Z', 3)
  await lab.visit('shop.example.com', '2026-09-30T22:00:00.000000Z', 2)
  lab.clock.set(Date.parse('2026-11-03T22:59:59Z'))
  await lab.round()
  t.strictSame(await lab.statements(), [], 'not before the grace is over')
  lab.clock.set(Date.parse('2026-11-03T23:00:00Z'))
  await lab.billing.runOnce()
  const [statement, ...others] = await lab.statements()
  t.strictSame(others, [])
  t.match(statement, {
    ...{ month: '2026-10', revision: 1, timezone: 'Europe/Berlin', client_id: 'acme', pending_events: 0, delta: null },
    ...{ starts_at: '2026-09-30T22:00:00.000Z', ends_at: '2026-10-31T23:00:00.000Z' },
    billable: { events: 40, pageviews: 35, domains: 1 },
    collected: { events: 58, pageviews: 53 },
    domains: [{ domain: 'example.com', events: 40, pageviews: 35 }],
    sites: [
      { site: 'blog.example.com', events: 5, pageviews: 0 },
      { site: 'shop.example.com', events: 35, pageviews: 35 },
    ],
    ...{ total_usd: '199.00', total_micros: '199000000', advice: null },
  })
  t.match(await outbox(lab, 'period.closed'), [{ month: '2026-10', revision: 1, total_micros: '199000000' }])
  await lab.billing.runOnce()
  t.equal((await lab.statements()).length, 1, 'a closed month is not closed again')
  t.strictSame((await readdir(published(lab))).sort(), ['2026-10.r1.csv', '2026-10.r1.json'])
})

t.test(
  'what was not approved when a month closed stays free, and late usage comes on a revision, charged once',
  async (t) => {
    const lab = await createBillingLab(t)
    await approve(lab, 'example.com')
    await lab.visit('example.com', october, 1000)
    await lab.visit('late.org', october, 500)
    await lab.round()
    const closed = await readFile(path.join(published(lab), '2026-10.r1.json'), 'utf8')
    t.match(await lab.statements(), [{ month: '2026-10', total_usd: '0.01' }])
    await decideDomain(lab.db, { domain: 'late.org', state: 'approved', by: 'test', nowMs: lab.clock.now() })

    // Spooled before the close, stored after it.
    await lab.visit('example.com', october, 250)
    await lab.visit('late.org', october, 50)
    await lab.round()
    t.match((await lab.statements())[1], {
      ...{ month: '2026-10', revision: 2, total_usd: '0.0125', supersedes_sha256: /^[0-9a-f]{64}$/ },
      billable: { events: 1250, domains: 1 },
      delta: { events: 250, pageviews: 250, amount_micros: '2500' },
    })
    t.match(await outbox(lab, 'period.adjusted'), [{ month: '2026-10', revision: 2, delta: { amount_micros: '2500' } }])
    t.equal(await readFile(path.join(published(lab), '2026-10.r1.json'), 'utf8'), closed, 'the closed one is as it was')

    await lab.visit('example.com', '2026-11-10T00:00:00.000000Z', 100)
    lab.clock.set(Date.parse('2026-12-10T00:00:00Z'))
    await lab.round()
    await lab.visit('example.com', '2026-12-10T00:00:00.000000Z', 10)
    lab.clock.set(Date.parse('2027-01-10T00:00:00Z'))
    await lab.round()
    const [, , november, december] = await lab.statements()
    t.match(november, {
      ...{ month: '2026-11', subtotal_micros: '1000', total_micros: '3500' },
      adjustments: [{ month: '2026-10', revision: 2, amount_micros: '2500' }],
    })
    t.match(december, { month: '2026-12', adjustments: [], total_micros: '100' })
  },
)

t.test('a month waits for what the backup lacks, then closes and says what is missing', async (t) => {
  const lab = await createBillingLab(t)
  await approve(lab, 'example.com')
  await lab.visit('example.com', october, 10)
  await lab.round()
  await lab.visit('example.com', '2026-11-10T00:00:00.000000Z', 20)
  await lab.round()
  await lab.visit('example.com', '2026-11-11T00:00:00.000000Z', 5)
  lab.clock.set(Date.parse('2026-12-04T00:00:00Z'))
  await lab.billing.runOnce()
  t.equal((await lab.statements()).length, 1)
  lab.clock.set(Date.parse('2026-12-04T00:00:00Z') + 3 * dayMs)
  await lab.billing.runOnce()
  t.match((await lab.statements())[1], { month: '2026-11', pending_events: 5, billable: { events: 20 } })
})

t.test('usage is the same before, during and after a part takes over its batches', async (t) => {
  const lab = await createBillingLab(t)
  for (let n = 0; n < 6; n++) await lab.visit(`s${n % 2}.example.com`, `2026-10-0${n + 1}T10:0${n}:00.000000Z`, n + 1)
  const usage = () =>
    lab.db.query(
      `select site_id, quarter, sum(events) as events, sum(pageviews) as pageviews from usage_quarters group by 1, 2 order by 1, 2`,
    )
  const before = await usage()
  t.equal(before.length, 6)
  await lab.exporting.exporter.run()
  t.strictSame(await usage(), before, 'exported')
  await lab.db.execute('delete from batches where batch_id % 2 = 0')
  t.strictSame(await usage(), before, 'half of its batches left the buffer')
  await lab.db.execute('delete from batches')
  t.strictSame(await usage(), before, 'all of them')
})

t.test('a rebuilt database bills nothing twice: it knows its statements and decisions from the backup', async (t) => {
  const first = await createBillingLab(t)
  await approve(first, 'example.com')
  await first.visit('example.com', october, 1000)
  await first.round()
  const [before] = await first.statements()

  const second = await createBillingLab(t, { DATA_DIR: first.config.DATA_DIR }, first.clock)
  await second.exporting.adopt()
  await second.visit('example.com', october, 100)
  await second.round()
  const statements = await second.statements()
  t.strictSame(statements[0], before)
  t.match(statements[1], { revision: 2, billable: { events: 1100 }, delta: { events: 100, amount_micros: '1000' } })
  t.equal(statements.length, 2)
})

t.test('thresholds of the included usage are told once each', async (t) => {
  const lab = await createBillingLab(t, { BILLING_PLAN: 'small' })
  await approve(lab, 'example.com')
  await lab.visit('example.com', '2026-11-05T00:00:00.000000Z', 1)
  const counts = (pageviews: number) =>
    lab.db.execute('update batch_sites set pageviews = $1::int, events = $1::int', [pageviews])
  const reached = async () => (await outbox(lab, 'usage.threshold_reached')).map((one) => one.percent).sort()
  for (const [pageviews, percents] of [
    [499_999, []],
    [500_000, [50]],
    [999_999, [50, 80]],
    [1_200_000, [100, 120, 50, 80]],
    [1_200_001, [100, 120, 50, 80]],
  ] as const) {
    await counts(pageviews)
    await lab.billing.runOnce()
    t.strictSame(await reached(), percents, String(pageviews))
  }
  const app = createApp({ log: silentLog, trustProxy: false })
  lab.billing.routes(app)
  t.teardown(() => app.close())
  await counts(1_000_000)
  const answer = await app.inject({ url: '/billing/usage', headers: { authorization: 'Bearer token' } })
  const toldAt = new Date(lab.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z')
  t.strictSame(answer.json().thresholds, [
    { percent: 50, units: 500_000, reached: true, told_at: toldAt },
    { percent: 80, units: 800_000, reached: true, told_at: toldAt },
    { percent: 100, units: 1_000_000, reached: true, told_at: toldAt },
    { percent: 120, units: 1_200_000, reached: false, told_at: toldAt },
  ])
})

t.test('usage.recorded adds up to the manifests, once for each part and billed site', async (t) => {
  const lab = await createBillingLab(t)
  await approve(lab, 'example.com')
  await lab.visit('a.example.com', october, 3)
  await lab.visit('b.example.com', october, 4)
  for (let n = 0; n < 20; n++) await lab.visit(`forged-${n}.net`, october, 2)
  await lab.round()
  await lab.round()
  await lab.visit('a.example.com', october, 5)
  await lab.round()
  const recorded = await outbox(lab, 'usage.recorded')
  t.match(recorded.map((one) => `${one.part} ${one.site} ${one.events} ${one.billable}`).sort(), [
    '1 (unapproved) 40 false',
    '1 a.example.com 3 true',
    '1 b.example.com 4 true',
    '2 a.example.com 5 true',
  ])
})

t.test('the routes answer usage, domains and statements, for the admin token only', async (t) => {
  const lab = await createBillingLab(t)
  await approve(lab, 'example.com')
  await lab.visit('=cmd|calc!A0.example.com', october, 2)
  await lab.visit('other.net', october, 5)
  await lab.round()
  const app = createApp({ log: silentLog, trustProxy: false })
  lab.billing.routes(app)
  t.teardown(() => app.close())
  const ask = (method: 'GET' | 'POST', url: string, token = 'token') =>
    app.inject({ method, url, headers: { authorization: `Bearer ${token}` } })
  for (const url of [
    '/billing/usage',
    '/billing/domains',
    '/billing/statement/2026-10',
    '/billing/statements',
    '/webhooks',
  ])
    t.equal((await ask('GET', url, 'wrong')).statusCode, 401, url)
  t.match((await ask('GET', '/billing/usage?month=2026-10')).json(), {
    ...{
      month: '2026-10',
      timezone: 'UTC',
      events: 7,
      pageviews: 7,
      billable: 2,
      billable_usage: { events: 2, domains: 1 },
    },
    sites: [
      { site: '=cmd|calc!A0.example.com', state: 'billed' },
      { site: 'other.net', state: 'unapproved', events: 5 },
    ],
  })
  t.equal((await ask('GET', '/billing/usage?month=2026-13')).statusCode, 400)
  t.equal((await ask('GET', '/billing/usage?mounth=2026-10')).statusCode, 400)
  t.equal((await ask('POST', '/billing/domains/other.net/approve')).statusCode, 200)
  t.match((await ask('GET', '/billing/usage?month=2026-10')).json(), {
    billable: 7,
    billable_usage: { events: 7, domains: 2 },
  })
  t.equal((await ask('POST', '/billing/domains/other.net/block')).statusCode, 200)
  for (const wrong of ['shop.other.net', 'localhost', '10.0.0.1'])
    t.equal((await ask('POST', `/billing/domains/${wrong}/approve`)).statusCode, 400)
  t.match((await ask('GET', '/billing/domains')).json().domains, [
    { domain: 'example.com', state: 'approved' },
    { domain: 'other.net', state: 'blocked', decided_by: 'admin API', first_seen: null, suspicions: [] },
  ])
  t.match((await ask('GET', '/billing/domains')).json().scan, { unlisted_domains: 0, busiest_address: null })

  const statement = await ask('GET', '/billing/statement/2026-10')
  t.equal(statement.headers['x-content-sha256'], createHash('sha256').update(statement.body).digest('hex'))
  t.equal(statement.body, await readFile(path.join(published(lab), '2026-10.r1.json'), 'utf8'))
  t.equal((await ask('GET', '/billing/statement/2026-09')).statusCode, 404)
  t.equal((await ask('GET', '/billing/statement/2026-10?revision=2')).statusCode, 404)
  const csv = await ask('GET', '/billing/statement/2026-10?format=csv')
  const rows = parse(csv.body, { columns: true }) as Record<string, string>[]
  t.match(
    rows.find((row) => row.kind === 'total'),
    { amount_usd: '0.00002', events: '2' },
  )
  t.match(rows.find((row) => row.kind === 'site')?.name, /^'=cmd/, 'a spreadsheet sees text, no formula')
})

t.test('a backup that fails delays nothing but its own files', async (t) => {
  const lab = await createBillingLab(t)
  await approve(lab, 'example.com')
  await lab.visit('example.com', october, 10)
  await lab.round()
  const place = path.join(published(lab), '2026-10.r1.json')
  await rm(place)
  await lab.db.execute('update statements set published_at = null')
  await lab.billing.runOnce()
  t.ok(await readFile(place, 'utf8'), 'written again, with the same bytes')
})
