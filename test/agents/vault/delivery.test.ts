import { rm } from 'node:fs/promises'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import t from 'tap'
import { openVaultFolder } from '../../../src/agents/vault/folder.ts'
import { loadConfig } from '../../../src/config.ts'
import { secret } from '../../../src/secret.ts'
import { createDestinations } from '../../../src/storage/destinations.ts'
import { createS3Destination } from '../../../src/storage/s3-destination.ts'
import { bucketReader } from '../../support/buckets.ts'
import { type S3Fault, type S3Step, startFaultingS3 } from '../../support/faulting-s3.ts'
import { startTestS3 } from '../../support/s3.ts'
import { storeBatch } from '../lab.ts'
import { shareServer, storeDays, temporaryFolder, untilMs, vaultLab } from './lab.ts'

await shareServer(t)

/** The vault in a real S3 API over HTTP, and what happens while that is away. */
const shop = async (t: Parameters<typeof vaultLab>[0]) => {
  const s3 = await startTestS3(['vault-bucket'])
  t.teardown(() => s3.close())
  const proxy = await startFaultingS3(s3.endpoint)
  t.teardown(() => proxy.close())
  const destination = createS3Destination('client', {
    ...{ bucket: 'vault-bucket', prefix: 'analytics', region: 'us-east-1', endpoint: proxy.endpoint },
    ...{ forcePathStyle: true, accessKey: secret('S3RVER'), secretKey: secret('S3RVER') },
    ...{ sse: undefined, sseKmsKeyId: undefined, requestMsMax: 1_500 },
  })
  t.teardown(() => destination.close())
  const lab = await vaultLab(t, { destination })
  await storeDays(lab.db)
  await lab.run()
  const client = new S3Client({
    ...{ endpoint: s3.endpoint, region: 'us-east-1', forcePathStyle: true },
    credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
  })
  t.teardown(() => client.destroy())
  const reader = bucketReader(s3, 'vault-bucket', 'analytics/vault/n1')
  const at = (key: string) => ({ Bucket: 'vault-bucket', Key: `analytics/vault/n1/${key}` })
  return {
    ...{ ...lab, proxy, reader },
    put: (key: string, text: string) => client.send(new PutObjectCommand({ ...at(key), Body: text })),
    /** What differs between the disk and the bucket. */
    async differences(): Promise<string[]> {
      const [here, keys] = [await lab.files(), await reader.keys()]
      const wrong = [...here.keys()].filter((name) => !keys.includes(name)).map((name) => `missing ${name}`)
      for (const key of keys)
        if ((await reader.read(key)).toString() !== here.get(key)?.text) wrong.push(`other ${key}`)
      return wrong
    },
  }
}
const lastDay = 'daily_reports/2026-11-19 harbor-tea.example.md'

t.test('the bucket has what the disk has, and only news is sent', async (t) => {
  const lab = await shop(t)
  const report = await lab.vault.write({ kind: 'nightly' })
  t.same(await lab.differences(), [])
  t.equal(report.delivered, (await lab.files()).size)
  t.match(await lab.vault.status(), {
    ...{ pending: 0, delivery_error: null, destination: 's3://vault-bucket/analytics/vault/n1/' },
    folder: lab.folder.root,
  })
  t.match(await lab.vault.write({ kind: 'nightly' }), { written: 0, delivered: 0 })

  const own = (await lab.reader.read(lastDay)).toString()
  await lab.put(lastDay, own.replace('## My notes\n', '## My notes\n\nFrom my phone: ✓\n'))
  await lab.put('mine.md', '# Of a person\n')
  await storeBatch(lab.db, [
    {
      type: 'pageview',
      at: '2026-11-19T12:00:00Z',
      site: 'harbor-tea.example',
      visitor: 'late',
      created: untilMs + 120_000,
    },
  ])
  await lab.run('hourly')
  t.match(await lab.vault.write({ kind: 'hourly', days: [{ siteId: 'harbor-tea.example', day: '2026-11-19' }] }), {
    taken: 1,
  })
  t.match((await lab.reader.read(lastDay)).toString(), 'From my phone: ✓')
  t.same(await lab.differences(), ['other mine.md'], 'a person’s own object is left alone')
})

/** Requests of a delivery that fail, and what becomes of them. */
const faults: [S3Step, S3Fault][] = process.env.STORM
  ? (['put', 'head', 'get', 'list'] as const).flatMap((step) =>
      (['403', '404-bucket', '429', '500', '503', 'reset', 'truncated', 'slow'] as const).map(
        (fault): [S3Step, S3Fault] => [step, fault],
      ),
    )
  : [
      ['put', '403'],
      ['put', '500'],
      ['put', 'reset'],
      ['head', '503'],
      ['head', 'slow'],
      ['list', '403'],
      ['list', '404-bucket'],
      ['list', 'reset'],
      ['get', 'truncated'],
    ]

