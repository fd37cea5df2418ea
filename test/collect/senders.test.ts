import t from 'tap'
import { systemClock } from '../../src/clock.ts'
import { createApp } from '../../src/http.ts'
import { silentLog } from '../../src/log.ts'
import { createTestDatabase } from '../support/database.ts'
import { adminToken, createServer, eventsOf, post, rawOf } from './server.ts'

const database = await createTestDatabase()
const { db } = database
t.teardown(() => database.close())

const serve = async (test: { teardown(work: () => unknown): void }, env: Record<string, string>) => {
  const server = await createServer(db, { env })
  test.teardown(() => server.close())
  return server
}

t.test('only allowed sites may send: others by their origin, or by what their events say', async (t) => {
  const server = await serve(t, { SITES_ALLOWED: 'shop.example,*.brand.example', WRITE_KEYS: 'key' })
  const send = (url: string, origin?: string) => post(server, { eventType: 'placed', url }, origin ? { origin } : {})
  for (const url of ['https://shop.example/', 'https://www.shop.example/x', 'https://a.b.brand.example/'])
    t.equal((await send(url, new URL(url).origin)).status, 200, url)
  t.equal((await send('https://shop.example/', 'https://checkout.shop.example')).status, 403, 'not a pattern')
  for (const url of [
    'https://evil.example/',
    'https://brand.example/',
    'https://notbrand.example/',
    'https://shop.example.evil/',
  ])
    t.match(await send(url), { status: 403, body: { code: 'origin_forbidden' } }, url)
  t.equal((await send('https://shop.example/', 'https://evil.example')).status, 403)
  t.equal(
    (await send('https://shop.example/', 'https://a.brand.example')).status,
    403,
    'one site cannot speak for another',
  )
  t.equal((await send('https://shop.example/', 'null')).status, 403)
  t.equal((await eventsOf(db, 'placed')).length, 3)
  const mixed = await post(server, {
    events: [
      { eventType: 'mixed', url: 'https://shop.example/' },
      { eventType: 'mixed', url: 'https://evil.example/' },
    ],
  })
  t.match(mixed.body, { events_processed: 1, rejected: [{ index: 1, code: 'origin_forbidden' }] })
})

t.test(
  'the Segment API is held to the same sites and rates; what belongs to no site comes in by its key',
  async (t) => {
    const nowMs = Date.now()
    // Time stands still: no allowance is filled up between two requests.
    const clock = { ...systemClock, now: () => nowMs }
    const env = { SITES_ALLOWED: 'shop.example', WRITE_KEYS: 'key', RATE_LIMIT_SITE: '5/s' }
    const server = await createServer(db, { env, clock })
    t.teardown(() => server.close())
    const headers = { authorization: `Basic ${Buffer.from('key:').toString('base64')}` }
    const message = (url?: string) => ({
      type: 'track',
      event: 'segmented',
      userId: 'u',
      ...(url && { context: { page: { url } } }),
    })
    const send = (batch: unknown[], more: Record<string, string> = {}) =>
      post(server, { batch }, { ...headers, ...more }, '/v1/batch')
    const mixed = [message('https://shop.example/a'), message('https://evil.example/'), message()]
    t.match(await send(mixed), { status: 200, body: { success: true } })
    t.same(
      (await eventsOf(db, 'segmented')).map((row) => row.site_id),
      ['shop.example', null],
    )
    t.match(
      await db.query(`select code, site_id from rejects where site_id = 'evil.example' and code = 'origin_forbidden'`),
      [{}],
    )
    t.equal((await send([message()], { origin: 'https://evil.example' })).status, 403)
    const flood = Array.from({ length: 5 }, () => message('https://shop.example/b'))
    t.match(await send(flood), { status: 429, body: { code: 'rate_limited' } })
  },
)

t.test('tokens cannot be tried faster than the rate of the admin routes', async (t) => {
  const server = await serve(t, {})
  const app = createApp({ log: silentLog, trustProxy: false, adminRatePerSecond: 3 })
  server.collector.routes(app)
  t.teardown(() => app.close())
  const ask = (remoteAddress: string, token: string) =>
    app.inject({ url: '/events/count', remoteAddress, headers: { authorization: `Bearer ${token}` } })
  const first = await ask('203.0.113.9', 'guess')
  // At once: a busy machine may need a second for a few of them in a row.
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask('203.0.113.9', 'guess')))
  const tried = [first.statusCode, ...answers.map((answer) => answer.statusCode)]
  t.ok(tried.includes(401) && tried.includes(429), tried.join(' '))
  t.equal((await ask('203.0.113.10', adminToken)).statusCode, 200, 'others are not held up')
  t.equal((await app.inject({ url: '/health', remoteAddress: '203.0.113.9' })).statusCode, 200)
})

