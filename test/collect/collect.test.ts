import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import t from 'tap'
import { createTestDatabase } from '../support/database.ts'
import { adminToken, createServer, eventsOf, post, rawOf } from './server.ts'

const database = await createTestDatabase()
const { db } = database
const server = await createServer(db)
t.teardown(async () => {
  await server.close()
  await database.close()
})

const success = (events: number, duplicate = false, rejected: unknown[] = []) => ({
  ...{ status: 'success', events_processed: events, duplicate, rejected },
})

t.test('one event is stored with its columns and as it was sent', async (t) => {
  const event = {
    ...{
      eventType: 'pageview',
      eventId: '0193B2C0-1111-7222-8333-444455556666',
      timestamp: '2026-11-20T16:45:35.088Z',
    },
    ...{ sessionId: 's1', visitorId: 'v1', userId: 'u1', siteId: 'shop-example-com', seq: 7 },
    ...{ url: 'https://www.Shop.example.com/p?a=1#h', path: '/p', page: { title: 'Tab\there' }, extra: [1, 1.5, null] },
  }
  const answer = await post(server, event, { 'user-agent': 'UA/1' })
  t.equal(answer.status, 200)
  t.same(answer.body, success(1))
  t.match(answer.headers['content-type'], /^application\/json/)
  const [row] = await eventsOf(db, 'pageview')
  t.match(row, {
    ...{ event_id: '0193b2c0-1111-7222-8333-444455556666', session_id: 's1', visitor_id: 'v1', user_id: 'u1' },
    ...{ site_id: 'shop.example.com', url: 'https://www.Shop.example.com/p?a=1#h', path: '/p', user_agent: 'UA/1' },
    ...{ ip_address: '127.0.0.0', timestamp: new Date('2026-11-20T16:45:35.088Z') },
  })
  t.same(JSON.parse(row?.raw_event_data ?? ''), event)
})

t.test(
  'the children of an envelope inherit ids, url, path, page and attribution, and keep what is their own',
  async (t) => {
    const answer = await post(server, {
      ...{ eventType: 'batch', sessionId: 's2', visitorId: 'v2', siteId: 'x', url: 'https://a.b.com/e', path: '/e' },
      ...{ page: { title: 'T' }, attribution: { utm: 'u' }, browser: { w: 1 }, batchMetadata: { eventCount: 2 } },
      events: [
        { eventType: 'child', eventData: { a: 1 } },
        { eventType: 'child', url: 'https://other.org/x', page: { title: 'own' }, sessionId: null },
      ],
    })
    t.same(answer.body, success(2))
    const rows = await eventsOf(db, 'child')
    t.match(rows, [
      { session_id: 's2', visitor_id: 'v2', site_id: 'a.b.com', url: 'https://a.b.com/e', path: '/e' },
      { session_id: 's2', site_id: 'other.org', url: 'https://other.org/x' },
    ])
    const inherited = { visitorId: 'v2', siteId: 'x', path: '/e', attribution: { utm: 'u' } }
    t.same(
      rows.map((row) => JSON.parse(row.raw_event_data)),
      [
        {
          eventType: 'child',
          eventData: { a: 1 },
          sessionId: 's2',
          url: 'https://a.b.com/e',
          page: { title: 'T' },
          ...inherited,
        },
        { eventType: 'child', url: 'https://other.org/x', page: { title: 'own' }, sessionId: 's2', ...inherited },
      ],
    )
    t.equal((await eventsOf(db, 'batch')).length, 0, 'the envelope is no event')
  },
)

t.test('the shortest batch works, and an envelope may leave its type out', async (t) => {
  t.same((await post(server, '{"eventType":"batch","events":[{"eventType":"test1"}]}')).body, success(1))
  t.same((await post(server, '{"events":[{"eventType":"test1"}]}')).body, success(1))
  const [row] = await eventsOf(db, 'test1')
  t.match(row, { session_id: null, visitor_id: null, site_id: null, url: null, path: null })
  t.same(row?.timestamp, row?.created_at, 'without a timestamp it is the arrival')
})

