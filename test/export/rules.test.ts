import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { parse } from 'csv-parse/sync'
import t, { type Test } from 'tap'
import { systemClock } from '../../src/clock.ts'
import { createForgetting } from '../../src/collect/forget.ts'
import { openReplay } from '../../src/export/replay.ts'
import { releaseBuffer } from '../../src/export/retention.ts'
import { loadRules } from '../../src/export/rules.ts'
import { checkParity, verifyDestination } from '../../src/export/verify.ts'
import { createKeyedHash } from '../../src/keyed-hash.ts'
import { silentLog } from '../../src/log.ts'
import { requestErasure } from '../../src/privacy/requests.ts'
import { secret } from '../../src/secret.ts'
import { createFolderDestination } from '../../src/storage/folder-destination.ts'
import type { Manifest } from '../../src/storage/manifest.ts'
import { insertBatch, longAgo, type TestEvent } from '../support/batches.ts'
import { createTestDatabase } from '../support/database.ts'
import { createTestExporter, tempFolder } from '../support/exporter.ts'

const rulesText = `
client:
  include:
    sites: ['shop.example.com', '*.brand.example']
  exclude:
    event_types: [debug]
  drop: [ip_address, raw_event_data.eventData.note, raw_event_data.items.secret]
  hash: [user_id, raw_event_data.userId]
`
const hostile = 'a "quoted" text,\nwith a line break \\ and 😀'
const events: TestEvent[] = [
  {
    ...{ user_id: 'u1', ip_address: '203.0.113.0', url: hostile, path: '' },
    raw_event_data: `{"userId":"u1","eventData":{"note":"private","kept":9007199254740993},"items":[{"secret":1,"n":2},{"n":3}]}`,
  },
  { site_id: 'a.brand.example', raw_event_data: JSON.stringify({ text: hostile }) },
  { site_id: 'brand.example' },
  { site_id: 'other.example' },
  { event_type: 'debug' },
  { site_id: null },
]

const setUp = async (t: Test) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const DATA_DIR = await tempFolder(t)
  const file = path.join(DATA_DIR, 'rules.yaml')
  await writeFile(file, rulesText)
  const open = (env: NodeJS.ProcessEnv = {}) =>
    createTestExporter(db, {
      DATA_DIR,
      HASH_KEY: 'test',
      EXPORT_FORMAT: 'json,csv,parquet',
      EXPORT_RULES: file,
      ...env,
    })
  const folder = (name: 'client' | 'backup') => path.join(DATA_DIR, 'exports', name)
  const verify = async () => {
    const [client, backup] = await Promise.all(
      (['client', 'backup'] as const).map((name) =>
        verifyDestination(createFolderDestination(name, folder(name)), { full: true, mustHold: true }),
      ),
    )
    if (!client || !backup) throw new Error('two reports')
    return { client, backup, parity: checkParity(client.chain, backup.chain).problems }
  }
  const release = async () => {
    await db.execute('update batches set agents_run_id = 1')
    return releaseBuffer(
      { db, clock: systemClock, log: silentLog },
      { keepMs: -1_000, diskIsLow: false, backupBucket: null },
    )
  }
  return { db, DATA_DIR, open, folder, verify, release }
}

const filesBelow = async (folder: string, ending: string): Promise<Buffer[]> => {
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((one) => one.isFile())
  const names = files.map((one) => path.join(one.parentPath, one.name)).filter((one) => one.endsWith(ending))
  return Promise.all(names.sort().map((name) => readFile(name)))
}
const linesOf = async (folder: string) =>
  (await filesBelow(path.join(folder, 'events'), '.json.gz'))
    .flatMap((bytes) => gunzipSync(bytes).toString().split('\n').slice(0, -1))
    .map((line) => ({ line, row: JSON.parse(line) }))
const manifestsOf = async (folder: string): Promise<Manifest[]> =>
  (await filesBelow(path.join(folder, 'manifests'), '.json')).map((bytes) => JSON.parse(bytes.toString()))

t.test('a filtered destination gets the events and fields that are meant for it; the backup gets all', async (t) => {
  const { db, open, folder, verify } = await setUp(t)
  const service = open()
  t.teardown(() => service.close())
  await insertBatch(db, events)
  t.match(await service.exporter.run(), { parts: 1, events: 6 })
  const sent = await linesOf(folder('client'))
  t.match(
    sent.map(({ row }) => row.site_id),
    ['shop.example.com', 'a.brand.example'],
  )
  const hash = createKeyedHash(secret('test')).text('export', 'u1')
  t.match(sent[0]?.row, { user_id: hash, ip_address: null, url: hostile, path: '' })
  t.match(sent[0]?.line, `{"userId":"${hash}","eventData":{"kept":9007199254740993},"items":[{"n":2},{"n":3}]}`)
  t.equal(sent[1]?.row.raw_event_data.text, hostile)
  const csv = (await filesBelow(path.join(folder('client'), 'events'), '.csv.gz')).flatMap(
    (bytes) => parse(gunzipSync(bytes).toString(), { columns: true }) as Record<string, string>[],
  )
  t.match(csv, [{ user_id: hash, url: hostile }, { site_id: 'a.brand.example' }])
  t.equal((await linesOf(folder('backup'))).length, 6)

  t.match((await manifestsOf(folder('client')))[0], {
    events: 6,
    filter: { kept: 2, dropped: 4 },
    usage: { length: 5 },
  })
  t.equal((await manifestsOf(folder('backup')))[0]?.filter, undefined)
  const { client, backup, parity } = await verify()
  t.match([client.problems, backup.problems, parity], [[], [], []])
})

