import { randomUUID } from 'node:crypto'
import t from 'tap'
import { domainOf, isLocal } from '../../src/billing/domain.ts'
import { decideDomain, selectDomains } from '../../src/billing/domains.ts'
import { loadPlans, termsOf } from '../../src/billing/plans.ts'
import { reconcile } from '../../src/billing/reconcile.ts'
import { reportUsage } from '../../src/billing/report.ts'
import { selectScan, undecidedMax } from '../../src/billing/scan-domains.ts'
import { createBillingService } from '../../src/billing/service.ts'
import { approvedRowsMax, undecidedRowsMax } from '../../src/export/fold-usage.ts'
import { silentLog } from '../../src/log.ts'
import { insertBatch } from '../support/batches.ts'
import { approve, type BillingLab, createBillingLab } from './lab.ts'

const at = '2026-11-15T12:00:00.000000Z'
const deps = ({ db, config }: BillingLab) => {
  const plans = loadPlans(config.DATA_DIR)
  return { db, clientId: config.CLIENT_ID, plans, terms: termsOf(plans, config), timeZone: 'UTC' }
}
const stateOf = async (lab: BillingLab, domain: string) =>
  (await selectDomains(lab.db)).find((one) => one.domain === domain)?.state
const listedEvents = async (lab: BillingLab): Promise<number> =>
  (await selectDomains(lab.db)).filter((one) => one.state !== 'approved').reduce((sum, one) => sum + one.events, 0)
const events = async (lab: BillingLab, type: string) =>
  (await lab.db.query<{ body: string }>('select body from outbox where type = $1::text', [type])).map(
    (row) => (JSON.parse(row.body) as { data: Record<string, unknown> }).data,
  )

t.test('sites are grouped by the public suffix list, private suffixes included', async (t) => {
  for (const [site, domain] of [
    ['example.com', 'example.com'],
    ['a.b.example.co.uk', 'example.co.uk'],
    ['alice.github.io', 'alice.github.io'],
    ['www.alice.github.io', 'alice.github.io'],
    ['github.io', 'github.io'],
    ['xn--bcher-kva.example.de', 'example.de'],
    ['my-app', 'my-app'],
    ['', '(none)'],
  ] as const)
    t.equal(domainOf(site), domain, site)
  for (const local of ['localhost', 'shop.localhost', 'x.test', 'nas.local', '10.0.0.1', '[::1]', '::1'])
    t.ok(isLocal(domainOf(local)), local)
  for (const real of ['example.com', 'localhost.com', 'contest', '(none)', 'cafe.de'])
    t.notOk(isLocal(domainOf(real)), real)
})

t.test('a domain is proposed when enough people saw it, once, and only then', async (t) => {
  const lab = await createBillingLab(t)
  await lab.visit('few.com', at, 9)
  await lab.visit('one.com', at, 50, { visitor_id: 'the same' })
  await lab.visit('shop.real.com', at, 6)
  await lab.visit('www.real.com', at, 4)
  await lab.billing.runOnce()
  await lab.billing.runOnce()
  t.equal(await stateOf(lab, 'few.com'), 'seen')
  t.equal(await stateOf(lab, 'one.com'), 'seen')
  t.equal(await stateOf(lab, 'real.com'), 'pending')
  t.match(await events(lab, 'domain.discovered'), [{ domain: 'real.com', pageviews: 10, visitors: 3, suspicions: [] }])
  await decideDomain(lab.db, { domain: 'real.com', state: 'approved', by: 'anna', nowMs: lab.clock.now() })
  await lab.billing.runOnce()
  t.equal(await stateOf(lab, 'real.com'), 'approved')
  t.match(await lab.db.query('select actor, action, subject from audit_log'), [
    { actor: 'anna', action: 'domain.approved', subject: 'real.com' },
  ])
})