t.test('any content type is read, and none', async (t) => {
  const types = [
    'text/plain;charset=UTF-8',
    'application/json',
    'application/x-www-form-urlencoded',
    'nonsense',
    'a/b/c;;',
  ]
  for (const type of types)
    t.equal((await post(server, { eventType: 'typed' }, { 'content-type': type })).status, 200, type)
  const bare = await server.app.inject({
    method: 'POST',
    url: '/collect',
    payload: Buffer.from('{"eventType":"typed"}'),
  })
  t.equal(bare.statusCode, 200)
  t.equal((await eventsOf(db, 'typed')).length, types.length + 1)
})

t.test('compressed bodies are read; what only claims to be compressed is a clear refusal', async (t) => {
  const body = Buffer.from(JSON.stringify({ eventType: 'squeezed', pad: 'x'.repeat(30_000) }))
  const encoded: [string, Buffer][] = [
    ['gzip', gzipSync(body)],
    ['x-gzip', gzipSync(body)],
    ['deflate', deflateSync(body)],
    ['deflate', deflateRawSync(body)],
    ['br', brotliCompressSync(body)],
    ['GZIP', gzipSync(body)],
    ['identity', body],
  ]
  for (const [encoding, bytes] of encoded)
    t.equal((await post(server, bytes, { 'content-encoding': encoding })).status, 200, encoding)
  t.equal((await eventsOf(db, 'squeezed')).length, encoded.length)
  t.match(await post(server, body, { 'content-encoding': 'gzip' }), { status: 400, body: { code: 'body_unreadable' } })
  t.match(await post(server, gzipSync(body).subarray(0, 40), { 'content-encoding': 'gzip' }), { status: 400 })
  t.match(await post(server, body, { 'content-encoding': 'zstd' }), {
    ...{ status: 415, body: { code: 'body_encoding_unsupported' } },
  })
})

t.test('a body over the limit is refused, and a decompression bomb is cut', async (t) => {
  const big = JSON.stringify({ eventType: 'big', pad: 'x'.repeat(10_000_000) })
  t.match(await post(server, big), { status: 413, body: { code: 'body_too_large' } })
  const bomb = gzipSync(Buffer.alloc(200_000_000, 32))
  t.match(await post(server, bomb, { 'content-encoding': 'gzip' }), { status: 413, body: { code: 'body_too_large' } })
  const amplified = {
    eventType: 'batch',
    page: { pad: 'x'.repeat(20_000) },
    events: Array(5000).fill({ eventType: 'big' }),
  }
  t.match(await post(server, amplified), { status: 413, body: { code: 'body_too_large' } }, 'inheritance has a bound')
  t.equal((await eventsOf(db, 'big')).length, 0)
})

t.test('10,000 events are taken in one request, 10,001 are not', async (t) => {
  const events = Array(10_000).fill({ eventType: 'many' })
  t.same((await post(server, { eventType: 'batch', events })).body, success(10_000))
  t.match(await post(server, { eventType: 'batch', events: [...events, { eventType: 'many' }] }), {
    ...{ status: 413, body: { code: 'events_too_many' } },
  })
  t.equal((await eventsOf(db, 'many')).length, 10_000)
})

t.test('while a large request is read, others are answered', async (t) => {
  const answered: string[] = []
  const large = {
    events: Array.from({ length: 10_000 }, (_, i) => ({
      eventType: 'large',
      url: `https://a.example/${i}`,
      note: `n ${i}`,
    })),
  }
  const messages = {
    batch: large.events.map((event, i) => ({
      type: 'track',
      event: 'large',
      messageId: `m${i}`,
      userId: 'u',
      event_: event,
    })),
  }
  const server = await createServer(db, { env: { WRITE_KEYS: 'key' } })
  t.teardown(() => server.close())
  const key = { authorization: `Basic ${Buffer.from('key:').toString('base64')}` }
  await Promise.all([
    post(server, large).then(() => answered.push('large')),
    post(server, messages, key, '/v1/batch').then(() => answered.push('large')),
    post(server, { eventType: 'small' }).then(() => answered.push('small')),
  ])
  t.same(answered, ['small', 'large', 'large'])
})

