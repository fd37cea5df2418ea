import t from 'tap'
import { generateTraffic } from '../../src/demo/generate.ts'
import { insertTraffic } from '../../src/demo/insert.ts'
import { createTestDatabase } from '../support/database.ts'

const some = { events: 30_000, sites: 4, seed: 31, days: 10, untilMs: Date.UTC(2026, 10, 20) }

t.test('what is inserted equals what was planted, and its ledger', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const traffic = generateTraffic(some)
  const seen: number[] = []
  const report = await insertTraffic({
    db,
    requests: traffic.requests,
    onProgress: (n) => seen.push(n),
  })
  const planted = traffic.planted()
  t.equal(report.events, some.events)
  t.equal(seen.at(-1), some.events)

  t.test('rows by site and type', async (t) => {
    const rows = await db.query<{ site_id: string; events: number; pageviews: number; visitors: number }>(
      `select site_id, count(*) as events, count(*) filter (where event_type = 'pageview') as pageviews,
              count(distinct visitor_id) as visitors from events_log group by 1`,
    )
    t.equal(rows.length, some.sites)
    for (const { site_id, ...counts } of rows) t.match(planted.sites[site_id], counts)
    const types = await db.query<{ event_type: string; events: number }>(
      'select event_type, count(*) as events from events_log group by 1',
    )
    t.same(Object.fromEntries(types.map((row) => [row.event_type, row.events])), planted.eventsByType)
  })

  t.test('the ledger counts the rows of each batch, site and quarter', async (t) => {
    const [batches] = await db.query(
      `select count(*) as batches, sum(events)::bigint as events, bool_and(events = counted and bytes = raw_bytes
                and created_min = first and created_max = last and stored_at = event_stored_at) as agrees
       from batches join (select batch_id, count(*) as counted, sum(octet_length(raw_event_data::text)) as raw_bytes,
                                 min(created_at) as first, max(created_at) as last, min(stored_at) as event_stored_at
                          from events_log group by 1 having count(distinct stored_at) = 1
                                                        and count(distinct n) = count(*)) as counts using (batch_id)`,
    )
    t.same(batches, { batches: report.batches, events: some.events, agrees: true })
    const differences = await db.query(
      `select batch_id, site_id, quarter, events, pageviews from batch_sites
       except
       select batch_id, site_id, date_bin('15 minutes', created_at, 'epoch'), count(*),
              count(*) filter (where event_type in ('pageview', 'page_view')) from events_log group by 1, 2, 3`,
    )
    t.same(differences, [])
    const [sums] = await db.query('select sum(events)::bigint as events from batch_sites')
    t.same(sums, { events: some.events })
  })

  t.test('history looks as if each event had arrived when it happened', async (t) => {
    const [history] = await db.query(
      `select bool_and(created_at = "timestamp" and stored_at >= created_at) as on_time,
              bool_and(raw_event_data ->> 'timestamp' is not null and raw_event_data ->> 'siteId' = site_id
                and raw_event_data ->> 'visitorId' is not distinct from visitor_id
                and raw_event_data ->> 'userId' is not distinct from user_id
                and raw_event_data ->> 'url' = url) as complete,
              max(stored_at) < '2026-11-20 00:00:00Z' as before_the_end
       from events_log`,
    )
    t.same(history, { on_time: true, complete: true, before_the_end: true })
    const [order] = await db.query(
      `select bool_and(stored_at >= before) as in_order
       from (select stored_at, lag(stored_at, 1, '-infinity') over (order by batch_id) as before from batches) as pairs`,
    )
    t.same(order, { in_order: true })
  })

  t.test('the same traffic is not inserted twice', async (t) => {
    const again = insertTraffic({ db, requests: generateTraffic(some).requests })
    await t.rejects(again, { code: '23505' })
    const [count] = await db.query('select count(*) as events from events_log')
    t.same(count, { events: some.events })
  })
})