t.test('an address that sends too often is told when to come back; others are not held up', async (t) => {
  const server = await serve(t, { RATE_LIMIT_COLLECT: '120/m' })
  const from = (remoteAddress: string) =>
    server.app.inject({ method: 'POST', url: '/collect', payload: '{"eventType":"rated"}', remoteAddress })
  const answers = await Promise.all(Array.from({ length: 8 }, () => from('203.0.113.1')))
  t.ok(answers.some((answer) => answer.statusCode === 429))
  const refused = answers.find((answer) => answer.statusCode === 429)
  t.match(refused?.json(), { code: 'rate_limited', status: 429 })
  t.ok(Number(refused?.headers['retry-after']) > 0)
  t.equal((await from('203.0.113.2')).statusCode, 200)
  const v6 = ['2001:db8:1:2::1', '2001:db8:1:2::2', '2001:db8:1:2:3::1', '2001:db8:1:2:ffff::1']
  const statuses = (await Promise.all(v6.map(from))).map((answer) => answer.statusCode)
  t.ok(statuses.includes(429), 'a /64 is one sender')
  t.equal((await server.app.inject({ url: '/health', remoteAddress: '203.0.113.1' })).statusCode, 200)
})

t.test('a site that is flooded is held to its rate, whoever sends; other sites are not, and it recovers', async (t) => {
  let nowMs = Date.now()
  const clock = { ...systemClock, now: () => nowMs }
  const server = await createServer(db, { env: { RATE_LIMIT_SITE: '10/s' }, clock })
  t.teardown(() => server.close())
  const send = (site: string, events: number) =>
    post(server, { events: Array.from({ length: events }, () => ({ eventType: 'flood', url: `https://${site}/` })) })
  t.equal((await send('one.example', 8)).status, 200)
  t.match(await send('one.example', 8), {
    status: 429,
    body: { code: 'rate_limited' },
    headers: { 'retry-after': /^\d+$/ },
  })
  t.equal((await send('two.example', 8)).status, 200)
  nowMs += 1_000
  t.equal((await send('one.example', 8)).status, 200)
  nowMs += 60_000
  t.equal((await send('one.example', 500)).status, 200, 'a large request is not refused for ever')
  t.equal((await send('one.example', 1)).status, 429, 'and is paid for')
  nowMs += 51_000
  t.equal((await send('one.example', 1)).status, 200)
})

t.test('X-Forwarded-For is believed only of a trusted proxy', async (t) => {
  const server = await serve(t, { IP_ADDRESS: 'full' })
  const forwarded = { 'x-forwarded-for': '198.51.100.7' }
  await post(server, { eventType: 'direct' }, forwarded)
  t.match(await eventsOf(db, 'direct'), [{ ip_address: '127.0.0.1' }])
  const app = createApp({ log: silentLog, trustProxy: '127.0.0.1' })
  server.collector.routes(app)
  t.teardown(() => app.close())
  await post({ ...server, app }, { eventType: 'proxied' }, forwarded)
  t.match(await eventsOf(db, 'proxied'), [{ ip_address: '198.51.100.7' }])
})

const bot = {
  'user-agent': 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)',
  origin: 'https://a.com',
}
const person = {
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36',
  origin: 'https://a.com',
}

t.test('bots on a page are marked, dropped or kept by setting; people and servers are left alone', async (t) => {
  for (const [mode, expected] of [
    ['mark', [{ bot: true }, {}, {}]],
    ['keep', [{}, {}, {}]],
    ['drop', [{}, {}]],
  ] as const) {
    const server = await serve(t, { BOTS: mode })
    const event = { eventType: `bot-${mode}` }
    for (const headers of [bot, person, { 'user-agent': 'curl/8.5.0' }])
      t.equal((await post(server, event, headers)).status, 200)
    t.same(
      await rawOf(db, event.eventType),
      expected.map((extra) => ({ ...event, ...extra })),
    )
  }
})

