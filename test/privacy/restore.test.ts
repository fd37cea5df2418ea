import t from 'tap'
import { forgetPersons } from '../../src/agents/forget-person.ts'
import { createCustomerKey } from '../../src/agents/segments.ts'
import type { Db } from '../../src/db.ts'
import { createKeyedHash } from '../../src/keyed-hash.ts'
import { silentLog } from '../../src/log.ts'
import { requestErasure, selectErasureViews } from '../../src/privacy/requests.ts'
import { secret } from '../../src/secret.ts'
import { insertBatch } from '../support/batches.ts'
import { createTestExporter } from '../support/exporter.ts'
import { event, gone, type Lab, search, searchDatabase, setUp } from './lab.ts'

const hashKey = 'a-hash-key-of-this-client-0123456789'
const keyedHash = createKeyedHash(secret(hashKey))

/** All tables as they are now; the answer puts them back. */
const dump = async (db: Db): Promise<() => Promise<void>> => {
  const tables = await db.query<{ name: string }>(
    `select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`,
  )
  await db.execute('create schema dump')
  for (const { name } of tables) await db.execute(`create table dump."${name}" as select * from public."${name}"`)
  return () =>
    db.transaction(async (tx) => {
      await tx.execute('set local session_replication_role = replica')
      for (const { name } of tables) await tx.execute(`delete from "${name}"`)
      for (const { name } of tables)
        await tx.execute(`insert into "${name}" overriding system value select * from dump."${name}"`)
      await tx.execute('drop schema dump cascade')
    })
}

const finish = async ({ db, forgetting }: Lab, service: Lab['service']) => {
  await forgetting.work()
  await service.exporter.run()
  await forgetting.work()
  await forgetPersons({ db, log: silentLog, customerKey: createCustomerKey(keyedHash) })
}

t.test('who was erased after a dump was made is erased again when it is restored', async (t) => {
  const lab = await setUp(t, { HASH_KEY: hashKey })
  const { db, DATA_DIR, service, verify } = lab
  const user = keyedHash.text('user', 'gone@example.com')
  await insertBatch(db, [event(gone), event('other')])
  await service.exporter.run()
  await insertBatch(db, [event('third'), event('phone', { user_id: user })])
  await service.exporter.run()
  await insertBatch(db, [event(gone), event('not delivered before the dump')])
  await db.execute(
    `insert into visitors (site_id, visitor_key, first_seen, last_seen, first_channel, last_channel, sessions, orders, revenue_micros, is_bot)
     values ('s', $1::text, now(), now(), 'direct', 'direct', 1, 0, 0, false)`,
    [gone],
  )
  const restore = await dump(db)
  const asked = [{ visitor: gone }, { user: 'Gone@example.com' }]
  for (const id of asked) await requestErasure(db, keyedHash, id, { by: 'a test', nowMs: Date.now() })
  await finish(lab, service)
  t.same(await search(DATA_DIR, gone), [])
  await service.close()

  await restore()
  t.ok((await searchDatabase(db, gone)).length > 0, 'the dump has the person')
  const again = createTestExporter(db, { DATA_DIR, EXPORT_FORMAT: 'json,csv,parquet', HASH_KEY: hashKey })
  t.teardown(() => again.close())
  await t.rejects(again.exporter.run(), { code: 'export_head_unknown' })
  await again.adopt()
  await insertBatch(db, [event('new')])
  await finish(lab, again)
  t.same(await searchDatabase(db, gone), [])
  t.same(await searchDatabase(db, user), [])
  t.same(await search(DATA_DIR, gone), [])
  t.match(await selectErasureViews(db), [{ requested_by: 'restore', state: 'finished' }])
  const { client, backup, parity } = await verify()
  t.match([client.problems, backup.problems, parity], [[], [], []])
  t.match((await again.adopt()).manifests, 0)
  t.match(await selectErasureViews(db), { length: 1 }, 'once')
})
