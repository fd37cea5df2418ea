import { readFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { sha256OfText } from '../../src/storage/sha256.ts'
import { insertBatch } from '../support/batches.ts'
import { createTestDatabase } from '../support/database.ts'
import { createTestExporter, tempFolder } from '../support/exporter.ts'

t.test(
  'a whole part is announced once for each destination, with its manifest’s sha256; waiting is announced once',
  async (t) => {
    const { db, close } = await createTestDatabase()
    t.teardown(close)
    const DATA_DIR = await tempFolder(t)
    const { exporter, close: closeExporter } = createTestExporter(db, {
      DATA_DIR,
      CLIENT_ID: 'acme',
      CLIENT_S3_BUCKET: 'waits-for-keys',
    })
    t.teardown(closeExporter)
    await insertBatch(db, [{}, { event_type: 'click' }])
    await exporter.run()
    await exporter.run({ probe: true })
    const announced = async (type: string) =>
      (await db.query<{ body: string }>('select body from outbox where type = $1::text', [type])).map((row) =>
        JSON.parse(row.body),
      )
    const delivered = await announced('export.delivered')
    t.match(delivered, [{ subject: 'acme', data: { destination: 'backup', part: 1, events: 2, pageviews: 1 } }])
    const manifest = await readFile(path.join(DATA_DIR, 'exports', 'backup', delivered[0].data.manifest_key), 'utf8')
    t.equal(delivered[0].data.manifest_sha256, sha256OfText(manifest))
    t.match(await announced('export.parked'), [
      { data: { destination: 'client', fault: 'parked', reason: /needs keys/ } },
    ])
    t.equal((await announced('export.parked')).length, 1, 'a second failure of the same kind is no news')
  },
)
