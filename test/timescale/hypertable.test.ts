import t from 'tap'
import { createTestDatabase } from '../support/database.ts'

t.test('where TimescaleDB is there, it is used', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const [server] = await db.query<{ preloaded: boolean; available: boolean }>(
    `select current_setting('shared_preload_libraries') like '%timescaledb%' as preloaded,
            exists (select from pg_available_extensions where name = 'timescaledb') as available`,
  )
  const extensions = await db.query(`select from pg_extension where extname = 'timescaledb'`)
  t.equal(extensions.length, server?.preloaded && server.available ? 1 : 0)
})

t.test('events_log is a hypertable of 6-hour chunks by time of storage', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const extensions = await db.query(`select from pg_extension where extname = 'timescaledb'`)
  if (extensions.length === 0)
    return void t.pass('a hypertable', { skip: 'this server has no TimescaleDB; run npm run test:timescale' })

  const dimensions = await db.query(
    `select column_name, time_interval = interval '6 hours' as is_six_hours
     from timescaledb_information.dimensions where hypertable_name = 'events_log'`,
  )
  t.same(dimensions, [{ column_name: 'stored_at', is_six_hours: true }])

  await db.execute(
    `insert into events_log (batch_id, n, stored_at, event_id, event_type, "timestamp", raw_event_data, created_at)
     select day, 0, at, gen_random_uuid(), 'pageview', at, '{}', at
     from generate_series(1, 3) as day, lateral (select timestamptz '2026-11-01' + day * interval '1 day' as at) as moment`,
  )
  const chunks = await db.query(`select from timescaledb_information.chunks where hypertable_name = 'events_log'`)
  t.equal(chunks.length, 3)
  const [hours] = await db.query<{ events: number }>('select sum(events)::bigint as events from events_hourly')
  t.equal(hours?.events, 3)
})
