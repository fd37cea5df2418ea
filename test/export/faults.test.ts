import path from 'node:path'
import { CreateMultipartUploadCommand, S3Client } from '@aws-sdk/client-s3'
import t from 'tap'
import { systemClock } from '../../src/clock.ts'
import { createExporter } from '../../src/export/exporter.ts'
import { silentLog } from '../../src/log.ts'
import { secret } from '../../src/secret.ts'
import { createS3Destination } from '../../src/storage/s3-destination.ts'
import { insertBatch } from '../support/batches.ts'
import { bucketReader, bucketSettings } from '../support/buckets.ts'
import { createTestDatabase } from '../support/database.ts'
import { readDelivered } from '../support/delivered.ts'
import { createTestExporter, tempFolder } from '../support/exporter.ts'
import { type S3Fault, type S3Step, s3Faults, startFaultingS3 } from '../support/faulting-s3.ts'
import { startTestS3 } from '../support/s3.ts'

const steps: S3Step[] = ['create', 'part', 'complete', 'put', 'head', 'manifest']
const cells = steps.flatMap((step, s) =>
  s3Faults.flatMap((fault, f) =>
    (['client', 'backup'] as const).map((whose, w) => ({ step, fault, whose, sum: s + f + w })),
  ),
)
/** Every third cell where time is short, by the diagonal, so that each fault meets each destination and both kinds of steps. */
const chosen = process.env.STORM ? cells : cells.filter(({ sum }) => sum % 3 === 0)
for (const name of ['step', 'fault', 'whose'] as const)
  t.same(new Set(chosen.map((cell) => cell[name])), new Set(cells.map((cell) => cell[name])), `each ${name} is tried`)
const inParts: S3Step[] = ['create', 'part', 'complete']

/** A read-back that is cut short is a fault of the GET, whatever the step it proves. */
const where = (step: S3Step, fault: S3Fault): S3Step => (fault === 'truncated' ? 'get' : step)

t.test(`${chosen.length} faults of an S3 API, each lifted again, lose nothing and double nothing`, async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const s3 = await startTestS3(['client-bucket', 'backup-bucket'])
  t.teardown(() => s3.close())
  const proxy = await startFaultingS3(s3.endpoint)
  t.teardown(() => proxy.close())
  const stagingFolder = path.join(await tempFolder(t), 'staging')
  let events = 0

  for (const { step, fault, whose } of chosen) {
    const destinations = (['client', 'backup'] as const).map((name) =>
      createS3Destination(name, {
        bucket: `${name}-bucket`,
        prefix: 'p',
        region: 'us-east-1',
        endpoint: proxy.endpoint,
        forcePathStyle: true,
        accessKey: secret('S3RVER'),
        secretKey: secret('S3RVER'),
        sse: undefined,
        sseKmsKeyId: undefined,
        // Short where `slow` is to be noticed; a busy machine must not look like a fault elsewhere.
        requestMsMax: fault === 'slow' && name === whose ? 5_000 : 60_000,
        ...(inParts.includes(step) && { singlePutBytesMax: 0 }),
      }),
    )
    const exporter = createExporter({
      ...{ db, clock: systemClock, log: silentLog, destinations },
      options: {
        ...{ clientId: 'acme', nodeId: 'n1', stagingFolder, stagingBytesMax: 1e9, formats: ['json', 'parquet'] },
        ...{ compression: { json: 'gzip', parquet: 'zstd' }, partRowsMax: 1000, partBytesMax: 1e9 },
        ...{ encodeMemoryMb: 256, encodeThreads: 1, rules: null, hash: (value: string) => value },
      },
    })
    const name = `${step} ${fault} ${whose}`
    await insertBatch(db, [{ path: `/${name}` }, {}])
    events += 2
    proxy.break({ bucket: `${whose}-bucket`, step: where(step, fault), fault })
    const during = await exporter.run({ probe: true })
    t.ok(proxy.struck() > 0, `${name}: the fault struck`)
    const healthy = during.destinations.filter((one) => one.destination !== whose)
    t.strictSame(
      healthy.map((one) => one.state),
      ['verified'],
      `${name}: the healthy destination is not delayed`,
    )
    proxy.break(undefined)
    const after = await exporter.run({ probe: true })
    t.ok(
      after.destinations.every((one) => one.state === 'verified'),
      `${name}: everything is delivered when the fault is lifted: ${JSON.stringify(after.destinations)}`,
    )
    await exporter.close()
    for (const destination of destinations) destination.close()
  }

  t.strictSame(proxy.dangling(), [], 'no upload in parts is left dangling')
  for (const bucket of ['client-bucket', 'backup-bucket']) {
    const { rows, manifests, problems } = await readDelivered(bucketReader(s3, bucket, 'p'))
    t.strictSame(problems, [], `${bucket}: manifests are true and chained`)
    t.equal(manifests.length, chosen.length)
    for (const format of ['json', 'parquet']) {
      t.equal(rows[format]?.length, events, `${bucket}: all rows of the ledger are there in ${format}`)
      t.equal(new Set(rows[format]?.map((row) => row.event_id)).size, events, 'and none twice')
    }
  }
})

t.test(
  'uploads that a killed process left behind are aborted at the next start; those of others are not',
  async (t) => {
    const s3 = await startTestS3(['client-bucket'])
    t.teardown(() => s3.close())
    const proxy = await startFaultingS3(s3.endpoint)
    t.teardown(() => proxy.close())
    const client = new S3Client({
      ...{ endpoint: proxy.endpoint, region: 'us-east-1', forcePathStyle: true },
      credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
    })
    const keys = ['n1', 'n2'].map(
      (node) => `analytics/events/format=json/dt=2026-11-20/hr=17/part-${node}-0a1b2c3d-0000000001.json.gz`,
    )
    for (const Key of [...keys, 'somebody/else'])
      await client.send(new CreateMultipartUploadCommand({ Bucket: 'client-bucket', Key }))
    t.equal(proxy.dangling().length, 3)
    const { db, close } = await createTestDatabase()
    t.teardown(close)
    const { exporter, close: closeExporter } = createTestExporter(db, {
      DATA_DIR: await tempFolder(t),
      ...bucketSettings('CLIENT', { ...s3, endpoint: proxy.endpoint }, 'client-bucket'),
    })
    t.teardown(closeExporter)
    await exporter.run()
    t.strictSame(proxy.dangling(), [`client-bucket/${keys[1]}`, 'client-bucket/somebody/else'])
  },
)
