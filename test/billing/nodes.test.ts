import { cp } from 'node:fs/promises'
import path from 'node:path'
import { Writable } from 'node:stream'
import t from 'tap'
import { billingCommand } from '../../src/billing/billing-command.ts'
import { checkLinks } from '../../src/billing/check-statements.ts'
import { reconcileBucket } from '../../src/billing/reconcile-bucket.ts'
import { parseStatement } from '../../src/billing/statement.ts'
import { bucketSettings } from '../support/buckets.ts'
import { tempFolder, testConfig } from '../support/exporter.ts'
import { startTestS3 } from '../support/s3.ts'
import { approve, type BillingLab, createBillingLab } from './lab.ts'
import { createTestClock } from './test-clock.ts'

const october = (hour: number) => `2026-10-15T${String(hour).padStart(2, '0')}:00:00.000000Z`
const billingEvents = async (lab: BillingLab) =>
  lab.db.query<{ type: string; event_id: string }>(
    `select type, event_id from outbox where type like 'period.%' order by occurred_at, event_id`,
  )

t.test('two nodes of one client: usage adds up, money is computed once, and the bucket alone proves it', async (t) => {
  const s3 = await startTestS3(['agency'])
  t.teardown(() => s3.close())
  const clock = createTestClock(Date.parse('2026-11-02T00:00:00Z'))
  const env = { BILLING_PLAN: 'small', ...bucketSettings('BACKUP', s3, 'agency') }
  const one = await createBillingLab(t, { ...env, NODE_ID: 'n1' }, clock)
  const two = await createBillingLab(t, { ...env, NODE_ID: 'n2' }, clock)
  await approve(one, 'example.com')
  await one.visit('example.com', october(10), 300)
  await one.visit('stranger.net', october(10), 5)
  await two.visit('shop.example.com', october(10), 200)
  await two.visit('example.com', october(11), 50)
  for (const node of [one, two, one, two]) await node.round()
  t.strictSame([await one.statements(), await two.statements()], [[], []], 'the grace is not over')
  const [decision] = await two.db.query<{ state: string }>(`select state from domains where domain = 'example.com'`)
  t.equal(decision?.state, 'approved', 'a decision on one node is known to the other')

  clock.set(Date.parse('2026-11-05T00:00:00Z'))
  for (const node of [two, one, two, one]) await node.round()
  const [statement, ...more] = await one.statements()
  t.strictSame(more, [])
  t.match(statement, {
    ...{ node_id: 'n1', billable: { pageviews: 550, domains: 1 }, total_usd: '199.00', collected: { events: 555 } },
    nodes: [
      { node: 'n1', events: 305 },
      { node: 'n2', events: 250 },
    ],
  })
  t.strictSame(await two.statements(), [statement], 'the other node knows the same statement, and made none')
  t.match(await billingEvents(one), [{ type: 'period.closed' }])
  t.strictSame(await billingEvents(two), [])

  // Late on the other node: a revision by the node that closed.
  await two.visit('example.com', october(12), 10)
  for (const node of [two, one, two]) await node.round()
  t.match((await one.statements())[1], {
    revision: 2,
    node_id: 'n1',
    billable: { pageviews: 560 },
    delta: { events: 10 },
  })
  t.match(await billingEvents(one), [{ type: 'period.closed' }, { type: 'period.adjusted' }])
  t.strictSame(await billingEvents(two), [])

  const backup = two.exporting.destinations.find((each) => each.name === 'backup')
  if (!backup) throw new Error('no backup')
  t.match(await reconcileBucket(backup, '2026-10'), {
    ...{ client: 'acme', delivered: { backup: { events: 565 } }, pending: [], differences: [] },
    billed: { revision: 2, pageviews: 560, total_usd: '199.00' },
    nodes: [
      { node: 'n1', events: 305 },
      { node: 'n2', events: 260 },
    ],
  })
})

