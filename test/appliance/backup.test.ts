import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { generateX25519Identity } from 'age-encryption'
import pg from 'pg'
import t, { type Test } from 'tap'
import { pruneBackups } from '../../src/appliance/backups.ts'
import type { Drill } from '../../src/appliance/drill.ts'
import { keygen } from '../../src/provisioning/keygen.ts'
import { createFolderDestination } from '../../src/storage/folder-destination.ts'
import { bucketReader, bucketSettings } from '../support/buckets.ts'
import { tempFolder } from '../support/exporter.ts'
import { startTestS3, type TestS3 } from '../support/s3.ts'
import { collectOutput, exitOf, runProgram } from '../support/server.ts'
import { until } from '../support/until.ts'
import { findServerWithPrograms } from './postgres-with-programs.ts'
import { runCommand } from './run-command.ts'

const server = await findServerWithPrograms()
if (server) process.env.TEST_DATABASE_URL = server.url
const { approve, createBillingLab } = await import('../billing/lab.ts')
const skip =
  server === undefined && 'no PostgreSQL with its client programs is on this machine (apt-get install postgresql)'
t.comment(`on ${server?.kind}`)
const skipOnTimescale =
  skip || (server?.kind !== 'PostgreSQL' && 'the programs of this TimescaleDB are found by TMPDIR, which the test sets')

const run = (args: string[], env: NodeJS.ProcessEnv) =>
  runCommand(args, { ...env, PATH: `${server?.programs}:${process.env.PATH}` })

const november = (day: number, hour = 10): string => `2026-11-${String(day).padStart(2, '0')}T${hour}:00:00.000000Z`

/** A machine with a closed month, two delivered parts, people's notes, and a spooled record. */
const createMachine = async (t: Test, s3: TestS3, name: string) => {
  const folder = await tempFolder(t)
  const keys = [path.join(folder, 'operator.key'), path.join(folder, 'recovery.key')] as const
  const recipients = [await keygen(keys[0]), await keygen(keys[1])]
  const dataDir = path.join(folder, 'data')
  const env = {
    ...{ DATA_DIR: dataDir, CLIENT_ID: name, EXPORT_FORMAT: 'json,parquet' },
    ...bucketSettings('BACKUP', s3, 'agency'),
  }
  const lab = await createBillingLab(t, env, undefined)
  lab.clock.set(Date.parse('2026-12-10T00:00:00Z'))
  await approve(lab, 'shop.example')
  await lab.visit('shop.example', november(5), 40)
  await lab.round()
  await lab.visit('shop.example', november(6), 25)
  await lab.round()
  const files: Record<string, string> = {
    'spool/host.1.abcdef01/000000000000001-000001-w.spool': 'a spooled record',
    'vault/insights/note.md': 'written by a person',
    'secrets/hash-key': 'the-hash-key-of-this-client\n',
  }
  const put = (root: string) => {
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(root, file)), { recursive: true })
      writeFileSync(path.join(root, file), text)
    }
  }
  put(dataDir)
  const settings = path.join(folder, 'appliance')
  mkdirSync(settings)
  writeFileSync(path.join(settings, 'admin-token'), 'a-very-secret-token')
  const program = { ...env, DATABASE_URL: lab.url, BACKUP_RECIPIENTS: recipients.join(','), BACKUP_INCLUDE: settings }
  return { lab, env: program, keys, dataDir, files, settings, reader: bucketReader(s3, 'agency', name) }
}

