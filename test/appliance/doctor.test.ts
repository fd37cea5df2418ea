import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import t from 'tap'
import type { Check } from '../../src/appliance/check.ts'
import { checkDatabase } from '../../src/appliance/check-database.ts'
import { checkHost, parseHostReport } from '../../src/appliance/check-host.ts'
import { checkCertificate, checkClock } from '../../src/appliance/check-machine.ts'
import { checkBackups, checkDestination } from '../../src/appliance/check-storage.ts'
import { createFolderDestination } from '../../src/storage/folder-destination.ts'
import { insertBatch } from '../support/batches.ts'
import { createTestDatabase } from '../support/database.ts'
import { tempFolder, testConfig } from '../support/exporter.ts'
import { makeCertificate, withoutNginx } from './nginx-server.ts'
import { runCommand } from './run-command.ts'

const nowMs = Date.parse('2026-11-20T12:00:00Z')
const stateOf = (checks: readonly Check[], name: string): Check['state'] | undefined =>
  checks.find((one) => one.name === name)?.state

t.test('the command: a table for people, JSON for programs, and an exit code', async (t) => {
  const [database, dataDir] = [await createTestDatabase(), await tempFolder(t)]
  t.teardown(database.close)
  const run = (args: string[], env: NodeJS.ProcessEnv) =>
    runCommand(['doctor', ...args], { DATA_DIR: dataDir, DATABASE_URL: database.url, ...env })
  const table = await run([], {})
  t.equal(table.code, 0, table.said)
  t.match(table.said, /^ok +client destination +writes and reads, checksum by read-back$/m)
  t.match(table.said, /^- +machine +ports, images and secrets are seen from outside/m)
  t.match(table.said, /^\d+ ok, \d+ to look at, 0 failed, \d+ not asked\.$/m)
  const failed = await run(['--json'], {
    BACKUP_S3_BUCKET: 'backups',
    BACKUP_S3_ENDPOINT: 'http://127.0.0.1:9',
    BACKUP_S3_ACCESS_KEY: 'a',
    BACKUP_S3_SECRET_KEY: 'a-secret-value',
  })
  t.equal(failed.code, 1)
  const found = JSON.parse(failed.said.slice(failed.said.indexOf('{\n'))) as { ok: boolean; checks: Check[] }
  t.equal(found.ok, false)
  t.equal(stateOf(found.checks, 'backup destination'), 'fail')
  t.equal(stateOf(found.checks, 'client destination'), 'ok', 'one that fails does not hide the others')
  t.notMatch(failed.said, 'a-secret-value')
  t.match(await run(['--host', '/none'], {}), { code: 2, said: /cannot be read/ })
  t.equal((await run([], { BACKUP_SCHEDULE: 'sometimes' })).code, 1, 'settings that are invalid')
  const nowhere = path.join(dataDir, 'not', 'there')
  t.match(await run([], { DATA_DIR: nowhere }), { code: 1, said: /FAIL +disk +.*is not there/ })
})

t.test('the machine around the containers: ports, images, secrets', async (t) => {
  const report = (text: string) => checkHost(parseHostReport(text))
  const good = `[listening]\n0.0.0.0:22\n[::]:443\n*:80\n127.0.0.53%lo:53\n[::1]:6010\n[images]\ncollect a:1\nnginx b:1\n[wanted]\na:1\nb:1\n[secrets]\n700 root secrets\n400 10001 secrets/hash-key\n`
  t.strictSame(
    report(good).map((one) => one.state),
    ['ok', 'ok', 'ok'],
  )
  t.match(report(good.replace('[::]:443', '0.0.0.0:5432'))[0], { state: 'fail', advice: /5432/ })
  t.match(report(good.replace('nginx b:1', 'nginx b:0'))[1], { state: 'warn', found: 'nginx runs b:0' })
  t.match(report(good.replace('400 10001', '444 10001'))[2], { state: 'fail', found: /hash-key/ })
  t.strictSame(
    checkHost(undefined).map((one) => one.state),
    ['skipped'],
  )
})