t.test('the first pixel (T1): exit beacons are text/plain, children get the page of their session', async (t) => {
  const server = await serve(t, {})
  const common = {
    timestamp: '2026-11-20T16:45:35.088Z',
    sessionId: 'sess_790bs1tqdp6vzgqc03535r',
    visitorId: 'vis_1',
    siteId: 'shop-example-com',
  }
  const page = { url: 'https://www.shop.example.com/p?utm_source=g&GCLID=abc#h', path: '/p' }
  const pageview = {
    ...{ eventType: 'pageview', ...common, ...page, eventData: {} },
    attribution: {
      utmParams: { utm_source: 'g', utm_medium: null },
      campaignParams: { gclid: 'abc', gclsrc: null },
      referrerType: 'search',
    },
    browser: {
      userAgent: 'UA',
      language: 'de',
      screenWidth: 1920,
      devicePixelRatio: 1.3333333730697632,
      timezone: 'Europe/Berlin',
    },
    page: { title: 'T', ...page, referrer: 'direct', queryParams: '?utm_source=g&GCLID=abc', hash: '#h' },
  }
  const children = [
    {
      eventType: 'scroll_depth',
      timestamp: common.timestamp,
      eventData: { milestone: 25, timeToMilestone: 1005, scrollPercentage: 100 },
    },
    {
      eventType: 'click',
      timestamp: common.timestamp,
      eventData: { tagName: 'a', classes: 'cta', id: 'dl', href: `${page.url}.pdf`, isDownload: true },
    },
  ]
  const beacon = { 'content-type': 'text/plain;charset=UTF-8' }
  const batch = { eventType: 'batch', ...common, batchMetadata: { eventCount: 2, sentOnExit: true }, events: children }
  const exit = { eventType: 'page_exit', ...common, ...page, eventData: { timeSpent: 1211 } }
  t.match(await post(server, pageview), { status: 200, body: { events_processed: 1 } })
  t.match(await post(server, JSON.stringify(batch), beacon), { status: 200, body: { events_processed: 2 } })
  t.match(await post(server, JSON.stringify(exit), beacon), { status: 200, body: { events_processed: 1 } })
  t.same(await rawOf(db, 'pageview'), [pageview])
  t.same(await rawOf(db, 'page_exit'), [exit])
  const { timestamp: _, ...ids } = common
  t.same(await rawOf(db, 'click'), [{ ...children[1], ...ids }])
  const rows = [
    ...(await eventsOf(db, 'click')),
    ...(await eventsOf(db, 'scroll_depth')),
    ...(await eventsOf(db, 'page_exit')),
  ]
  t.equal(rows.length, 3)
  for (const row of rows) t.match(row, { ...page, site_id: 'shop.example.com', session_id: common.sessionId })
  await post(server, { ...batch, sessionId: 'another', events: [{ eventType: 'lost' }] })
  t.match(await eventsOf(db, 'lost'), [{ url: null, path: null }])
})

t.test('SecurePixel (T2): everything is a batch, its page is inherited, its site has dots', async (t) => {
  const server = await serve(t, {})
  const page = { title: 'T', url: 'https://www.shop.example.com/cart', path: '/cart', referrer: 'direct' }
  const envelope = {
    ...{
      eventType: 'batch',
      sessionId: 's',
      visitorId: 'v',
      siteId: 'www.shop.example.com',
      privacy_level: 'gdpr',
      page,
    },
    timestamp: '2026-11-20T16:45:35.088Z',
  }
  const purchase = { eventType: 'purchase', order_id: 'A-17', revenue: 12.5, currency: 'EUR', products: [{ id: 1 }] }
  t.match(await post(server, { ...envelope, events: [purchase] }), { body: { events_processed: 1 } })
  t.match(await eventsOf(db, 'purchase'), [{ site_id: 'shop.example.com', url: page.url, path: '/cart' }])
  t.same(await rawOf(db, 'purchase'), [
    { ...purchase, sessionId: 's', visitorId: 'v', siteId: 'www.shop.example.com', page },
  ])
  t.match(await post(server, { eventType: 'batch', events: [{ eventType: 'x', siteId: 'shop-example-com' }] }), {
    status: 200,
  })
  t.match(await eventsOf(db, 'x'), [{ site_id: 'shop.example.com' }])
})