t.test('unreadable and empty bodies are problem documents, never a 500', async (t) => {
  for (const body of [
    '',
    '{',
    'eventType=x',
    '{"eventType":"a"',
    '\0',
    '{"a":01}',
    '{"eventType":"x",1234567890123456789:1}',
  ])
    t.match(await post(server, body), { status: 400, body: { code: 'body_unreadable', status: 400 } }, body)
  t.match(await post(server, '{"eventType":"batch"}'), { status: 400, body: { code: 'events_missing' } })
  t.match(await post(server, '{"eventType":"batch","events":[]}'), { status: 400, body: { code: 'events_missing' } })
  t.match(await post(server, '{"eventType":"batch","events":{}}'), { status: 400, body: { code: 'events_missing' } })
  t.match((await post(server, '{')).headers['content-type'], /^application\/problem\+json/)
})

t.test('an invalid single event is refused with its reason and kept among the rejects', async (t) => {
  const deep = `{"eventType":"deep","a":${'['.repeat(70)}1${']'.repeat(70)}}`
  const cases: [string, string, number][] = [
    ['[1]', 'event_not_object', 400],
    ['"text"', 'event_not_object', 400],
    ['null', 'event_not_object', 400],
    ['{"a":1}', 'event_type_missing', 400],
    ['{"eventType":"  "}', 'event_type_missing', 400],
    ['{"eventType":7}', 'event_type_missing', 400],
    [`{"eventType":"${'x'.repeat(201)}"}`, 'event_type_too_long', 400],
    ['{"eventType":"x","sessionId":{}}', 'event_invalid', 400],
    [`{"eventType":"x","visitorId":"${'v'.repeat(513)}"}`, 'event_invalid', 400],
    [deep, 'event_too_deep', 400],
    [`{"eventType":"large","pad":"${'x'.repeat(33_000)}"}`, 'event_too_large', 413],
  ]
  for (const [body, code, status] of cases) t.match(await post(server, body), { status, body: { code } }, code)
  const kept = await db.query<{ code: string; payload: Buffer }>('select code, payload from rejects order by reject_id')
  t.same(
    kept.map((row) => row.code),
    cases.map(([, code]) => code),
  )
  t.equal(kept.at(-1)?.payload.toString(), cases.at(-1)?.[0], 'nothing sent is lost')
})

t.test('one bad event of each kind leaves its neighbours stored', async (t) => {
  const bad: [string, string][] = [
    ['7', 'event_not_object'],
    ['null', 'event_not_object'],
    ['{"eventData":{}}', 'event_type_missing'],
    [`{"eventType":"x","a":${'{"b":'.repeat(5000)}1${'}'.repeat(5000)}}`, 'event_too_deep'],
    [`{"eventType":"x","a":"${'y'.repeat(40_000)}"}`, 'event_too_large'],
    ['{"eventType":"x","userId":[1]}', 'event_invalid'],
    ['{"eventType":"batch","events":[{"eventType":"x"}]}', 'event_invalid'],
  ]
  const good = '{"eventType":"neighbour","n":12345678901234567890}'
  const answer = await post(server, `{"eventType":"batch","events":[${bad.flatMap(([one]) => [good, one]).join(',')}]}`)
  t.equal(answer.status, 200)
  t.match(answer.body, {
    events_processed: bad.length,
    rejected: bad.map(([, code], i) => ({ index: 2 * i + 1, code, message: String })),
  })
  t.equal((await eventsOf(db, 'neighbour')).length, bad.length)
  const only = await post(server, { eventType: 'batch', events: [{}, {}] })
  t.match(only, { status: 200, body: { events_processed: 0, rejected: [{ index: 0 }, { index: 1 }] } })
})

t.test('NUL and lone surrogates become U+FFFD, in values and keys, in columns and in the raw event', async (t) => {
  const answer = await post(
    server,
    String.raw`{"eventType":"hostile\u0000type","sessionId":"a\ud800b","k\u0000":"\udc00x\ud83d\ude00","url":"https://a.com/\u0000"}`,
  )
  t.same(answer.body, success(1))
  const [row] = await eventsOf(db, 'hostile\uFFFDtype')
  t.equal(row?.session_id, 'a\uFFFDb')
  t.same(JSON.parse(row?.raw_event_data ?? ''), {
    ...{ eventType: 'hostile\uFFFDtype', sessionId: 'a\uFFFDb', 'k\uFFFD': '\uFFFDx😀', url: 'https://a.com/\uFFFD' },
  })
  const jsonb = await db.query(`select raw_event_data::jsonb from events_log where event_type like 'hostile%'`)
  t.equal(jsonb.length, 1)
})

