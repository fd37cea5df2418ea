import { createHash, randomFillSync } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import t from 'tap'
import { secret } from '../../src/secret.ts'
import { partBytesFor } from '../../src/storage/multipart.ts'
import { createS3Destination } from '../../src/storage/s3-destination.ts'
import { insertBatch } from '../support/batches.ts'
import { bucketReader, bucketSettings } from '../support/buckets.ts'
import { createTestDatabase } from '../support/database.ts'
import { readDelivered } from '../support/delivered.ts'
import { createTestExporter, tempFolder } from '../support/exporter.ts'
import { startTestS3 } from '../support/s3.ts'

t.test('both buckets get the same bytes under the same keys, each below its own prefix', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const s3 = await startTestS3(['client-bucket', 'backup-bucket'])
  t.teardown(() => s3.close())
  const { exporter, close: closeExporter } = createTestExporter(db, {
    DATA_DIR: await tempFolder(t),
    CLIENT_ID: 'acme',
    EXPORT_FORMAT: 'json,csv,parquet',
    PART_ROWS_MAX: '1000',
    ...bucketSettings('CLIENT', s3, 'client-bucket'),
    ...bucketSettings('BACKUP', s3, 'backup-bucket'),
  })
  t.teardown(closeExporter)
  for (let n = 0; n < 3; n++)
    await insertBatch(
      db,
      Array.from({ length: 700 }, (_, i) => ({ path: `/${n}/${i}` })),
    )
  t.match(await exporter.run(), { parts: 3, events: 2100, held: null })
  const client = bucketReader(s3, 'client-bucket', 'analytics')
  const backup = bucketReader(s3, 'backup-bucket', 'acme')
  const { rows, problems } = await readDelivered(client)
  t.strictSame(problems, [])
  for (const format of ['json', 'csv', 'parquet']) t.equal(rows[format]?.length, 2100)
  t.strictSame((await readDelivered(backup)).problems, [])
  const keys = await client.keys()
  t.strictSame(await backup.keys(), keys)
  for (const key of keys) t.ok((await client.read(key)).equals(await backup.read(key)), key)
  t.match(await exporter.run(), { parts: 0, destinations: [] })
})

t.test(
  'a missing client bucket parks the client, never the backup, and resumes when the bucket is there',
  async (t) => {
    const { db, close } = await createTestDatabase()
    t.teardown(close)
    const s3 = await startTestS3(['other'])
    t.teardown(() => s3.close())
    const { exporter, close: closeExporter } = createTestExporter(db, {
      DATA_DIR: await tempFolder(t),
      ...bucketSettings('CLIENT', s3, 'missing'),
      ...bucketSettings('BACKUP', s3, 'other'),
    })
    t.teardown(closeExporter)
    await insertBatch(db, [{}])
    t.match(await exporter.run(), {
      destinations: [
        { destination: 'backup', state: 'verified', deliveries: 2 },
        { destination: 'client', state: 'parked', error: /NoSuchBucket/ },
        { destination: 'client', state: 'pending' },
      ],
    })
    await insertBatch(db, [{}])
    t.match(await exporter.run(), { parts: 1, held: null }, 'parts go on being made')
    t.equal((await readDelivered(bucketReader(s3, 'other', 'local'))).rows.json?.length, 2)

    await mkdir(path.join(s3.folder, 'missing'))
    t.match(await exporter.run({ probe: true }), {
      parts: 0,
      destinations: [
        { destination: 'backup', state: 'verified' },
        { destination: 'client', state: 'verified', deliveries: 4 },
      ],
    })
    const { rows, problems } = await readDelivered(bucketReader(s3, 'missing', 'analytics'))
    t.strictSame(problems, [])
    t.equal(rows.json?.length, 2)
  },
)

t.test('refused keys park a destination; a bucket without keys waits for them', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const s3 = await startTestS3(['bucket-a'])
  t.teardown(() => s3.close())
  await insertBatch(db, [{}])
  const refused = createTestExporter(db, {
    DATA_DIR: await tempFolder(t),
    ...bucketSettings('CLIENT', s3, 'bucket-a', 'WRONG'),
    BACKUP_S3_BUCKET: 'bucket-b',
  })
  t.match(await refused.exporter.run(), { parts: 0, held: /no.*|403|needs keys/ })
  await refused.close()
  const folder = createTestExporter(db, {
    DATA_DIR: await tempFolder(t),
    ...bucketSettings('CLIENT', s3, 'bucket-a', 'WRONG'),
  })
  t.match(await folder.exporter.run(), {
    parts: 1,
    destinations: [
      { destination: 'backup', state: 'verified' },
      { destination: 'client', state: 'parked', error: /403/ },
      { destination: 'client', state: 'pending' },
    ],
  })
  await folder.close()
})