t.test('backups and drills grow old', async (t) => {
  const folder = await tempFolder(t)
  const place = createFolderDestination('backup', folder)
  const config = testConfig({ DATA_DIR: folder, BACKUP_RECIPIENTS: 'a,b' })
  const bucket = { BACKUP_S3_BUCKET: 'backups', BACKUP_S3_ACCESS_KEY: 'a', BACKUP_S3_SECRET_KEY: 'b' }
  const elsewhere = testConfig({ DATA_DIR: folder, BACKUP_RECIPIENTS: 'a,b', ...bucket })
  const states = async () => (await checkBackups(place, elsewhere, nowMs)).map((one) => one.state)
  const write = (name: string) => {
    mkdirSync(path.dirname(path.join(folder, 'backups/n1', name)), { recursive: true })
    writeFileSync(path.join(folder, 'backups/n1', name), '{}')
  }
  t.strictSame(await states(), ['fail', 'warn'], 'there is none')
  write('20261115T020000Z/manifest.json')
  t.strictSame(await states(), ['fail', 'warn'], 'five days old')
  write('20261119T080000Z/manifest.json')
  t.strictSame(await states(), ['warn', 'warn'], '28 hours old')
  write('20261120T020000Z/files.tar.age')
  t.strictSame(await states(), ['warn', 'warn'], 'one without its manifest does not count')
  write('20261120T020000Z/manifest.json')
  write('drills/20261001T020000Z.json')
  t.strictSame(await states(), ['ok', 'warn'])
  write('drills/20261110T020000Z.json')
  t.strictSame(await states(), ['ok', 'ok'])
  t.match(await checkBackups(place, config, nowMs), [{}, { name: 'backup place', state: 'warn' }, {}])
  t.strictSame(
    await checkBackups(place, testConfig({ DATA_DIR: folder }), nowMs).then((all) => all.map((one) => one.state)),
    ['skipped'],
  )
})

t.test('a destination that does not keep what it takes', async (t) => {
  const folder = await tempFolder(t)
  const config = testConfig({ DATA_DIR: folder })
  const place = createFolderDestination('client', path.join(folder, 'client'))
  t.match(await checkDestination(place, config), { state: 'ok' })
  const { Readable } = await import('node:stream')
  t.match(await checkDestination({ ...place, read: async () => Readable.from([Buffer.from('other')]) }, config), {
    state: 'fail',
    found: /something else/,
  })
  t.match(await checkDestination({ ...place, remove: () => Promise.reject(new Error('no')) }, config), {
    state: 'ok',
    found: /may not delete/,
  })
})

t.test('clocks and certificates', { skip: withoutNginx }, async (t) => {
  const folder = await tempFolder(t)
  makeCertificate(folder, 'localhost')
  const answering = async (server: http.Server | https.Server): Promise<number> => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => server.close())
    return (server.address() as AddressInfo).port
  }
  const time = http.createServer((_request, response) => response.end())
  const config = testConfig({ BACKUP_S3_ENDPOINT: `http://127.0.0.1:${await answering(time)}` })
  t.match(await checkClock(config, Date.now), { state: 'ok' })
  t.match(await checkClock(config, () => Date.now() + 10_000), { state: 'warn' })
  t.match(await checkClock(config, () => Date.now() - 10_000), { state: 'warn' })
  t.match(await checkClock(config, () => Date.now() + 100_000), { state: 'fail', found: /^(9\d|100)\.\d s off/ })
  t.match(await checkClock(testConfig({}), Date.now), { state: 'skipped' })
  const pem = (name: string) => readFileSync(path.join(folder, name))
  const web = https.createServer({ cert: pem('fullchain.pem'), key: pem('privkey.pem') })
  const url = `https://localhost:${await answering(web)}`
  t.match(await checkCertificate(testConfig({ PUBLIC_URL: url }), Date.now()), {
    state: 'fail',
    found: /^1 days left, by Test CA/,
  })
  t.match(await checkCertificate(testConfig({ PUBLIC_URL: url }), Date.now() - 20 * 86_400_000), { state: 'warn' })
  t.match(await checkCertificate(testConfig({ PUBLIC_URL: url }), Date.now() - 40 * 86_400_000), { state: 'ok' })
  t.match(await checkCertificate(testConfig({ PUBLIC_URL: 'https://localhost:9' }), Date.now()), {
    state: 'fail',
    found: /ECONNREFUSED/,
  })
})

t.test('what waits in the database', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const config = testConfig({})
  const check = () => checkDatabase(db, config, Date.now())
  t.notOk(
    (await check()).some((one) => one.state === 'fail' || one.state === 'warn'),
    JSON.stringify(await check()),
  )
  await insertBatch(db, [{}], '2026-11-01T00:00:00Z')
  t.equal(stateOf(await check(), 'exports'), 'warn')
  await db.execute(
    `insert into outbox (event_id, type, occurred_at, body) values ('evt_${'0'.repeat(32)}', 'x', now(), '{}')`,
  )
  t.match((await check()).find((one) => one.name === 'webhooks')?.found, /^1 events not sent on/)
  await db.execute(
    `insert into webhook_endpoints (name, url, state, created_at) values ('agency', 'https://x', 'disabled', now())`,
  )
  t.equal(stateOf(await check(), 'webhooks'), 'fail')
  await db.execute(
    'update schema_migrations set version = 900 where version = (select max(version) from schema_migrations)',
  )
  t.equal(stateOf(await check(), 'schema'), 'warn')
})