t.test('a backup is encrypted for everyone, and a lost machine is whole again from it', { skip }, async (t) => {
  const s3 = await startTestS3(['agency'])
  t.teardown(s3.close)
  const machine = await createMachine(t, s3, 'acme')
  const { lab, env, keys, reader } = machine

  const made = await run(['backup', '--json'], env)
  t.equal(made.code, 0, made.said)
  const { name, manifest } = JSON.parse(made.said.slice(made.said.indexOf('{')))
  t.equal(manifest.timescaledb === null, server?.kind === 'PostgreSQL')
  t.equal(manifest.tables.events_log, 65)
  t.equal(manifest.tables.statements > 0, true)
  const listed = (await reader.keys()).filter((key) => /^backups\/n1\/\d/.test(key))
  t.strictSame(
    listed,
    ['database.dump.age', 'files.tar.age', 'manifest.json'].map((file) => `backups/n1/${name}/${file}`),
  )
  for (const key of listed) {
    const bytes = await reader.read(key)
    if (key.endsWith('.age')) t.equal(bytes.subarray(0, 21).toString(), 'age-encryption.org/v1')
    for (const clear of ['a-very-secret-token', 'the-hash-key', 'written by a person', 'shop.example'])
      t.notOk(bytes.includes(clear), `${key} does not show ${clear}`)
  }
  t.match((await run(['backup', '--list', '--json'], env)).said, `"name": "${name}"`)

  t.test('the drill restores it beside the real one, and makes a part and a statement again', async (t) => {
    for (const identity of [['--identity', keys[0]], []]) {
      const { code, said } = await run(['drill', '--json', ...identity], env)
      t.equal(code, 0, said)
      const report = JSON.parse(said.slice(said.indexOf('{'))) as Drill
      t.match(report, { ok: true, decrypted: identity.length > 0, backup: identity.length > 0 ? name : null })
      t.match(report.part?.what, /^part 2 of epoch [0-9a-f]{8} \(2 files\)$/)
      t.equal(report.part?.derived, report.part?.stated)
      t.match(report.statement?.what, /^statement 2026-11\.r\d$/)
      t.equal(report.statement?.derived, report.statement?.stated)
      t.ok(report.rows > 65)
    }
    const databases = await ask(lab.url, `select datname from pg_database where datname like '%drill%'`)
    t.strictSame(databases, [], 'no scratch database is left')
    t.ok((await reader.keys()).some((key) => /^backups\/n1\/drills\/\d{8}T\d{6}Z\.json$/.test(key)))
  })

  t.test('what is not so is refused, before anything is changed', async (t) => {
    const restore = (more: string[], with_: NodeJS.ProcessEnv = env) =>
      run(['restore', '--identity', keys[0], ...more], with_)
    t.match(await restore([]), { code: 1, said: /conflict: The database is in use/ })
    const stranger = path.join(machine.settings, 'stranger.key')
    await writeFile(stranger, await generateX25519Identity())
    t.match(await run(['restore', '--replace', '--identity', stranger], env), {
      code: 1,
      said: /backup_failed: .*decrypted/,
    })
    t.match(await restore(['--replace', '--backup', '20200101T000000Z']), {
      code: 1,
      said: /not_found: .*there are: 2/,
    })
    t.match(await run(['restore'], env), { code: 2, said: /--identity is missing/ })

    const place = path.join(s3.folder, 'agency', env.CLIENT_ID, 'backups/n1', name)
    const changed = async (file: string, change: (text: string) => string, said: RegExp) => {
      const target = readdirSync(place).find((one) => one.startsWith(file) && one.includes('object')) ?? ''
      const before = readFileSync(path.join(place, target))
      await writeFile(path.join(place, target), Buffer.from(change(before.toString('latin1')), 'latin1'))
      t.match(await restore(['--replace']), { code: 1, said }, String(said))
      await writeFile(path.join(place, target), before)
    }
    await changed('manifest.json', (text) => text.replace(/"major": \d+/, '"major": 16'), /restore_refused: .*Use .*16/)
    await changed(
      'manifest.json',
      (text) => text.replace('"client_id": "acme"', '"client_id": "other"'),
      /restore_refused: .*client other/,
    )
    await changed(
      'manifest.json',
      (text) => text.replace(/"migration": \d+/, '"migration": 998'),
      /restore_refused: .*schema \(998\) is newer/,
    )
    const version = server?.kind === 'TimescaleDB' ? /"timescaledb": "[\d.]+"/ : '"timescaledb": null'
    await changed(
      'manifest.json',
      (text) => text.replace(version, '"timescaledb": "2.1.0"'),
      /restore_refused: .*timescale\/timescaledb:2\.1\.0-pg\d+/,
    )
    await changed(
      'database.dump',
      // Another byte for certain: the dump is encrypted, any constant may be the one that is there.
      (text) => `${text.slice(0, 2000)}${String.fromCharCode(text.charCodeAt(2000) ^ 1)}${text.slice(2001)}`,
      /backup_failed: .*was changed/,
    )
    t.strictSame(await ask(lab.url, 'select count(*)::int as n from events_log'), [{ n: 65 }], 'nothing was changed')
  })

  t.test('restore: what was delivered since is adopted, what waits is replayed, a new epoch begins', async (t) => {
    const [before] = await ask(lab.url, 'select epoch from epochs where is_current')
    await lab.visit('shop.example', november(7), 10)
    await lab.exporting.exporter.run()
    await lab.visit('shop.example', november(8), 3)
    const usage = await ask(lab.url, 'select sum(events)::int as n from part_usage')

    // The machine is gone: its disk, and its database.
    const dataDir = path.join(await tempFolder(t), 'data')
    const after = { ...env, DATA_DIR: dataDir }
    const done = await run(['restore', '--identity', keys[1], '--replace', '--json'], after)
    t.equal(done.code, 0, done.said)
    const report = JSON.parse(done.said.slice(done.said.indexOf('{')))
    t.match(report, { name, adopted: { manifests: 1, events: 10 } })
    t.not(report.epoch, before?.epoch)
    for (const [file, text] of Object.entries(machine.files))
      t.equal(readFileSync(path.join(dataDir, file), 'utf8'), text, file)
    t.equal(
      readFileSync(path.join(report.outside, machine.settings.slice(1), 'admin-token'), 'utf8'),
      'a-very-secret-token',
    )
    t.strictSame(await ask(lab.url, 'select sum(events)::int as n from part_usage'), usage, 'usage is whole again')
    t.strictSame(
      await ask(lab.url, 'select count(*)::int as n from events_log'),
      [{ n: 65 }],
      'what was not delivered is lost, and only that',
    )

    // Life goes on: nothing is overwritten, and the chain holds.
    await lab.visit('shop.example', november(9), 4)
    const exported = await run(['export', 'run', '--json'], after)
    t.equal(exported.code, 0, exported.said)
    const verified = await run(['export', 'verify', '--full'], after)
    t.equal(verified.code, 0, verified.said)
    t.strictSame(await ask(lab.url, 'select sum(events)::int as n from part_usage'), [{ n: 65 + 10 + 4 }])
    t.equal((await run(['drill', '--json'], after)).code, 0)
  })
})

