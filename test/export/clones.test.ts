import { mkdir, symlink } from 'node:fs/promises'
import path from 'node:path'
import t, { type Test } from 'tap'
import { verifyDestination } from '../../src/export/verify.ts'
import { createFolderDestination } from '../../src/storage/folder-destination.ts'
import { insertBatch } from '../support/batches.ts'
import { createTestDatabase } from '../support/database.ts'
import { folderReader, readDelivered } from '../support/delivered.ts'
import { createTestExporter, tempFolder } from '../support/exporter.ts'

/** Two machines that think they are the same one: one node, one epoch, the same destinations. */
const clones = async (t: Test) => {
  const folders = [await tempFolder(t), await tempFolder(t)]
  const [exports = '', link = ''] = folders.map((folder) => path.join(folder, 'exports'))
  await mkdir(exports)
  await symlink(exports, link)
  const machines = []
  for (const DATA_DIR of folders) {
    const { db, close } = await createTestDatabase()
    t.teardown(close)
    await db.execute(`update epochs set epoch = '0a1b2c3d'`)
    const service = createTestExporter(db, { DATA_DIR })
    t.teardown(() => service.close())
    machines.push({ db, service })
  }
  const [original, clone] = machines
  if (!original || !clone) throw new Error('two machines')
  const client = path.join(exports, 'client')
  return {
    original,
    clone,
    client,
    verify: () => verifyDestination(createFolderDestination('client', client), { full: true }),
  }
}

t.test('a clone that comes later makes no part until it has adopted', async (t) => {
  const { original, clone, client, verify } = await clones(t)
  await insertBatch(original.db, [{ path: '/original' }])
  await original.service.exporter.run()
  await insertBatch(clone.db, [{ path: '/clone' }])
  await t.rejects(clone.service.exporter.run(), { code: 'export_head_unknown' })
  await clone.service.adopt()
  await clone.service.exporter.run()
  t.match(await verify(), { problems: [], manifests: 2, events: 2 })
  const { rows } = await readDelivered(folderReader(client))
  t.same(rows.json?.map((row) => row.path).sort(), ['/clone', '/original'])
})

t.test('a clone that delivers at the same time overwrites nothing, and its part is set aside', async (t) => {
  const { original, clone, client, verify } = await clones(t)
  await insertBatch(original.db, [{ path: '/original' }])
  await insertBatch(clone.db, [{ path: '/clone' }])
  let others: Promise<unknown> | undefined
  for (const destination of clone.service.destinations) {
    const { create } = destination
    destination.create = async (key, file) => {
      // Its part is made; now the original delivers one of the same name.
      others ??= original.service.exporter.run()
      await others
      return create(key, file)
    }
  }
  const report = await clone.service.exporter.run()
  t.ok(report.destinations.some((one) => one.destination === 'client' && one.state === 'quarantined'))
  t.match(await verify(), { problems: [], manifests: 1, events: 1 })
  const { rows } = await readDelivered(folderReader(client))
  t.same(
    rows.json?.map((row) => row.path),
    ['/original'],
  )
  t.match(await clone.db.query('select count(*)::int as rows from events_log'), [{ rows: 1 }], 'nothing of it is lost')
})
