import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Writable } from 'node:stream'
import t from 'tap'
import { findClients } from '../../src/billing/reconcile-bucket.ts'
import { openBackups, reconcilePlace } from '../../src/billing/reconcile-place.ts'
import { provisionCommand } from '../../src/provisioning/command.ts'
import { fleetCommand } from '../../src/provisioning/fleet-command.ts'
import { approve, createBillingLab } from '../billing/lab.ts'
import { createTestClock } from '../billing/test-clock.ts'
import { bucketSettings } from '../support/buckets.ts'
import { tempFolder, testConfig } from '../support/exporter.ts'
import { startTestS3 } from '../support/s3.ts'
import { clientTexts } from './clients.ts'

const sink = () => {
  let said = ''
  const stdout = new Writable({
    write(chunk, _encoding, done) {
      said += chunk
      done()
    },
  })
  return { stdout, said: () => said }
}

t.test('a fleet is seen and billed from its backup bucket alone', async (t) => {
  const s3 = await startTestS3(['agency'])
  t.teardown(s3.close)
  const clock = createTestClock(Date.parse('2026-12-10T00:00:00Z'))
  for (const [name, pageviews] of [
    ['acme', 2000],
    ['brand', 500],
  ] as const) {
    const lab = await createBillingLab(t, { CLIENT_ID: name, ...bucketSettings('BACKUP', s3, 'agency') }, clock)
    await approve(lab, 'shop.com')
    await lab.visit('www.shop.com', '2026-11-05T10:00:00Z', pageviews)
    await lab.round()
    await lab.round()
  }
  const config = testConfig(bucketSettings('BACKUP', s3, 'agency'))
  const fleet = async (...args: string[]) => {
    const { stdout, said } = sink()
    const now = { ...clock, now: () => Date.now() + 3_600_000 }
    const code = await fleetCommand(args, {
      config: () => config,
      clock: now,
      stdout,
      openBackups,
      findClients,
      bill: reconcilePlace,
    })
    return { code, said: said() }
  }
  const bill = await fleet('bill', 's3://agency', '--month', '2026-11', '--json')
  t.equal(bill.code, 0, bill.said)
  const { bills } = JSON.parse(bill.said)
  t.match(bills, [
    { client: 'acme', billed: { pageviews: 2000, total_usd: '0.02' }, differences: [] },
    { client: 'brand', billed: { pageviews: 500, total_usd: '0.005' }, differences: [] },
  ])
  t.match((await fleet('bill', 's3://agency', '--month', '2026-11')).said, /2 clients, \$0\.025 in all\./)

  await t.rejects(fleet('status', 's3://agency/misspelt'), { code: 'not_found', message: /is the prefix right/ })
  const status = await fleet('status', 's3://agency')
  t.equal(status.code, 1, 'nobody has backed these up')
  t.match(status.said, /^LOOK {2}acme +n1 +files 1 h, backup never, drill never, evothesis \d/m)
  t.match(status.said, 'never backed up')

  const at = new Date(Date.now()).toISOString().replace(/\.\d+/, '').replaceAll(/[-:]/g, '')
  const put = (client: string, file: string, value: unknown) => {
    const { backup } = { backup: openBackups(config, 's3://agency')(client) }
    const local = path.join(s3.folder, 'upload')
    writeFileSync(local, JSON.stringify(value))
    return import('../../src/storage/sha256.ts').then(async ({ digestOfFile }) =>
      backup.replace(`backups/n1/${file}`, { path: local, ...(await digestOfFile(local)) }),
    )
  }
  await put('acme', `${at}/manifest.json`, {})
  await put('acme', `drills/${at}.json`, { ok: true, error: null })
  await put('acme', 'status.json', {
    producer: 'evothesis 0.1.0',
    ok: true,
    checks: [{ name: 'disk', state: 'ok', found: '50 % free' }],
  })
  await put('brand', `${at}/manifest.json`, {})
  await put('brand', `drills/${at}.json`, { ok: false, error: 'x' })
  await put('brand', 'status.json', {
    producer: 'evothesis 0.1.0',
    ok: false,
    checks: [{ name: 'disk', state: 'fail', found: '2 % free' }],
  })
  const later = await fleet('status', 's3://agency')
  t.match(later.said, /^ok {4}acme +n1 /m)
  t.match(later.said, /^LOOK {2}brand[\s\S]*the last drill failed\n +disk: 2 % free/m)
  await t.rejects(fleet('status'), { code: 'usage_invalid' })
  await t.rejects(fleet('bill', 's3://agency', '--month', 'May'), { code: 'usage_invalid' })
})

t.test('a fleet is listed by its client files', async (t) => {
  const folder = await tempFolder(t)
  for (const [name, text] of Object.entries(clientTexts)) {
    mkdirSync(path.join(folder, name))
    writeFileSync(path.join(folder, name, 'client.yaml'), text)
  }
  await provisionCommand(['render', path.join(folder, 'small')], { stdout: sink().stdout })
  mkdirSync(path.join(folder, 'broken'))
  writeFileSync(path.join(folder, 'broken', 'client.yaml'), 'version: 2')
  const { stdout, said } = sink()
  const deps = {
    config: () => testConfig({}),
    clock: createTestClock(),
    stdout,
    openBackups,
    findClients,
    bill: reconcilePlace,
  }
  await t.rejects(fleetCommand(['list', path.join(folder, 'misspelt')], deps), { code: 'not_found' })
  t.equal(await fleetCommand(['list', folder], deps), 1)
  t.match(said(), /^corner-shop +n1 +0\.1\.0 +standard +metered +events\.corner-shop\.example$/m)
  t.match(said(), /^clinic .* NOT VALID$/m, 'it was never rendered')
  t.match(said(), /broken: .*client\.yaml is invalid/)
})