t.test('a raw event is one line whatever was sent, and hostile text survives COPY', async (t) => {
  const text = 'tab\t back\\slash "quote" \\N \\. \r\n 😀 \u2028'
  await post(server, JSON.stringify({ eventType: 'lines', sessionId: text, text }, null, 2))
  const [row] = await eventsOf(db, 'lines')
  t.notMatch(row?.raw_event_data, /[\r\n]/)
  t.equal(row?.session_id, text)
  t.equal(JSON.parse(row?.raw_event_data ?? '').text, text)
})

t.test('numbers keep their value, also those a double cannot hold', async (t) => {
  const numbers = [
    '9007199254740993',
    '-12345678901234567890',
    '0.12345678901234567890123',
    '1e400',
    '-2.5E-999',
    '0.1',
    '1e5',
  ]
  await post(
    server,
    `{"eventType":"numbers","list":[${numbers.join(', ')}],"visitorId":9007199254740993,"s":"9007199254740993"}`,
  )
  const [row] = await eventsOf(db, 'numbers')
  t.equal(row?.visitor_id, '9007199254740993')
  const values = await db.query<{ equal: boolean }>(
    `select (raw_event_data::jsonb -> 'list' -> (i - 1)::int)::numeric = sent::numeric as equal
     from events_log, unnest($1::text[]) with ordinality as x (sent, i) where event_type = 'numbers'`,
    [numbers],
  )
  t.same(
    values,
    numbers.map(() => ({ equal: true })),
  )
  t.match(row?.raw_event_data, '"s":"9007199254740993"')
  await post(server, `{"eventType":"absurd","digits":${'9'.repeat(5000)},"exponent":1e99999}`)
  t.match(await rawOf(db, 'absurd'), [{ digits: '9'.repeat(5000), exponent: '1e99999' }])
})

t.test('a timestamp outside the years 0001 to 9999 in UTC, or none at all, becomes the time of arrival', async (t) => {
  const stamps: [unknown, string | undefined][] = [
    ['99999-01-01T00:00:00Z', undefined],
    ['+099999-01-01T00:00:00Z', undefined],
    ['0000-12-31T00:00:00Z', undefined],
    ['9999-12-31T23:30:00-05:00', undefined],
    ['0001-01-01T00:00:00+01:00', undefined],
    ['2026-02-30T00:00:00Z', undefined],
    ['2026-02-30T00:00:00.000Z', undefined],
    ['yesterday', undefined],
    [{}, undefined],
    [1e300, undefined],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
    ['9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'],
    ['2026-11-20T10:00:00', '2026-11-20T10:00:00.000Z'],
    ['2026-11-20 10:00:00+02', '2026-11-20T08:00:00.000Z'],
    ['2026-11-20T10:00:00.5+0530', '2026-11-20T04:30:00.500Z'],
    ['2026-11-20', '2026-11-20T00:00:00.000Z'],
    [1_795_000_000_000, '2026-11-18T11:06:40.000Z'],
  ]
  const answer = await post(server, { events: stamps.map(([timestamp]) => ({ eventType: 'stamped', timestamp })) })
  t.same(answer.body, success(stamps.length))
  for (const [i, row] of (await eventsOf(db, 'stamped')).entries())
    t.same(row.timestamp, stamps[i]?.[1] ? new Date(stamps[i][1]) : row.created_at, String(stamps[i]?.[0]))
})

t.test("a wrong client clock is corrected by sentAt; the client's own time stays in the raw event", async (t) => {
  const sentAt = new Date(Date.now() - 86_400_000)
  const timestamp = new Date(sentAt.getTime() - 60_000).toISOString()
  await post(server, { eventType: 'skewed', timestamp, sentAt: sentAt.toISOString() })
  await post(server, { sentAt: sentAt.toISOString(), events: [{ eventType: 'skewed', timestamp }] })
  for (const row of await eventsOf(db, 'skewed')) {
    t.equal(row.created_at.getTime() - row.timestamp.getTime(), 60_000)
    t.equal(JSON.parse(row.raw_event_data).timestamp, timestamp)
  }
})