t.test('a drill finds what is not as it was delivered or issued', { skip }, async (t) => {
  const s3 = await startTestS3(['agency'])
  t.teardown(s3.close)
  const { lab, env } = await createMachine(t, s3, 'tampered')
  await lab.db.execute(
    `update events_log set url = 'https://shop.example/changed' where ctid = (select max(ctid) from events_log)`,
  )
  const part = await run(['drill'], env)
  t.match(part, { code: 1, said: /FAILED/ })
  const other = await createMachine(t, s3, 'tampered2')
  await other.lab.db.execute('update part_usage set pageviews = pageviews - 1')
  const statement = await run(['drill', '--json'], other.env)
  t.equal(statement.code, 1)
  const report = JSON.parse(statement.said.slice(statement.said.indexOf('{'))) as Drill
  t.match(report, { ok: false, error: /statement 2026-11\.r\d was stated as/ })
})

t.test('a backup wants two readers and programs of the right version', { skip }, async (t) => {
  const s3 = await startTestS3(['agency'])
  t.teardown(s3.close)
  const { env, lab } = await createMachine(t, s3, 'careful')
  const [one = ''] = env.BACKUP_RECIPIENTS.split(',')
  t.match(await run(['backup'], { ...env, BACKUP_RECIPIENTS: one }), { code: 1, said: /at least 2 public keys/ })
  t.match(await run(['backup'], { ...env, BACKUP_RECIPIENTS: `${one},${one}` }), {
    code: 1,
    said: /at least 2 public keys/,
  })
  const password = decodeURIComponent(new URL(lab.url).password)
  const failed = await run(['backup'], { ...env, CLIENT_S3_BUCKET: '', BACKUP_S3_ACCESS_KEY: 'WRONG' })
  t.equal(failed.code, 1)
  t.notMatch(failed.said, password)
  t.strictSame(
    readdirSync(path.join(env.DATA_DIR, 'staging')).filter((name) => name.startsWith('backup')),
    [],
    'nothing is left on the disk',
  )
})