t.test('a correction by the node that closed is charged by the node that closes next', async (t) => {
  const s3 = await startTestS3(['agency'])
  t.teardown(() => s3.close())
  const clock = createTestClock(Date.parse('2026-11-05T00:00:00Z'))
  const env = { BILLING_PLAN: 'metered', ...bucketSettings('BACKUP', s3, 'agency') }
  const old = await createBillingLab(t, { ...env, NODE_ID: 'n2' }, clock)
  await approve(old, 'example.com')
  await old.visit('example.com', october(10), 1000)
  await old.round()
  t.match(await old.statements(), [{ month: '2026-10', node_id: 'n2', total_usd: '0.01' }])

  // A node whose name comes first: from now on it closes the months.
  const young = await createBillingLab(t, { ...env, NODE_ID: 'n1' }, clock)
  await young.visit('example.com', '2026-11-10T12:00:00.000000Z', 2000)
  for (const node of [young, old, young]) await node.round()
  await old.visit('example.com', october(11), 500)
  for (const node of [old, young]) await node.round()
  clock.set(Date.parse('2026-12-04T00:00:00Z'))
  for (const node of [old, young, old]) await node.round()
  t.match(
    (await young.statements()).map(({ month, revision, node_id, total_usd }) => [month, revision, node_id, total_usd]),
    [
      ['2026-10', 1, 'n2', '0.01'],
      ['2026-10', 2, 'n2', '0.015'],
      ['2026-11', 1, 'n1', '0.025'],
    ],
  )
  t.match((await young.statements())[2], { adjustments: [{ month: '2026-10', revision: 2, amount_micros: '5000' }] })
  t.strictSame(await old.statements(), await young.statements())
  const backup = young.exporting.destinations.find((each) => each.name === 'backup')
  if (!backup) throw new Error('no backup')
  t.match(await reconcileBucket(backup, '2026-11'), { differences: [], pending: [] })
})

t.test('a month that two nodes closed, each without the other, is a difference', async (t) => {
  const s3 = await startTestS3(['agency'])
  t.teardown(() => s3.close())
  const clock = createTestClock(Date.parse('2026-11-05T00:00:00Z'))
  const env = { BILLING_PLAN: 'small', ...bucketSettings('BACKUP', s3, 'agency') }
  const one = await createBillingLab(t, { ...env, NODE_ID: 'n1' }, clock)
  await one.visit('example.com', october(10), 10)
  await one.round()
  const [statement] = await one.statements()
  // What a node would have written that never saw the other's.
  const text = JSON.stringify({ ...statement, node_id: 'n2' }, null, 2)
  const { statement: second } = parseStatement(text, 'the second')
  const difference = checkLinks([
    { statement: second, text, sha256: '0'.repeat(64) },
    ...(statement ? [{ statement, text: '', sha256: '1'.repeat(64) }] : []),
  ])
  t.match(difference, ['Statement 2026-10.r1 was issued by n1 and by n2; only one of them may be charged.'])
})

t.test('an agency proves its whole fleet from the bucket, with a command and no database', async (t) => {
  const s3 = await startTestS3(['agency'])
  t.teardown(() => s3.close())
  for (const [n, client] of ['acme', 'beta', 'zeta'].entries()) {
    const lab = await createBillingLab(t, { CLIENT_ID: client, ...bucketSettings('BACKUP', s3, 'agency') })
    await approve(lab, 'example.com')
    await lab.visit('example.com', october(10), 1000 * (n + 1))
    await lab.round()
  }
  // Folders of which one name begins the other: `acme-2/` comes before `acme/` in the order of keys.
  const copies = await tempFolder(t)
  const local = await createBillingLab(t)
  await local.visit('example.com', october(10), 10)
  await local.round()
  for (const name of ['acme', 'acme-2']) await cp(local.backupFolder, path.join(copies, name), { recursive: true })
  const DATA_DIR = await tempFolder(t)
  const { BACKUP_S3_BUCKET: _, ...settings } = bucketSettings('BACKUP', s3, 'agency')
  const run = async (place: string, env: NodeJS.ProcessEnv = {}) => {
    const chunks: string[] = []
    const stdout = new Writable({
      write(chunk, _encoding, done) {
        chunks.push(String(chunk))
        done()
      },
    })
    const config = () => testConfig({ DATA_DIR, ...settings, BACKUP_S3_BUCKET: 'any', ...env })
    const code = await billingCommand(['reconcile', place, '--month', '2026-10', '--json'], { config, stdout })
    return { code, reports: JSON.parse(chunks.join('')) as { client: string; billed: { total_usd: string } }[] }
  }
  const whole = await run('s3://agency')
  t.equal(whole.code, 0)
  t.strictSame(
    whole.reports.map((one) => [one.client, one.billed.total_usd]),
    [
      ['acme', '0.01'],
      ['beta', '0.02'],
      ['zeta', '0.03'],
    ],
  )
  t.match((await run('s3://agency/zeta')).reports, [{ client: 'zeta' }])
  t.match((await run(copies)).reports, [{ client: 'acme' }, { client: 'acme' }], 'of a copy on disk, too')
  await t.rejects(run('s3://agency/nobody'), { code: 'not_found' })
  await t.rejects(run('https://agency'), { code: 'usage_invalid' })
})
