import { readFile } from 'node:fs/promises'
import t from 'tap'
import { parse } from 'yaml'
import { type Rule, type RuleDeps, rules } from '../../src/alerts/rules.ts'
import { createAlerts } from '../../src/alerts/watch.ts'
import { createApp } from '../../src/http.ts'
import { silentLog } from '../../src/log.ts'
import { insertBatch } from '../support/batches.ts'
import { createTestDatabase } from '../support/database.ts'
import { createTestExporter, tempFolder, testConfig } from '../support/exporter.ts'

const hourMs = 3_600_000
const root = (file: string) => new URL(`../../${file}`, import.meta.url)

const setUp = async (t: { teardown(work: () => unknown): void }, env: Record<string, string> = {}) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const clock = { nowMs: Date.now(), now: () => clock.nowMs, sleep: async () => {} }
  const config = testConfig({ DATA_DIR: await tempFolder(t), CLIENT_ID: 'acme', ...env })
  const deps: RuleDeps = {
    ...{ db, clock, config, spooled: async () => ({ bytes: 0, oldestMs: undefined }) },
    latestBackupMs: async () => undefined,
  }
  const told = async () =>
    (
      await db.query<{ body: string }>(`select body from outbox where type like 'alert.%' order by occurred_at, body`)
    ).map(({ body }) => JSON.parse(body) as { type: string; text: string; data: Record<string, unknown> })
  const find = async (alert: string, more: Partial<RuleDeps> = {}) =>
    (await rules.find((rule) => rule.alert === alert)?.check({ ...deps, ...more })) ?? 'no such rule'
  return { db, clock, config, deps, told, find }
}

t.test('an alert is told once, again after 24 and 72 hours, and cleared; also over restarts', async (t) => {
  const { db, clock, config, deps, told } = await setUp(t)
  let findings = [{ subject: 'client', text: 'It is behind.' }]
  let fails = false
  const rule: Rule = {
    ...{ alert: 'export_lag', severity: 'critical', everyMs: 0 },
    check: async () => {
      if (fails) throw new Error('cannot tell')
      return findings
    },
  }
  const look = () => createAlerts({ ...deps, log: silentLog, adminToken: 'token', rules: [rule] }).look()
  const after = async (hours: number) => {
    clock.nowMs += hours * hourMs
    await look()
    return (await told()).length
  }
  t.equal(await after(0), 1)
  t.match(await told(), [
    {
      type: 'alert.raised',
      text: 'critical (acme/n1): It is behind.',
      data: { alert: 'export_lag', subject: 'client', told: 1 },
    },
  ])
  t.equal(await after(1), 1)
  t.equal(await after(24), 2)
  t.equal(await after(24), 2)
  t.equal(await after(24), 3)
  t.equal(await after(200), 3, 'then it is known')
  fails = true
  t.equal(await after(1), 3, 'a rule that cannot tell changes nothing')
  fails = false
  findings = [...findings, { subject: 'backup', text: 'It too.' }]
  t.equal(await after(1), 4, 'another one is news')
  findings = []
  t.equal(await after(1), 6)
  t.match((await told()).slice(-2), [{ type: 'alert.cleared' }, { type: 'alert.cleared' }])
  findings = [{ subject: 'client', text: 'It is behind.' }]
  t.equal(await after(1), 7, 'and what comes back is news again')

  const app = createApp({ log: silentLog, trustProxy: false })
  createAlerts({ ...deps, log: silentLog, adminToken: 'token' }).routes(app)
  t.equal((await app.inject('/alerts')).statusCode, 401)
  const shown = await app.inject({ url: '/alerts', headers: { authorization: 'Bearer token' } })
  t.match(shown.json().alerts[0], { alert: 'export_lag', cleared_at: null, runbook: 'docs/operations.md#export_lag' })
  t.equal(config.CLIENT_ID, 'acme')
  t.ok(db)
})