t.test('a bucket that is away leaves the disk whole, and gets everything afterwards', async (t) => {
  const lab = await shop(t)
  await lab.vault.write({ kind: 'nightly' })
  let hour = 0
  for (const [step, fault] of faults)
    await t.test(`${step}: ${fault}`, async (t) => {
      hour++
      const own = (await lab.reader.read(lastDay)).toString()
      await lab.put(lastDay, `${own}\nWords ${hour} from there.\n`)
      await storeBatch(lab.db, [
        {
          type: 'pageview',
          at: '2026-11-19T12:00:00Z',
          site: 'harbor-tea.example',
          visitor: `late${hour}`,
          created: untilMs + hour * 120_000,
        },
      ])
      await lab.run('hourly')
      const scope = { kind: 'hourly', days: [{ siteId: 'harbor-tea.example', day: '2026-11-19' }] } as const
      lab.proxy.break({ bucket: 'vault-bucket', step, fault })
      const broken = await lab.vault.write(scope)
      lab.proxy.break(undefined)
      t.ok(broken.written >= 1, 'the notes are there')
      // A HEAD that is cut short has nothing that could be missing.
      if (broken.error === null) t.equal(fault, 'truncated')
      else {
        t.match((await lab.vault.status()).delivery_error, /s3:\/\/vault-bucket/)
        t.ok((await lab.vault.status()).pending > 0)
        t.match(await lab.vault.deliver(), { error: null })
      }
      t.same(await lab.differences(), [])
      t.match((await lab.reader.read(lastDay)).toString(), `Words ${hour} from there.`)
      t.match(await lab.vault.status(), { pending: 0, delivery_error: null })
      t.match(await lab.vault.deliver(), { written: 0, delivered: 0 })
    })
})

t.test('a bucket without keys: the vault is on the disk, and waits', async (t) => {
  const folder = await temporaryFolder(t)
  const config = loadConfig({ DATA_DIR: folder, CLIENT_S3_BUCKET: 'theirs' }, '/nowhere/.env')
  const [destination] = createDestinations(config)
  if (!destination) throw new Error('no destination')
  const lab = await vaultLab(t, { destination, folder: openVaultFolder(`${folder}/vault`) })
  await storeDays(lab.db)
  await lab.run()
  const report = await lab.vault.write({ kind: 'nightly' })
  t.match(report, { delivered: 0, error: /needs keys/ })
  t.ok(report.written > 30)
  t.match(await lab.vault.status(), { pending: report.written, delivery_error: /needs keys/ })
})

t.test('a disk that was lost while the bucket is away: words in the bucket are not written over', async (t) => {
  const lab = await shop(t)
  await lab.vault.write({ kind: 'nightly' })
  const own = (await lab.reader.read(lastDay)).toString()
  await lab.put(lastDay, `${own}\nPrecious words.\n`)
  await lab.vault.deliver()
  await rm(lab.folder.root, { recursive: true })
  lab.proxy.break({ bucket: 'vault-bucket', step: 'list', fault: '503' })
  t.match(await lab.vault.write({ kind: 'nightly' }), { error: /503/ })
  t.ok((await lab.files()).has(lastDay), 'the vault is whole')
  lab.proxy.break(undefined)
  t.match(await lab.vault.write({ kind: 'nightly' }), { error: null })
  t.match((await lab.reader.read(lastDay)).toString(), 'Precious words.')
  t.match((await lab.files()).get(lastDay)?.text, 'Precious words.')
  t.same(await lab.differences(), [])
})

t.test('a delivery that failed with nothing to deliver is not told of for ever', async (t) => {
  const lab = await shop(t)
  await lab.vault.write({ kind: 'nightly' })
  lab.proxy.break({ bucket: 'vault-bucket', step: 'list', fault: '403' })
  t.match(await lab.vault.deliver(), { error: /403/ })
  lab.proxy.break(undefined)
  t.match(await lab.vault.status(), { pending: 0, delivery_error: /403/ })
  await lab.vault.deliver()
  t.match(await lab.vault.status(), { pending: 0, delivery_error: null })
})

t.test('a machine that lost everything takes over what it delivered before', async (t) => {
  const lab = await shop(t)
  await lab.vault.write({ kind: 'nightly' })
  const own = (await lab.reader.read(lastDay)).toString()
  await lab.put(lastDay, `${own}\nWords before the restore.\n`)
  await lab.db.execute('delete from notes')
  await rm(lab.folder.root, { recursive: true })
  t.match(await lab.vault.write({ kind: 'nightly' }), { error: null })
  t.match((await lab.reader.read(lastDay)).toString(), 'Words before the restore.')
  t.match((await lab.files()).get(lastDay)?.text, 'Words before the restore.')
  t.same(await lab.differences(), [])
})