t.test('the chain of a destination holds while rules come, change and go', async (t) => {
  const { db, DATA_DIR, open, verify, folder } = await setUp(t)
  const run = async (env: NodeJS.ProcessEnv) => {
    await insertBatch(db, events)
    const service = open(env)
    await service.exporter.run()
    await service.close()
  }
  const other = path.join(DATA_DIR, 'other.yaml')
  await writeFile(other, 'client:\n  include: { event_types: [never] }\n')
  await run({ EXPORT_RULES: undefined })
  await run({})
  await run({ EXPORT_RULES: other })
  await run({ EXPORT_RULES: undefined })
  const manifests = await manifestsOf(folder('client'))
  t.match(
    manifests.map(({ filter }) => filter?.kept ?? 'all'),
    ['all', 2, 0, 6],
  )
  t.equal(new Set(manifests.map(({ filter }) => filter?.rules_sha256)).size, 4)
  const { client, backup, parity } = await verify()
  t.match([client.problems, backup.problems, parity], [[], [], []])
  t.match([client.events, backup.events], [24, 24])
})

t.test(
  'a filtered destination that was emptied is filled again, from the buffer and from the backup, byte by byte',
  async (t) => {
    const { db, open, folder, verify, release } = await setUp(t)
    const service = open()
    t.teardown(() => service.close())
    await insertBatch(db, events, longAgo)
    await service.exporter.run()
    const before = await filesBelow(folder('client'), '')
    const again = async () => {
      for (const below of ['events', 'manifests']) await rm(path.join(folder('client'), below), { recursive: true })
      await openReplay(db, { from: '2026-01-01', to: '2027-01-01', destination: 'client' })
      await service.exporter.run({ probe: true })
      t.strictSame(await filesBelow(folder('client'), ''), before)
      t.match((await verify()).client.problems, [])
    }
    await again()
    t.match(await release(), { parts: 1 })
    await again()
  },
)

t.test('an erasure takes a person out of filtered files, too, where their id is hashed', async (t) => {
  const { db, DATA_DIR, open, folder, verify, release } = await setUp(t)
  const service = open()
  t.teardown(() => service.close())
  const forgetting = createForgetting({
    ...{ db, clock: systemClock, log: silentLog, nodeId: 'n1', settleMs: -1_000, backup: undefined },
    ...{ spoolRoot: path.join(DATA_DIR, 'spool'), stagingFolder: path.join(DATA_DIR, 'staging') },
  })
  await mkdir(path.join(DATA_DIR, 'staging'), { recursive: true })
  for (const user of ['u1', 'u2']) {
    await insertBatch(db, [...events, { user_id: 'u2', raw_event_data: '{"userId":"u2"}' }], longAgo)
    await service.exporter.run()
    if (user === 'u1') await release()
    await requestErasure(db, createKeyedHash(secret('test')), { user }, { by: 'a test', nowMs: Date.now() })
    await forgetting.work()
    await service.exporter.run()
    const { client, backup, parity } = await verify()
    t.match([client.problems, backup.problems, parity], [[], [], []], user)
    const hash = createKeyedHash(secret('test')).text('export', user)
    t.notOk(
      (await linesOf(folder('client'))).some(({ line }) => line.includes(hash)),
      `${user} is gone`,
    )
    t.notOk((await linesOf(folder('backup'))).some(({ line }) => line.includes(`"${user}"`)))
  }
  t.match((await manifestsOf(folder('client'))).map(({ revision }) => revision).sort(), [0, 0, 1, 1, 2])
})

t.test('mistakes in the rules are said at once, all of them', async (t) => {
  const folder = await tempFolder(t)
  const load = async (text: string) => {
    const file = path.join(folder, 'rules.yaml')
    await writeFile(file, text)
    try {
      loadRules(file)
      return 'no error'
    } catch (error) {
      return (error as Error).message
    }
  }
  t.match(await load('backup: {}\nclient: {}'), /The backup is never filtered/)
  const many = await load('client:\n  drop: [event_id, nothing, url.path]\n  hash: [raw_event_data]\n  other: 1')
  for (const part of [
    /event_id may neither/,
    /nothing is no column/,
    /url.path has nothing inside/,
    /raw_event_data can be dropped/,
    /other/,
  ])
    t.match(many, part)
  t.match(await load('client: {include: {sites: ["https://x/"]}}'), /must be a host/)
  t.match(await load('a: ['), /is no YAML/)
  t.throws(() => loadRules(path.join(folder, 'none.yaml')), { message: /cannot be read/ })
})