t.test(
  'the scheduled backup makes up for one that is missing, tells how the machine is, and ends in order',
  { skip: skipOnTimescale },
  async (t) => {
    const s3 = await startTestS3(['agency'])
    t.teardown(s3.close)
    const { env, reader } = await createMachine(t, s3, 'scheduled')
    const PATH = `${server?.programs}:${process.env.PATH}`
    const child = runProgram(['backup', '--scheduled'], {
      ...env,
      PATH,
      BACKUP_SCHEDULE: 'daily',
      TMPDIR: env.DATA_DIR,
    })
    const said = collectOutput(child)
    const ended = exitOf(child)
    const isThere = async () => (await reader.keys()).includes('backups/n1/status.json')
    // A backup on a busy machine takes longer than most of what tests wait for.
    await until('the backup is made', isThere).catch(() => until(`the status is there: ${said()}`, isThere))
    const status = JSON.parse((await reader.read('backups/n1/status.json')).toString()) as {
      checks: { name: string; state: string }[]
    }
    t.match(
      status.checks.find((one) => one.name === 'backup'),
      { state: 'ok' },
    )
    t.ok(existsSync(path.join(env.DATA_DIR, 'backup-alive')), 'the healthcheck has its sign')
    child.kill('SIGTERM')
    t.equal(await ended, 0, said())
  },
)

t.test('a new machine does not take the place of the backups of a lost one', { skip }, async (t) => {
  const s3 = await startTestS3(['agency'])
  t.teardown(s3.close)
  const { env, reader } = await createMachine(t, s3, 'replaced')
  t.equal((await run(['backup'], env)).code, 0)
  t.equal((await run(['backup'], env)).code, 0, 'its own are continued')
  const other = await createBillingLab(t, { DATA_DIR: await tempFolder(t), CLIENT_ID: 'replaced' })
  const fresh = { ...env, DATABASE_URL: other.url, DATA_DIR: `${other.env.DATA_DIR}` }
  t.match(await run(['backup'], fresh), { code: 1, said: /conflict: .*earlier life of this machine/ })
  const before = (await reader.keys()).length
  t.equal((await run(['backup', '--force'], fresh)).code, 0)
  t.ok((await reader.keys()).length > before)
})

t.test('old backups leave, the latest whole one never does', async (t) => {
  const folder = await tempFolder(t)
  const place = createFolderDestination('backup', folder)
  const write = (name: string, ...files: string[]) => {
    mkdirSync(path.join(folder, 'backups/n1', name), { recursive: true })
    for (const file of files) writeFileSync(path.join(folder, 'backups/n1', name, file), 'x')
  }
  const whole = ['manifest.json', 'database.dump.age', 'files.tar.age']
  write('20261101T020000Z', ...whole)
  write('20261102T020000Z', ...whole)
  write('20261118T020000Z', 'files.tar.age')
  write('20261120T010000Z', 'files.tar.age')
  const nowMs = Date.parse('2026-11-20T12:00:00Z')
  t.strictSame(await pruneBackups(place, 'n1', { keepDays: 7, nowMs }), ['20261101T020000Z', '20261118T020000Z'])
  t.strictSame(await pruneBackups(place, 'n1', { keepDays: 7, nowMs }), [])
  const left = execFileSync('find', [folder, '-type', 'f'], { encoding: 'utf8' })
  t.match(left, '20261102T020000Z/manifest.json')
  t.match(left, '20261120T010000Z/files.tar.age', 'it may be one that is being made')
})

const ask = async (url: string, query: string): Promise<Record<string, unknown>[]> => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(query)).rows
  } finally {
    await client.end()
  }
}
