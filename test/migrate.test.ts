import t from 'tap'
import { silentLog } from '../src/log.ts'
import { migrate } from '../src/migrate.ts'
import { createTestDatabase } from './support/database.ts'

t.test('two processes that migrate at once, and a second migration, change nothing', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  await Promise.all([
    migrate(db, silentLog, { compressAfterDays: 7 }),
    migrate(db, silentLog, { compressAfterDays: 7 }),
  ])
  const rows = await db.query<{ epochs: number }>('select count(*) as epochs from epochs')
  t.same(rows, [{ epochs: 1 }])
})

t.test('an old program refuses a newer breaking schema', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  await db.execute(`insert into schema_migrations (version, name, breaking) values (998, '998_soft.sql', false)`)
  await migrate(db, silentLog, { compressAfterDays: 7 })
  await db.execute(`insert into schema_migrations (version, name, breaking) values (999, '999_hard.sql', true)`)
  await t.rejects(migrate(db, silentLog, { compressAfterDays: 7 }), { code: 'schema_newer' })
})