t.test('an event id is a UUID as sent, the same UUID for the same text, or a new one', async (t) => {
  await post(server, {
    events: [{ eventType: 'ids', eventId: 'order-1' }, { eventType: 'ids', eventId: 'order-1' }, { eventType: 'ids' }],
  })
  const ids = (await eventsOf(db, 'ids')).map((row) => row.event_id)
  t.equal(ids[0], ids[1])
  t.not(ids[0], ids[2])
  t.match(ids[0], /^[0-9a-f]{8}-[0-9a-f]{4}-5/)
})

t.test('a site has one id, however it is spelt', async (t) => {
  const cases: [Record<string, unknown>, string | undefined, string | null][] = [
    [{ url: 'https://WWW.Example.com:8443/x' }, undefined, 'example.com'],
    [{ url: 'http://m.example.com/' }, undefined, 'example.com'],
    [{ url: 'https://user:pw@mobile.example.com?x' }, undefined, 'example.com'],
    [{ siteId: 'my-shop-com' }, 'https://my-shop.com', 'my-shop.com'],
    [{ siteId: 'my-shop-com' }, undefined, 'my-shop.com'],
    [{ siteId: 'a-b-com' }, undefined, 'a.b.com'],
    [{ siteId: 'a.b.com' }, undefined, 'a.b.com'],
    [{ siteId: 'www.a.b.com' }, undefined, 'a.b.com'],
    [{ siteId: 'My App' }, undefined, 'my app'],
    [{ url: 'http://localhost:3000/' }, undefined, 'localhost'],
    [{ url: 'https://bücher.example/' }, undefined, 'xn--bcher-kva.example'],
    [{ url: '/relative', siteId: 's.example' }, undefined, 's.example'],
    [{ url: 'file:///C:/x' }, 'null', null],
    [{ url: 'https://m.com/' }, undefined, 'm.com'],
  ]
  for (const [i, [event, origin]] of cases.entries())
    await post(server, { eventType: `site${i}`, ...event }, origin ? { origin } : {})
  for (const [i, [, , site]] of cases.entries())
    t.equal((await eventsOf(db, `site${i}`))[0]?.site_id, site, `case ${i}`)
})

t.test('a request with the same key is stored once; the same key with another content is stored, too', async (t) => {
  const event = { eventType: 'keyed', siteId: 'k.example', visitorId: 'v', sessionId: 's', batchId: 'b1', n: 1 }
  t.same((await post(server, event)).body, success(1))
  t.same(
    (await post(server, { ...event, sentAt: new Date().toISOString() })).body,
    success(1, true),
    'sentAt may differ',
  )
  t.same((await post(server, { ...event, n: 2 })).body, success(1))
  t.same((await post(server, { ...event, n: 2 })).body, success(1, true))
  t.same((await post(server, { ...event, visitorId: 'w' })).body, success(1), "no visitor claims another's key")
  const { batchId: _, ...unkeyed } = event
  t.same((await post(server, unkeyed, { 'idempotency-key': 'h1' })).body, success(1))
  t.same((await post(server, unkeyed, { 'idempotency-key': 'h1' })).body, success(1, true))
  t.equal((await eventsOf(db, 'keyed')).length, 4)
  const retries = await Promise.all(Array.from({ length: 20 }, () => post(server, { ...event, batchId: 'b2' })))
  t.equal(retries.filter((answer) => answer.body.duplicate === false).length, 1, 'also when they arrive together')
  const mixed = await Promise.all([1, 2, 1, 2, 3].map((n) => post(server, { ...event, batchId: 'b3', n })))
  t.equal(mixed.filter((answer) => answer.body.duplicate === false).length, 3)
  t.equal((await eventsOf(db, 'keyed')).length, 8)
})