t.test('a copied snippet is shown as one, with its evidence', async (t) => {
  const lab = await createBillingLab(t)
  await approve(lab, 'example.com')
  const raw_event_data = JSON.stringify({ siteId: 'shop-example-com' })
  await lab.visit('scraper.net', at, 12, { raw_event_data })
  await lab.visit('shop.example.com', at, 12, { raw_event_data })
  await lab.billing.runOnce()
  const found = (await selectDomains(lab.db)).find((one) => one.domain === 'scraper.net')
  t.match(found, { state: 'pending', suspicions: [/copied snippet: 100 % of 12 sampled events name example.com/] })
  t.match(await events(lab, 'domain.discovered'), [{ domain: 'scraper.net', suspicions: [/copied snippet/] }])
})

t.test('10,000 invented sites from one address cost nothing, fill nothing, and are seen in one place', async (t) => {
  const lab = await createBillingLab(t, { BILLING_PLAN: 'small' })
  await approve(lab, 'example.com')
  await lab.visit('example.com', '2026-10-15T12:00:00.000000Z', 100)
  const sites = Array.from({ length: 10_000 }, (_, n) => `${randomUUID().slice(0, 8)}-${n}.com`)
  const forged = { ip_address: '203.0.113.0', created_at: '2026-10-25T12:00:00.000000Z' }
  for (let from = 0; from < sites.length; from += 2000)
    await insertBatch(
      lab.db,
      sites.slice(from, from + 2000).flatMap((site_id, n) =>
        // Some of them behave as if they had pageviews and visitors.
        Array.from({ length: n < 100 ? 12 : 1 }, (_, v) => ({ ...forged, site_id, visitor_id: `v${v}` })),
      ),
    )
  await lab.visit('honest.org', '2026-10-25T12:00:00.000000Z', 30)
  await lab.round()

  const [statement] = await lab.statements()
  t.match(statement, { billable: { pageviews: 100, domains: 1 }, total_usd: '199.00', collected: { events: 15_630 } })
  t.ok(JSON.stringify(statement).length < 10_000, 'the statement does not list them')
  const [usage] = await lab.db.query(
    `select count(*) <= ${undecidedRowsMax + 2} as "isBounded", sum(events)::int as events,
            bool_or(site_id = 'honest.org') as "isHonestNamed" from part_usage`,
  )
  t.strictSame(usage, { isBounded: true, events: 15_630, isHonestNamed: true }, 'the usage of a part is bounded')
  t.match(
    await lab.db.query(`select length(manifest) < 250000 as short, events from export_parts`),
    [{ short: true, events: 15_630 }],
    'and so is its manifest',
  )
  const counts = async () => {
    const [row] = await lab.db.query<Record<string, number>>(
      `select (select count(*) from domains) as domains, (select count(*) from outbox) as outbox,
              (select count(*) from domains where state = 'pending') as pending`,
    )
    return row
  }
  const before = await counts()
  t.ok((before?.domains ?? 0) <= undecidedMax + 1)
  t.ok((before?.outbox ?? 0) < 10)
  t.equal(await stateOf(lab, 'honest.org'), 'pending', 'a real domain is proposed amid the flood')
  t.equal(before?.pending, 1, 'and none of the forged ones')
  const [worst] = (await selectDomains(lab.db)).filter((one) => one.state === 'seen')
  t.match(worst?.suspicions, [
    /forged: all \d+ sampled events came from 203\.0\.113\.0, which sends for \d+ undecided domains/,
  ])

  const scan = await selectScan(lab.db)
  t.match(scan, { busiestAddress: '203.0.113.0' })
  t.equal(scan?.unlistedEvents, 15_530 - (await listedEvents(lab)), 'what is not listed is counted')
  t.match(await events(lab, 'alert.raised'), [{ alert: 'domain_flood', busiest_address: '203.0.113.0' }])
  await lab.round()
  t.strictSame(await counts(), before, 'a second look changes nothing')
})

