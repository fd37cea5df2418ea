import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { truncate } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import pg from 'pg'
import t from 'tap'
import { startArchive, unpackArchive } from '../../src/appliance/archive.ts'
import type { BackupManifest } from '../../src/appliance/backup-manifest.ts'
import { checkBackups } from '../../src/appliance/check-storage.ts'
import { createDatabase, siblingUrl } from '../../src/appliance/databases.ts'
import { removeLeftovers } from '../../src/appliance/leftovers.ts'
import { restoreDatabase } from '../../src/appliance/restore-database.ts'
import { systemClock } from '../../src/clock.ts'
import { loadConfig } from '../../src/config.ts'
import { keygen } from '../../src/provisioning/keygen.ts'
import { createFolderDestination } from '../../src/storage/folder-destination.ts'
import { tempFolder } from '../support/exporter.ts'
import { findServerWithPrograms } from './postgres-with-programs.ts'
import { runCommand } from './run-command.ts'

const server = await findServerWithPrograms()
if (server) process.env.TEST_DATABASE_URL = server.url
const { createBillingLab } = await import('../billing/lab.ts')
const skip =
  server === undefined && 'no PostgreSQL with its client programs is on this machine (apt-get install postgresql)'

const run = (args: string[], env: NodeJS.ProcessEnv) =>
  runCommand(args, { ...env, PATH: `${server?.programs}:${process.env.PATH}` })

t.test('a backup that could not read all of it fails, and says what', async (t) => {
  const dataDir = await tempFolder(t)
  mkdirSync(path.join(dataDir, 'secrets'))
  writeFileSync(path.join(dataDir, 'secrets/hash-key'), 'a key')
  const taken = async () => {
    const archive = startArchive(dataDir, path.join(dataDir, 'no-vault-yet'), [])
    const tar = await text(archive.stream)
    await archive.done
    return tar
  }
  t.match(await taken(), 'a key')
  // Nobody can read it, root neither.
  symlinkSync('loop', path.join(dataDir, 'secrets/loop'))
  await t.rejects(taken(), { code: 'backup_failed', message: /secrets\/loop/ })
  t.throws(() => startArchive(dataDir, undefined, [path.join(dataDir, 'misspelt')]), {
    code: 'setting_invalid',
    message: /misspelt, which is not there/,
  })
  await t.resolves(
    startArchive(dataDir, path.join(dataDir, 'vault'), []).done.catch(() => undefined),
    'no note yet',
  )
})

t.test('an archive of a stranger writes nothing outside of its folder', async (t) => {
  const folder = await tempFolder(t)
  const inside = path.join(folder, 'a/b/inside')
  mkdirSync(path.join(folder, 'source/deep'), { recursive: true })
  writeFileSync(path.join(folder, 'source/evil'), 'evil')
  symlinkSync(folder, path.join(folder, 'source/way-out'))
  const archiveOf = (...args: string[]) =>
    Readable.from(execFileSync('tar', ['-P', '-C', path.join(folder, 'source'), '-cf', '-', ...args]))
  for (const [name, archive] of [
    ['parent', archiveOf('--transform=s,^,../../,', 'evil')],
    ['absolute', archiveOf(`--transform=s,^,${folder}/,`, 'evil')],
    // First a link that leads out, then a file through it.
    ['link', archiveOf('way-out', '--transform=s,^evil$,way-out/evil,', 'evil')],
  ] as const) {
    await unpackArchive(archive, path.join(inside, name)).catch(() => undefined)
    t.notOk(existsSync(path.join(folder, 'evil')), name)
    t.notOk(existsSync(path.join(folder, 'a/evil')), name)
    t.notOk(existsSync(path.join(folder, 'a/b/evil')), name)
  }
})

t.test('what a killed backup, restore or drill left is removed after a day', async (t) => {
  const staging = await tempFolder(t)
  const nowMs = Date.parse('2026-11-20T12:00:00Z')
  for (const [name, hours] of [
    ['backup-20261118T020000Z', 58],
    ['drill-0a1b2c3d', 30],
    ['restore-20261120T020000Z', 1],
    ['part-7', 300],
  ] as const) {
    mkdirSync(path.join(staging, name))
    writeFileSync(path.join(staging, name, 'database.dump'), 'rows')
    const at = nowMs / 1000 - hours * 3600
    utimesSync(path.join(staging, name), at, at)
  }
  t.strictSame((await removeLeftovers(staging, nowMs)).sort(), ['backup-20261118T020000Z', 'drill-0a1b2c3d'])
  t.strictSame(readdirSync(staging).sort(), ['part-7', 'restore-20261120T020000Z'])
})

t.test('a backup of the future is not taken for a fresh one', async (t) => {
  const folder = await tempFolder(t)
  const place = path.join(folder, 'backups/n1/20360101T000000Z')
  mkdirSync(place, { recursive: true })
  writeFileSync(path.join(place, 'manifest.json'), '{}')
  const [one, two] = [path.join(folder, 'one.key'), path.join(folder, 'two.key')]
  const config = loadConfig(
    { DATA_DIR: folder, BACKUP_RECIPIENTS: `${await keygen(one)},${await keygen(two)}` },
    '/dev/null',
  )
  const backup = createFolderDestination('backup', folder)
  const checks = await checkBackups(backup, config, Date.parse('2026-11-20T12:00:00Z'))
  t.match(checks[0], { name: 'backup', state: 'fail', found: /of the future/ })
})

