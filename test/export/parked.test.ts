import path from 'node:path'
import t from 'tap'
import type { Db } from '../../src/db.ts'
import { stagedParts } from '../../src/export/staging.ts'
import { checkParity, verifyDestination } from '../../src/export/verify.ts'
import { createFolderDestination } from '../../src/storage/folder-destination.ts'
import { insertBatch } from '../support/batches.ts'
import { bucketSettings } from '../support/buckets.ts'
import { createTestDatabase } from '../support/database.ts'
import { createTestExporter, tempFolder } from '../support/exporter.ts'
import { startFaultingS3 } from '../support/faulting-s3.ts'
import { startTestS3 } from '../support/s3.ts'

const hourMs = 3_600_000
const days = 7
/** Exports of a simulated day: every six hours, or every hour. */
const runsOfDay = process.env.STORM === '1' ? 24 : 4
const rows = 400

t.setTimeout(1_200_000)

t.test(
  'a destination that is parked for a week: staging stays bounded, the other goes on, healing ends with parity',
  async (t) => {
    const { db, close } = await createTestDatabase()
    t.teardown(close)
    const DATA_DIR = await tempFolder(t)
    const s3 = await startTestS3(['client-bucket'])
    t.teardown(() => s3.close())
    const proxy = await startFaultingS3(s3.endpoint)
    t.teardown(() => proxy.close())
    const clock = { nowMs: Date.now(), now: () => clock.nowMs, sleep: async () => {} }
    const env = { DATA_DIR, ...bucketSettings('CLIENT', { ...s3, endpoint: proxy.endpoint }, 'client-bucket') }
    const service = createTestExporter(db, env, clock)
    t.teardown(() => service.close())
    const staged = async () =>
      [...(await stagedParts(path.join(DATA_DIR, 'staging'))).values()].reduce((a, b) => a + b, 0)

    proxy.break({ bucket: 'client-bucket', step: 'put', fault: '403' })
    let largest = 0
    let delivered = 0
    for (let run = 0; run < days * runsOfDay; run++) {
      await insertBatch(
        db,
        Array.from({ length: rows }, (_, n) => ({ path: `/${run}/${n}`, raw_event_data: `{"n":${n}}` })),
      )
      const { destinations } = await service.exporter.run()
      delivered += destinations.filter((one) => one.destination === 'backup' && one.state === 'verified').length
      if (destinations.some((one) => one.destination === 'backup' && one.state !== 'verified'))
        t.fail('the backup waits')
      largest = Math.max(largest, await staged())
      clock.nowMs += (24 / runsOfDay) * hourMs
    }
    t.ok(delivered >= days * runsOfDay, 'the backup had every part in the run that made it')
    const [part] = await db.query<{ bytes: number }>('select max(bytes)::bigint as bytes from export_objects')
    t.ok(largest <= 2 * (part?.bytes ?? 0) + 20_000, `staging held ${largest} bytes at most, an object ${part?.bytes}`)
    t.ok(proxy.struck() >= (days * runsOfDay) / 2, 'and the parked one was tried again and again')

    proxy.break(undefined)
    clock.nowMs += hourMs
    await service.exporter.run()
    const client = service.destinations.find((one) => one.name === 'client')
    if (!client) throw new Error('a client destination')
    const backup = createFolderDestination('backup', path.join(DATA_DIR, 'exports', 'backup'))
    const [a, b] = await Promise.all([
      verifyDestination(client, { full: true }),
      verifyDestination(backup, { full: true }),
    ])
    t.match([a.problems, b.problems], [[], []])
    t.same(checkParity(a.chain, b.chain), { problems: [], behind: { a: 0, b: 0 } })
    t.equal(a.events, days * runsOfDay * rows)
    t.equal(await staged(), 0)
    t.comment(`${a.manifests} parts, ${a.events} events`)
  },
)

t.test('two nodes of one client share buckets: each has its chain, and both verify', async (t) => {
  const nodes: { db: Db; DATA_DIR: string; NODE_ID: string }[] = []
  for (const NODE_ID of ['n1', 'n2']) {
    const { db, close } = await createTestDatabase()
    t.teardown(close)
    nodes.push({ db, DATA_DIR: await tempFolder(t), NODE_ID })
  }
  const s3 = await startTestS3(['client-bucket', 'backup-bucket'])
  t.teardown(() => s3.close())
  const services = nodes.map(({ db, DATA_DIR, NODE_ID }) =>
    createTestExporter(db, {
      ...{ DATA_DIR, NODE_ID, EXPORT_FORMAT: 'json,parquet' },
      ...bucketSettings('CLIENT', s3, 'client-bucket'),
      ...bucketSettings('BACKUP', s3, 'backup-bucket'),
    }),
  )
  t.teardown(() => Promise.all(services.map((one) => one.close())))
  for (let round = 1; round <= 3; round++)
    await Promise.all(
      services.map(async (service, i) => {
        const db = nodes[i]?.db
        if (!db) return
        await insertBatch(
          db,
          Array.from({ length: round + i }, () => ({})),
        )
        await service.exporter.run()
      }),
    )
  const destinations = services[0]?.destinations ?? []
  const reports = await Promise.all(destinations.map((one) => verifyDestination(one, { full: true, mustHold: true })))
  for (const report of reports) {
    t.match(report, { problems: [], manifests: 6, events: 15 })
    t.same(report.starts.map((one) => one.node).sort(), ['n1', 'n2'])
  }
  const [a, b] = reports
  if (a && b) t.same(checkParity(a.chain, b.chain).problems, [])
})
