import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { reconcile } from '../../src/billing/reconcile.ts'
import { systemClock } from '../../src/clock.ts'
import { createForgetting } from '../../src/collect/forget.ts'
import { silentLog } from '../../src/log.ts'
import { requestErasure } from '../../src/privacy/requests.ts'
import { approve, createBillingLab } from '../billing/lab.ts'
import { markRead } from '../support/batches.ts'
import { gone, keyedHash, release, search } from './lab.ts'

const october = '2026-10-15T12:00:00.000000Z'
const november = '2026-11-04T12:00:00.000000Z'
/** When a chunk of TimescaleDB was written that may be dropped by now. */
const ended = new Date(Date.now() - 40 * 3_600_000).toISOString()

for (const where of ['in the buffer', 'in delivered files'] as const)
  t.test(`who is forgotten changes no bill, with the rows ${where}`, async (t) => {
    const lab = await createBillingLab(t)
    const { db, exporting } = lab
    await approve(lab, 'example.com')
    await lab.visit('shop.example.com', october, 30)
    await lab.visit('shop.example.com', october, 20, { visitor_id: gone })
    await lab.visit('shop.example.com', november, 3, { visitor_id: gone })
    if (where === 'in delivered files') {
      await db.execute('update batches set stored_at = $1::timestamptz', [ended])
      await db.execute('update events_log set stored_at = $1::timestamptz', [ended])
    }
    lab.clock.set(Date.parse('2026-11-05T00:00:00Z'))
    await lab.round()
    if (where === 'in delivered files') {
      await markRead(db)
      t.match(await release(db), { parts: 1 })
    }
    const look = async () => {
      const folder = path.join(lab.backupFolder, 'billing', lab.config.NODE_ID)
      const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((one) => one.isFile())
      return {
        statements: await lab.statements(),
        files: await Promise.all(
          files.map(async ({ parentPath, name }) => [name, await readFile(path.join(parentPath, name), 'utf8')]),
        ),
        usage: await db.query(
          'select quarter, site_id, events, pageviews from part_usage order by quarter, site_id, part_id',
        ),
      }
    }
    const before = await look()
    t.match(before.statements, [{ month: '2026-10', billable: { events: 50, pageviews: 50 } }])

    const forgetting = createForgetting({
      ...{ db, clock: systemClock, log: silentLog, nodeId: 'n1', settleMs: -1_000 },
      spoolRoot: path.join(lab.config.DATA_DIR, 'spool'),
      stagingFolder: path.join(lab.config.DATA_DIR, 'staging'),
      backup: exporting.destinations.find((one) => one.name === 'backup'),
    })
    await requestErasure(db, keyedHash, { visitor: gone }, { by: 'a test', nowMs: Date.now() })
    await forgetting.work()
    await exporting.exporter.run()
    await forgetting.work()
    t.strictSame(await search(path.join(lab.config.DATA_DIR, 'exports'), gone), [])
    lab.clock.set(Date.parse('2026-11-06T00:00:00Z'))
    await lab.round()
    t.strictSame(await look(), before, 'statements, files and usage are as they were')

    const proof = await reconcile(
      {
        ...{ db, clock: systemClock, destinations: exporting.destinations, timeZone: 'UTC' },
        ...{ clientId: 'acme', nodeId: lab.config.NODE_ID },
      },
      '2026-10',
    )
    t.match(proof, { received: { events: 50 }, delivered: { backup: { events: 50 } }, billed: { events: 50 } })
    t.strictSame([proof.pending, proof.differences], [[], []])

    lab.clock.set(Date.parse('2026-12-05T00:00:00Z'))
    await lab.round()
    t.match(
      await lab.statements(),
      [{ month: '2026-10' }, { month: '2026-11', billable: { events: 3 } }],
      'nor a later one',
    )
  })