t.test('a folder that refuses to lose old backups does not undo the new one', { skip }, async (t) => {
  const folder = await tempFolder(t)
  const keys = [path.join(folder, 'operator.key'), path.join(folder, 'recovery.key')] as const
  const recipients = [await keygen(keys[0]), await keygen(keys[1])].join(',')
  const lab = await createBillingLab(t, { DATA_DIR: path.join(folder, 'data'), CLIENT_ID: 'kept' })
  const env = { DATA_DIR: path.join(folder, 'data'), CLIENT_ID: 'kept', DATABASE_URL: lab.url }
  const program = { ...env, BACKUP_RECIPIENTS: recipients }
  const old = path.join(folder, 'data/exports/backup/backups/n1/20200101T000000Z')
  // A folder in the place of a file cannot be removed as one.
  mkdirSync(path.join(old, 'manifest.json'), { recursive: true })
  writeFileSync(path.join(old, 'files.tar.age'), 'x')
  mkdirSync(path.join(folder, 'data/secrets'), { recursive: true })
  writeFileSync(path.join(folder, 'data/secrets/hash-key'), 'a key')
  const made = await run(['backup', '--json'], program)
  t.equal(made.code, 0, made.said)
  const said = JSON.parse(made.said.slice(made.said.indexOf('{')))
  t.match(said, { removed: [], problems: [/^Old backups could not be removed: /] })

  // The wrong key, then the right one, into the same folder.
  const out = path.join(folder, 'old')
  const wrong = path.join(folder, 'wrong.key')
  await keygen(wrong)
  t.match(await run(['restore', '--identity', wrong, '--files', out], program), { code: 1, said: /decrypted/ })
  t.notOk(existsSync(out))
  t.match(await run(['restore', '--identity', keys[0], '--files', out], { ...program, CLIENT_ID: 'other' }), {
    code: 1,
    said: /restore_refused: .*client kept, not other/,
  })
  const unpacked = await run(['restore', '--identity', keys[0], '--files', out], program)
  t.equal(unpacked.code, 0, unpacked.said)
  t.equal(readFileSync(path.join(out, 'data/secrets/hash-key'), 'utf8'), 'a key')

  const moved = path.join(folder, 'data/exports/backup/backups/n2')
  execFileSync('cp', ['-r', path.join(folder, 'data/exports/backup/backups/n1'), moved])
  t.match(await run(['restore', '--identity', keys[0], '--replace'], { ...program, NODE_ID: 'n2' }), {
    code: 1,
    said: /restore_refused: .*is of node n1/,
  })

  // A drill that was killed leaves a whole copy of the database; the next one removes it.
  const left = siblingUrl(lab.url, `${new URL(lab.url).pathname.slice(1)}_drill_deadbeef`)
  await createDatabase(left, systemClock)
  t.equal((await run(['drill'], program)).code, 0)
  const names = await ask(lab.url, `select datname from pg_database where datname like '%_drill_%'`)
  t.strictSame(names, [])
})

t.test('a restore that ends half way leaves an empty database, not half of one', { skip }, async (t) => {
  const folder = await tempFolder(t)
  const lab = await createBillingLab(t, { DATA_DIR: folder, CLIENT_ID: 'half' })
  const dumpFile = path.join(folder, 'database.dump')
  const child = spawn(path.join(server?.programs ?? '', 'pg_dump'), ['-Fc', '-Z1', lab.url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const chunks: Buffer[] = []
  for await (const chunk of child.stdout) chunks.push(chunk as Buffer)
  const dump = Buffer.concat(chunks)
  writeFileSync(dumpFile, dump)
  // Behind the tables, in the last of their rows.
  await truncate(dumpFile, dump.length - 60)
  const [state] = await ask(
    lab.url,
    `select current_setting('server_version_num')::int / 10000 as major,
            (select extversion from pg_extension where extname = 'timescaledb') as timescaledb`,
  )
  const url = siblingUrl(lab.url, `${new URL(lab.url).pathname.slice(1)}_half`)
  await createDatabase(url, systemClock)
  const manifest: BackupManifest = {
    version: 1,
    ...{ client_id: 'half', node_id: 'n1', created_at: '2026-11-20T00:00:00.000Z', producer: 'evothesis' },
    ...{ postgres: { version: '', major: Number(state?.major) }, timescaledb: null, migration: 1, epoch: 'x' },
    ...{ tables: {}, files: [], recipients: [], duration_ms: 0 },
    ...(state?.timescaledb !== null && { timescaledb: String(state?.timescaledb) }),
  }
  await t.rejects(restoreDatabase({ url, dumpFile, manifest, clock: systemClock }))
  t.strictSame(
    await ask(
      url,
      `select to_regclass('public.schema_migrations') as migrations, to_regclass('public.batches') as batches`,
    ),
    [{ migrations: null, batches: null }],
  )
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
