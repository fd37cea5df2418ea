import t from 'tap'
import { loadConfig } from '../../src/config.ts'
import { createApp } from '../../src/http.ts'
import { silentLog } from '../../src/log.ts'
import { createPixelRoutes } from '../../src/pixel/routes.ts'
import { secret } from '../../src/secret.ts'
import { insertBatch } from '../support/batches.ts'
import { createTestDatabase } from '../support/database.ts'

/** As many as the panel looks through; `src/pixel/demo-routes.ts`. */
const searchedMax = 20_000

t.test('what a browser sent is looked for among the newest events only: anybody may ask', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const app = createApp({ log: silentLog, trustProxy: false })
  createPixelRoutes({ config: loadConfig({}, '/dev/null'), db, adminToken: secret('token') }).routes(app)
  const visitor = `v${'0'.repeat(32)}`
  const stored = async () =>
    ((await app.inject(`/demo/stored?visitor=${visitor}`)).json() as { events: { event_type: string }[] }).events
  await insertBatch(db, [{ visitor_id: 'another' }, { visitor_id: visitor, event_type: 'mine' }])
  t.match(await stored(), [{ event_type: 'mine' }])
  await db.execute(
    `insert into events_log (batch_id, n, stored_at, event_id, event_type, "timestamp", raw_event_data, created_at)
     select 1000, n, now(), gen_random_uuid(), 'other', now(), '{}', now() from generate_series(1, $1::int) as n`,
    [searchedMax],
  )
  t.strictSame(await stored(), [])
})