t.test('each rule finds what it is for, and nothing where all is well', async (t) => {
  const { db, clock, config, find } = await setUp(t, { BACKUP_SCHEDULE: 'daily', EXPORT_SCHEDULE: 'hourly' })
  for (const { alert } of rules.filter((rule) => !['memory_low', 'disk_low', 'backup_old'].includes(rule.alert)))
    t.same(await find(alert), [], alert)

  await insertBatch(db, [{ created_at: new Date(clock.nowMs - 2 * hourMs).toISOString() }])
  t.same(await find('export_lag'), [], 'within the schedule and its grace')
  clock.nowMs += 2 * hourMs
  t.match(await find('export_lag'), [{ subject: 'backup', text: /4 hours behind/ }, { subject: 'client' }])

  const dataDir = config.DATA_DIR
  const waiting = { CLIENT_S3_BUCKET: 'a-bucket', DATA_DIR: dataDir }
  const service = createTestExporter(db, waiting)
  t.teardown(() => service.close())
  await service.exporter.run()
  t.match(await find('export_parked'), [{ subject: 'client', text: /needs keys/ }])
  await db.execute(`update deliveries set state = 'quarantined', error = 'other bytes' where destination = 'client'`)
  t.match(await find('export_quarantined'), [{ text: /set aside in the client destination: other bytes/ }])

  clock.nowMs = Date.now()
  await insertBatch(
    db,
    Array.from({ length: 2_400 }, () => ({ created_at: new Date(clock.nowMs - 2 * hourMs).toISOString() })),
  )
  t.same(await find('collect_silent'), [], 'a batch has just come')
  clock.nowMs += 1.5 * hourMs
  t.match(await find('collect_silent'), [{ text: /No event has come for 90 minutes; the day before brought 240[01]/ }])

  await db.execute(
    `insert into erasures (requested_at, requested_by, kind, subject_hash, spool_done_at)
     values (to_timestamp($1::float8 / 1000), 'a test', 'visitor', gen_random_uuid(), now())`,
    [clock.nowMs - 23 * hourMs],
  )
  t.same(await find('erasure_late'), [])
  clock.nowMs += 2 * hourMs
  t.match(await find('erasure_late'), [
    { text: 'A person waits to be forgotten, the longest for 25 hours; still to do: delivered files.' },
  ])
  await db.execute('update erasures set finished_at = now()')
  t.same(await find('erasure_late'), [])

  const at = (minutes: number, bytes = 5e6) => ({
    spooled: async () => ({ bytes, oldestMs: clock.nowMs - minutes * 60_000 }),
  })
  t.same(await find('spool_old', at(5)), [])
  t.match(await find('spool_old', at(11)), [{ text: /^5 MB of events wait on the disk/ }])
  t.match(await find('spool_old', at(1, 1.9e9)), [{}], 'nearly full')

  t.match(await find('backup_old'), [{ text: /There is no backup/ }])
  t.same(await find('backup_old', { latestBackupMs: async () => clock.nowMs - 25 * hourMs }), [])
  t.match(await find('backup_old', { latestBackupMs: async () => clock.nowMs - 27 * hourMs }), [
    { text: /27 hours old/ },
  ])
  t.match(await find('disk_low', { config: { ...config, DISK_LOW_PERCENT: 100 } }), [{ text: /GB left/ }])
  await db.execute(
    `insert into webhook_endpoints (name, url, secret, state, disabled_reason, created_at)
     values ('crm', 'https://crm.example/', 's', 'disabled', 'it answered 410', now())`,
  )
  t.match(await find('webhook_disabled'), [{ subject: 'crm', text: /answered 410/ }])
})

t.test('a certificate that ends soon is found, whoever signed it', async (t) => {
  const { find, config, clock } = await setUp(t)
  const { execFileSync } = await import('node:child_process')
  const { createServer } = await import('node:tls')
  const folder = await tempFolder(t)
  try {
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '20', '-subj', '/CN=localhost'].concat([
        '-keyout',
        `${folder}/key.pem`,
        '-out',
        `${folder}/cert.pem`,
      ]),
      { stdio: 'ignore' },
    )
  } catch {
    t.comment('skipped: there is no openssl here')
    return
  }
  const [key, cert] = await Promise.all([readFile(`${folder}/key.pem`), readFile(`${folder}/cert.pem`)])
  const server = createServer({ key, cert })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  const PUBLIC_URL = `https://localhost:${typeof address === 'object' ? address?.port : 0}`
  const withUrl = { config: { ...config, PUBLIC_URL } }
  t.same(await find('certificate_ending', withUrl), [])
  // An hour more than ten days: the certificate began some moments after the clock was read.
  clock.nowMs += 10 * 24 * hourMs + hourMs
  t.match(await find('certificate_ending', withUrl), [{ text: /ends in 9 days/ }])
})

t.test('every rule has its runbook, and the rules for Prometheus name metrics and runbooks that exist', async (t) => {
  const runbook = await readFile(root('docs/operations.md'), 'utf8')
  for (const { alert } of rules) t.match(runbook, `### ${alert}\n`)
  const file = parse(await readFile(root('appliance/defaults/alerts.yml'), 'utf8')) as {
    groups: { rules: { alert: string; expr: string; annotations: { runbook: string; summary: string } }[] }[]
  }
  const source = (
    await Promise.all(
      ['src/collect/metrics.ts', 'src/export/metrics.ts', 'src/alerts/watch.ts'].map((one) =>
        readFile(root(one), 'utf8'),
      ),
    )
  ).join('\n')
  for (const { alert, expr, annotations } of file.groups.flatMap((group) => group.rules)) {
    const section = /#([a-z_]+)$/.exec(annotations.runbook)?.[1]
    if (section) t.match(runbook, `### ${section}\n`, alert)
    for (const [metric] of expr.matchAll(/evothesis_\w+/g))
      t.ok(source.includes(metric) || source.includes(metric.replace('evothesis_collect_', "'")), `${alert}: ${metric}`)
  }
})