for (const checksum of ['md5', 'none'])
  t.test(`uploads with ${checksum} as their checksum are read back all the same`, async (t) => {
    const { db, close } = await createTestDatabase()
    t.teardown(close)
    const s3 = await startTestS3(['bucket-a'])
    t.teardown(() => s3.close())
    await insertBatch(db, [{}])
    const { exporter, close: closeExporter } = createTestExporter(db, {
      DATA_DIR: await tempFolder(t),
      ...bucketSettings('CLIENT', s3, 'bucket-a'),
      CLIENT_S3_CHECKSUM: checksum,
    })
    t.teardown(closeExporter)
    await exporter.run()
    t.strictSame((await readDelivered(bucketReader(s3, 'bucket-a', 'analytics'))).problems, [])
    const evidence = await db.query(`select distinct evidence->>'method' as method from deliveries`)
    t.strictSame(evidence, [{ method: 'read-back' }])
  })

t.test('an object above 64 MB is sent in parts and read back', async (t) => {
  const s3 = await startTestS3(['bucket-a'])
  t.teardown(() => s3.close())
  const file = path.join(await tempFolder(t), 'big')
  const bytes = randomFillSync(Buffer.alloc(70 * 1024 * 1024 + 17))
  await writeFile(file, bytes)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const destination = createS3Destination('client', {
    bucket: 'bucket-a',
    prefix: 'p',
    region: 'us-east-1',
    endpoint: s3.endpoint,
    forcePathStyle: true,
    accessKey: secret('S3RVER'),
    secretKey: secret('S3RVER'),
    sse: undefined,
    sseKmsKeyId: undefined,
  })
  t.teardown(() => destination.close())
  t.match(await destination.create('big', { path: file, bytes: bytes.length, sha256 }), { bytes: bytes.length, sha256 })
  const other = createHash('sha256').update('other').digest('hex')
  await t.rejects(
    destination.create('big', { path: file, bytes: bytes.length, sha256: other }),
    { code: 'destination_mismatch' },
    'other bytes under the same key are never overwritten',
  )
})

t.test('no object needs more than 10,000 parts', (t) => {
  for (const size of [1, 64e6, 5e9, 167_772_160_000, 167_772_160_001, 5e12])
    t.ok(Math.ceil(size / partBytesFor(size)) <= 10_000, `${size} bytes`)
  t.end()
})

/** Lists unfinished uploads a page at a time, without an end where `pages` is Infinity, and notes which are aborted. */
const startUploadsServer = async (pages: number) => {
  const aborted: string[] = []
  const asked: string[] = []
  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://x')
    const uploadId = url.searchParams.get('uploadId')
    if (request.method === 'DELETE') {
      aborted.push(`${url.pathname} ${uploadId}`)
      response.writeHead(204).end()
      return
    }
    const marker = [url.searchParams.get('key-marker'), url.searchParams.get('upload-id-marker')]
    asked.push(marker.join(' '))
    const page = Number(/\d+$/.exec(marker[0] ?? '')?.[0] ?? -1) + 1
    const uploads = [`p/ours-${page}`, `p/theirs-${page}`].map(
      (key) => `<Upload><Key>${key}</Key><UploadId>id-${page}</UploadId></Upload>`,
    )
    const next = `<NextKeyMarker>p/theirs-${page}</NextKeyMarker><NextUploadIdMarker>id-${page}</NextUploadIdMarker>`
    const isLast = page + 1 === pages
    response.writeHead(200, { 'content-type': 'application/xml' })
    response.end(
      `<ListMultipartUploadsResult><IsTruncated>${!isLast}</IsTruncated>${isLast ? '' : next}${uploads.join('')}</ListMultipartUploadsResult>`,
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { endpoint, aborted, asked, close: () => server.close() }
}

t.test('unfinished uploads are swept on all pages of their listing, and on no more than 100', async (t) => {
  for (const [pages, read] of [
    [1, 1],
    [3, 3],
    [Number.POSITIVE_INFINITY, 100],
  ] as const) {
    const server = await startUploadsServer(pages)
    const destination = createS3Destination('client', {
      bucket: 'bucket-a',
      prefix: 'p',
      region: 'us-east-1',
      endpoint: server.endpoint,
      forcePathStyle: true,
      accessKey: secret('S3RVER'),
      secretKey: secret('S3RVER'),
      sse: undefined,
      sseKmsKeyId: undefined,
    })
    t.equal(await destination.sweep((key) => key.startsWith('ours-')), read)
    destination.close()
    server.close()
    const numbers = Array.from({ length: read }, (_, n) => n)
    t.strictSame(
      server.aborted,
      numbers.map((n) => `/bucket-a/p/ours-${n} id-${n}`),
    )
    t.strictSame(
      server.asked,
      numbers.map((n) => (n === 0 ? ' ' : `p/theirs-${n - 1} id-${n - 1}`)),
    )
  }
})
