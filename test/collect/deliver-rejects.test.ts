import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { systemClock } from '../../src/clock.ts'
import { createRejectsDelivery } from '../../src/collect/deliver-rejects.ts'
import { AppError } from '../../src/errors.ts'
import { silentLog } from '../../src/log.ts'
import { createFolderDestination } from '../../src/storage/folder-destination.ts'
import { createTestDatabase } from '../support/database.ts'
import { folderReader } from '../support/delivered.ts'
import { tempFolder } from '../support/exporter.ts'

t.test('rejects reach the backup once, in files of at most 1,000, and wait while it fails', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const folder = await tempFolder(t)
  const backup = createFolderDestination('backup', path.join(folder, 'backup'))
  const deps = { db, clock: systemClock, log: silentLog, nodeId: 'n1', stagingFolder: path.join(folder, 'staging') }
  await db.execute(
    `insert into rejects (created_at, site_id, code, message, payload)
     select '2026-11-20T12:00:00Z', 'a.example', 'event_type_missing', 'No type.', convert_to('{"n":' || n || '}', 'UTF8')
     from generate_series(1, 1500) as n`,
  )
  const away = createRejectsDelivery({
    ...deps,
    destination: {
      ...backup,
      create: async () => {
        throw new AppError('destination_failed', 'away')
      },
    },
  })
  await t.rejects(away.deliver(), { code: 'destination_failed' })

  const rejects = createRejectsDelivery({ ...deps, destination: backup })
  t.equal(await rejects.deliver(), 1500)
  t.equal(await rejects.deliver(), 0, 'once')
  const files = folderReader(path.join(folder, 'backup'))
  const keys = await files.keys()
  t.equal(keys.length, 2)
  const lines: { payload: string; code: string }[] = []
  for (const key of keys) {
    t.match(key, /^rejects\/n1\/dt=2026-11-20\/[0-9a-f]{8}-\d{10}-\d{10}\.json\.gz$/)
    for (const line of gunzipSync(await files.read(key))
      .toString()
      .trim()
      .split('\n'))
      lines.push(JSON.parse(line))
  }
  t.equal(new Set(lines.map((line) => line.payload)).size, 1500)
  t.match(lines[0], { reject_id: 1, site_id: 'a.example', code: 'event_type_missing', message: 'No type.' })
  t.match(await db.query('select count(*) as left from rejects'), [{ left: 1500 }], 'they stay a week for the operator')
  await db.execute(`update rejects set exported_at = now() - interval '8 days'`)
  await rejects.deliver()
  t.match(await db.query('select count(*) as left from rejects'), [{ left: 0 }])
})
