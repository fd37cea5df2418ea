import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { chromium } from 'playwright-core'
import t from 'tap'
import { chromiumArgs, chromiumPath, noChromium } from '../support/chromium.ts'
import { createTestDatabase } from '../support/database.ts'
import { createServer, eventsOf, rawOf } from './server.ts'
import { until } from './until.ts'

t.test(
  'a real browser on another origin sends beacons and requests, with and without keys',
  { skip: noChromium ?? false },
  async (t) => {
    const database = await createTestDatabase()
    const { db } = database
    const server = await createServer(db)
    await server.app.listen({ port: 0, host: '127.0.0.1' })
    const collect = `http://127.0.0.1:${(server.app.server.address() as AddressInfo).port}/collect`
    const shop = createHttpServer((_request, answer) =>
      answer.setHeader('content-type', 'text/html').end('<h1>Shop</h1>'),
    )
    await new Promise<void>((resolve) => shop.listen(0, '127.0.0.1', resolve))
    const page = `http://localhost:${(shop.address() as AddressInfo).port}/p?x=1`
    const browser = await chromium.launch({ executablePath: chromiumPath, args: chromiumArgs })
    t.teardown(async () => {
      await browser.close()
      shop.close()
      await server.close()
      await database.close()
    })

    const tab = await browser.newPage()
    await tab.goto(page)
    // As a text: what runs in the page is the browser's JavaScript, not ours.
    const answers = await tab.evaluate(`(async () => {
    const collect = ${JSON.stringify(collect)}
    const text = (eventType, more = {}) => JSON.stringify({ eventType, url: location.href, visitorId: 'v', ...more })
    const json = { 'content-type': 'application/json' }
    const read = async (init) => {
      const answer = await fetch(collect, { method: 'POST', ...init })
      return [answer.status, await answer.json()]
    }
    return {
      beacon: navigator.sendBeacon(collect, text('beacon-text')),
      keyedBeacon: [1, 2].map(() => navigator.sendBeacon(collect, text('beacon-keyed', { batchId: 'b1' }))),
      jsonBeacon: navigator.sendBeacon(collect, new Blob([text('beacon-json')], { type: 'application/json' })),
      plain: await read({ body: text('fetch-plain') }),
      json: await read({ body: text('fetch-json'), headers: json, keepalive: true }),
      credentials: await read({ body: text('fetch-credentials'), headers: json, credentials: 'include' }),
      key: await read({ body: text('fetch-key'), headers: { ...json, 'idempotency-key': 'k1' } }),
      again: await read({ body: text('fetch-key'), headers: { ...json, 'idempotency-key': 'k1' } }),
      refused: await read({ body: '{' }),
    }
  })()`)
    const success = [200, { status: 'success', events_processed: 1, duplicate: false, rejected: [] }]
    t.match(answers, {
      ...{
        beacon: true,
        keyedBeacon: [true, true],
        jsonBeacon: true,
        plain: success,
        json: success,
        credentials: success,
      },
      ...{ key: success, again: [200, { duplicate: true }], refused: [400, { code: 'body_unreadable' }] },
    })
    const stored = async (eventType: string) => (await eventsOf(db, eventType)).length
    await until('the beacons to arrive', async () => {
      const counts = await Promise.all(['beacon-text', 'beacon-keyed', 'beacon-json'].map(stored))
      return counts.every((count) => count === 1)
    })
    for (const type of ['fetch-plain', 'fetch-json', 'fetch-credentials', 'fetch-key'])
      t.equal(await stored(type), 1, type)
    t.match(await eventsOf(db, 'beacon-text'), [{ site_id: 'localhost', url: page, path: '/p' }])
    t.match(await rawOf(db, 'beacon-text'), [{ visitorId: 'v' }])
  },
)
