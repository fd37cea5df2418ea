import type { Db } from '../../src/db.ts'

/**
 * Fills the buffer with rows of about 770 bytes of raw event, in batches of 1,000 unless told, made by the database itself: quick, and
 * of a size and variety like the pixel's. Ledger and counts are written as the collector does.
 */
export const fillBuffer = async (db: Db, events: number, sites = 7, batchEvents = 1000): Promise<void> => {
  const session = await db.session()
  await session.execute('set statement_timeout = 0')
  for (let done = 0; done < events; done += 100_000)
    await session.query(
      `with made as (
         insert into batches (commit_key, stored_at, events, bytes, created_min, created_max)
         select gen_random_uuid(), now(), 0, 0, now(), now() from generate_series(1, $1::int)
         returning batch_id, stored_at
       ), rows as (
         insert into events_log (batch_id, n, stored_at, event_id, event_type, session_id, visitor_id, user_id, site_id,
           "timestamp", url, path, user_agent, ip_address, raw_event_data, created_at)
         select batch_id, n, stored_at, gen_random_uuid(), (array['pageview','click','scroll_depth','engagement'])[1 + n % 4],
           'sess_' || md5((batch_id * 100 + n / 10)::text), 'vis_' || md5((batch_id * 20 + n / 50)::text), null,
           'shop' || (batch_id % $2::int) || '.example.com', stored_at - n * interval '37 milliseconds',
           'https://shop' || (batch_id % $2::int) || '.example.com/products/' || (n * 7919 % 500) || '?utm_source=news',
           '/products/' || (n * 7919 % 500),
           'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
           '203.0.113.0',
           json_build_object('eventType', (array['pageview','click','scroll_depth','engagement'])[1 + n % 4],
             'eventId', gen_random_uuid(), 'seq', n, 'sessionId', 'sess_' || md5((batch_id * 100 + n / 10)::text),
             'page', json_build_object('title', 'Product ' || (n * 7919 % 500), 'path', '/products/' || (n * 7919 % 500)),
             'browser', json_build_object('language', 'en-GB', 'screenWidth', 1920, 'screenHeight', 1080,
               'timezone', 'Europe/Berlin', 'userAgent', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36'),
             'eventData', json_build_object('x', n % 1280, 'y', n % 4000, 'text', md5(n::text) || md5((n + 1)::text),
               'note', repeat(md5((batch_id + n)::text), 4)))::text::json,
           stored_at
         from made, generate_series(0, $3::int - 1) as n
         returning batch_id, site_id, event_type, raw_event_data, created_at
       )
       insert into batch_sites (batch_id, site_id, quarter, events, pageviews)
       select batch_id, site_id, date_bin('15 minutes', min(created_at), 'epoch'), count(*),
              count(*) filter (where event_type = 'pageview')
       from rows group by batch_id, site_id`,
      [Math.ceil(Math.min(100_000, events - done) / batchEvents), sites, batchEvents],
    )
  await session.query(
    `update batches b set events = s.events, bytes = s.events * 770::bigint
     from (select batch_id, sum(events)::int as events from batch_sites group by 1) s
     where b.batch_id = s.batch_id and b.events = 0`,
  )
  await session.execute('vacuum analyze events_log')
  session.release()
}

/** Forgets every part, so that the same rows can be exported once more. */
export const unclaimAll = async (db: Db): Promise<void> => {
  await db.execute('update batches set part_id = null')
  for (const table of ['deliveries', 'export_objects', 'export_manifests', 'part_usage', 'export_parts'])
    await db.execute(`delete from ${table}`)
}