t.test('the ledger agrees with the rows, per batch, site and quarter', async (t) => {
  const wrong = await db.query(`
    select b.batch_id from batches b
    left join (select batch_id, count(*) as events, sum(octet_length(raw_event_data::text)) as bytes, min(created_at) as created_min,
                      max(created_at) as created_max, min(stored_at) as stored_min, max(stored_at) as stored_max, max(n) + 1 as numbered
               from events_log group by 1) e using (batch_id)
    where (b.events, b.bytes) is distinct from (coalesce(e.events, 0), coalesce(e.bytes, 0))
       or (b.events > 0 and (b.created_min, b.created_max, b.stored_at, b.stored_at, b.events)
           is distinct from (e.created_min, e.created_max, e.stored_min, e.stored_max, e.numbered))`)
  t.same(wrong, [])
  const wrongSites = await db.query(`
    select * from
      (select batch_id, site_id, quarter, events, pageviews from batch_sites where events > 0) s
      full join (select batch_id, coalesce(site_id, '') as site_id, date_bin('15 minutes', created_at, '1970-01-01Z') as quarter,
                        count(*)::int as events, (count(*) filter (where event_type in ('pageview', 'page_view')))::int as pageviews
                 from events_log group by 1, 2, 3) e using (batch_id, site_id, quarter, events, pageviews)
    where s is null or e is null`)
  t.same(wrongSites, [])
  const [counts] = await db.query<{ rejected: number; kept: number; duplicates: number }>(
    'select sum(rejected) as rejected, (select count(*) from rejects) as kept, sum(duplicates) as duplicates from batch_sites',
  )
  t.equal(counts?.rejected, counts?.kept)
  t.equal(counts?.duplicates, 24)
})

t.test('a sender that asks not to be tracked is answered, and nothing is stored', async (t) => {
  t.same((await post(server, { eventType: 'declined' }, { dnt: '1' })).body, success(0))
  t.same((await post(server, { eventType: 'declined' }, { 'sec-gpc': '1' })).body, success(0))
  t.equal((await eventsOf(db, 'declined')).length, 0)
  t.same((await post(server, { eventType: 'declined' }, { dnt: '0' })).body, success(1))
})

t.test('values of private keys never reach the database', async (t) => {
  const canary = 'hunter2-canary'
  await post(server, {
    ...{ eventType: 'private', eventData: { formData: { password: canary, user_password: canary, cardNumber: 4111 } } },
    ...{ list: [{ accessToken: canary }], message: 'kept', passenger: 'kept', pageTitle: 'kept' },
  })
  const [raw] = await rawOf(db, 'private')
  t.notMatch(JSON.stringify(raw), /canary|4111/)
  t.match(raw, { message: 'kept', passenger: 'kept', pageTitle: 'kept' })
  await post(server, { password: canary })
  const [leaks] = await db.query<{ n: number }>(
    `select count(*) as n from rejects where convert_from(payload, 'UTF8') like '%canary%'`,
  )
  t.equal(leaks?.n, 0, 'nor the rejects')
})

t.test('browsers of any origin may send', async (t) => {
  const preflight = await server.app.inject({
    ...{ method: 'OPTIONS', url: '/collect' },
    headers: { origin: 'https://a.com', 'access-control-request-headers': 'content-type,x-retry-count' },
  })
  t.equal(preflight.statusCode, 204)
  t.match(preflight.headers, {
    ...{ 'access-control-allow-origin': 'https://a.com', 'access-control-allow-methods': /POST/ },
    ...{ 'access-control-allow-headers': 'content-type,x-retry-count', 'access-control-allow-credentials': 'true' },
  })
  const refused = await post(server, '{', { origin: 'https://a.com' })
  t.equal(refused.headers['access-control-allow-origin'], 'https://a.com', 'also to read a refusal')
})

t.test('the operator sees the count and the latest events, a stranger does not', async (t) => {
  const authorization = `Bearer ${adminToken}`
  const get = (url: string, headers = {}) => server.app.inject({ url, headers })
  for (const url of ['/events/count', '/events/recent']) {
    t.equal((await get(url)).statusCode, 401)
    t.equal((await get(url, { authorization: 'Bearer wrong' })).statusCode, 401)
  }
  const [rows] = await db.query<{ n: number }>('select count(*) as n from events_log')
  t.same((await get('/events/count', { authorization })).json(), { total_events: rows?.n })
  await post(server, '{"eventType":"latest","n":9007199254740993}')
  const recent = await get('/events/recent?limit=3', { authorization })
  t.equal(recent.json().events.length, 3)
  t.match(recent.json().events[0], { event_type: 'latest', raw_event_data: { eventType: 'latest' } })
  t.match(recent.body, '"n":9007199254740993')
  for (const limit of ['0', '-1', 'x', '1001'])
    t.equal((await get(`/events/recent?limit=${limit}`, { authorization })).statusCode, 400)
})

t.test('health says healthy while events are accepted', async (t) => {
  const answer = await server.app.inject({ url: '/health' })
  t.equal(answer.statusCode, 200)
  t.same(answer.json(), { status: 'healthy' })
})