t.test(
  'beyond its limits a part sums up: approved domains are billed to the event, and everything is proven',
  async (t) => {
    const lab = await createBillingLab(t)
    await approve(lab, 'example.com', 'alice.github.io')
    await decideDomain(lab.db, { domain: 'github.io', state: 'blocked', by: 'anna', nowMs: lab.clock.now() })
    const created_at = '2026-10-15T12:00:00.000000Z'
    const later = '2026-10-15T12:20:00.000000Z'
    const sites = [
      ...Array.from({ length: approvedRowsMax }, (_, n) => `s${n}.example.com`),
      ...['z.b.alice.github.io', 'alice.github.io', 'bob.github.io', 'localhost', '(other)', ''],
      ...Array.from({ length: undecidedRowsMax }, (_, n) => `x${n}.net`),
    ]
    for (let from = 0; from < sites.length; from += 2000)
      await insertBatch(
        lab.db,
        sites.slice(from, from + 2000).map((site_id) => ({ site_id, created_at: from === 0 ? later : created_at })),
      )
    const approved = approvedRowsMax + 2
    t.match(await reportUsage(deps(lab), '2026-10', lab.clock.now()), { billable: approved, events: sites.length })
    await lab.round()
    const folded = await lab.db.query<{ site: string; events: number }>(
      `select site_id as site, sum(events)::int as events from part_usage where site_id like '(%' group by 1 order by 1`,
    )
    t.strictSame(folded, [
      { site: '(other)', events: 4 },
      { site: '(other).alice.github.io', events: 1 },
      { site: '(other).example.com', events: 1 },
    ])
    t.match(await reportUsage(deps(lab), '2026-10', lab.clock.now()), { billable: approved, events: sites.length })
    t.match(await lab.statements(), [
      { billable: { events: approved, domains: 2 }, collected: { events: sites.length }, total_usd: '0.10002' },
    ])
    const proof = { ...lab, destinations: lab.exporting.destinations, clientId: 'acme', nodeId: 'n1', timeZone: 'UTC' }
    t.match(await reconcile(proof, '2026-10'), { differences: [], pending: [] })
    await lab.db.execute(`update part_usage set events = events + 1 where site_id = '(other)'`)
    t.match(await reconcile(proof, '2026-10'), { differences: [/\(other\), .*: metered 7 events/, /./, /./] })
  },
)

t.test('patterns approve without a question, and a blocked domain stays blocked', async (t) => {
  const lab = await createBillingLab(t)
  const { writeFile, readFile } = await import('node:fs/promises')
  const defaults = await readFile(new URL('../../appliance/defaults/plans.yaml', import.meta.url), 'utf8')
  const own = defaults.replace('auto_approve: []', 'auto_approve: ["*.mine.com", "*.localhost", blocked.com]')
  await writeFile(`${lab.config.DATA_DIR}/plans.yaml`, own.replace('bill_unapproved: false', 'bill_unapproved: true'))
  const { db, config, clock } = lab
  const billing = createBillingService({
    db,
    config,
    clock,
    log: silentLog,
    adminToken: '',
    destinations: lab.exporting.destinations,
  })
  t.teardown(() => billing.close())
  await decideDomain(db, { domain: 'blocked.com', state: 'blocked', by: 'anna', nowMs: clock.now() })
  for (const site of ['shop.mine.com', 'blocked.com', 'shop.localhost', 'unknown.com'])
    await lab.visit(site, '2026-10-15T12:00:00.000000Z', 2)
  await lab.exporting.exporter.run()
  clock.set(Date.parse('2026-11-10T00:00:00Z'))
  await billing.runOnce()
  t.equal(await stateOf(lab, 'mine.com'), 'approved')
  t.equal(await stateOf(lab, 'blocked.com'), 'blocked')
  t.equal(await stateOf(lab, 'shop.localhost'), undefined)
  t.match(await lab.statements(), [
    { domains: [{ domain: 'mine.com' }, { domain: 'unknown.com' }], billable: { events: 4 } },
  ])
})
