import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Page } from 'playwright-core'
import t from 'tap'
import { loadConfig } from '../../src/config.ts'
import { createPixelRoutes } from '../../src/pixel/routes.ts'
import { secret } from '../../src/secret.ts'
import { buildAll } from '../../tracking/build.ts'
import { adminToken, createServer } from '../collect/server.ts'
import { noChromium, startChromium } from '../support/chromium.ts'
import { createTestDatabase } from '../support/database.ts'
import { until } from '../support/until.ts'

if (noChromium) t.plan(0, noChromium)
else {
  t.setTimeout(300_000)
  await buildAll()
  const database = await createTestDatabase()
  const dataDir = await mkdtemp(path.join(tmpdir(), 'evothesis-shop-'))
  await mkdir(path.join(dataDir, 'exports/client/events'), { recursive: true })
  await writeFile(path.join(dataDir, 'exports/client/events/part.json.gz'), 'a part')
  const server = await createServer(database.db, { env: { DATA_DIR: dataDir } })
  const config = loadConfig({ DATA_DIR: dataDir }, '/nonexistent')
  // A ready app takes no more routes, so the shop has an app beside the collector's, and hands its POSTs on.
  const { createApp } = await import('../../src/http.ts')
  const { silentLog } = await import('../../src/log.ts')
  const app = createApp({ log: silentLog, trustProxy: false })
  createPixelRoutes({ config, db: database.db, adminToken: secret(adminToken) }).routes(app)
  server.collector.routes(app)
  const shop = await app.listen({ port: 0, host: '127.0.0.1' })
  const browser = await startChromium()
  t.teardown(async () => {
    await browser.close()
    await app.close()
    await server.close()
    await database.close()
    await rm(dataDir, { recursive: true })
  })

  const open = async (width: number): Promise<{ page: Page; faults: string[] }> => {
    const page = await (await browser.newContext({ viewport: { width, height: 800 } })).newPage()
    const faults: string[] = []
    page.on('pageerror', (error) => faults.push(error.message))
    page.on('console', (message) => message.type() === 'error' && faults.push(message.text()))
    page.on('response', (response) => response.status() >= 400 && faults.push(`${response.status()} ${response.url()}`))
    return { page, faults }
  }
  const typesStored = async () => {
    const rows = await database.db.query<{ event_type: string }>(
      'select distinct event_type from events_log order by 1',
    )
    return rows.map((row) => row.event_type)
  }

  for (const [device, width] of [
    ['phone', 390],
    ['desktop', 1280],
  ] as const)
    t.test(`a visit from search to order works on a ${device}, and all of it is stored`, async (t) => {
      const { page, faults } = await open(width)
      await page.goto(`${shop}/?utm_source=test`)
      const pages = ['/', '/products', '/product', '/cart', '/checkout', '/search', '/contact', '/guide', '/lookbook']
      for (const address of pages) {
        await page.goto(shop + address)
        t.equal(await page.evaluate('document.querySelectorAll("h1").length'), 1, `${address} has one heading`)
        t.ok(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), `${address} fits the width`)
        t.same(
          await page.evaluate(
            `[...document.querySelectorAll('input,select,textarea')].filter((field) => !field.labels?.length).map((field) => field.name)`,
          ),
          [],
          `${address}: every field has a label`,
        )
      }
      await page.fill('#q', 'tent')
      await page.click('.find button')
      await page.waitForURL('**/search?q=tent')
      await page.click('[data-products=search] a')
      await page.waitForURL('**/product?id=*')
      await page.click('#add')
      await page.click('[data-added] a')
      await page.waitForURL('**/cart')
      await page.click('[data-change="1"]')
      await page.click('[data-change="-1"]')
      await page.click('a.button')
      await page.waitForURL('**/checkout')
      for (const [field, value] of [
        ['name', 'Jane Doe'],
        ['email', 'jane@example.com'],
        ['street', 'Road 1'],
        ['card', '4242 4242 4242 4242'],
      ] as const)
        await page.fill(`[name=${field}]`, value)
      await page.click('button:has-text("Pay")')
      await page.waitForSelector('[data-thanks]:not([hidden])')
      await page.goto(`${shop}/lookbook`)
      await page.click('[data-look=forest]')
      await page.goto(`${shop}/guide`)
      await page.evaluate(`document.querySelector('video').play()`)
      // Not waitForFunction: it polls by eval, which the shop's policy forbids.
      await until('the video to play', () => page.evaluate<boolean>(`document.querySelector('video').currentTime > 0`))
      const download = page.waitForEvent('download')
      await page.click('a[download]')
      await (await download).cancel()
      await page.goto('about:blank')
      await until('the visit is stored', async () => {
        const types = await typesStored()
        return [
          'search',
          'product_view',
          'add_to_cart',
          'remove_from_cart',
          'begin_checkout',
          'purchase',
          'form_submit',
        ]
          .concat(['download', 'video', 'pageview', 'click', 'engagement', 'page_exit', 'web_vital'])
          .every((type) => types.includes(type))
      })
      const [told] = await database.db.query<{ found: boolean }>(
        `select bool_or(raw_event_data::text ~ 'Jane|jane@|Road 1|4242') as found from events_log`,
      )
      t.equal(told?.found, false)
      t.same(faults, [])
    })

  t.test('the panel shows what was sent and what was stored, and files only with the token', async (t) => {
    const { page } = await open(1280)
    await page.goto(`${shop}/products`)
    await page.click('.panel-toggle')
    await page.waitForSelector('[data-sent] li')
    await page.check('[data-stored-switch]')
    await page.waitForSelector('[data-stored] li')
    t.match(await page.textContent('[data-stored]'), /pageview/)
    await page.fill('#token', 'wrong')
    await page.click('.files div button')
    await until('the refusal', async () => /not right/.test((await page.textContent('.files ul')) ?? ''))
    await page.fill('#token', adminToken)
    await page.click('.files div button')
    await page.waitForSelector('.files li button')
    t.match(await page.textContent('.files ul'), /exports\/events\/part\.json\.gz \(6 bytes\)/)
  })

  t.test('files outside the folders, and events of others, are not given', async (t) => {
    const headers = { authorization: `Bearer ${adminToken}` }
    for (const name of ['exports/../../admin-token', 'exports/%2e%2e/%2e%2e/secrets', 'other/x', 'exports'])
      t.equal((await fetch(`${shop}/demo/files/${name}`, { headers })).ok, false, name)
    t.equal((await fetch(`${shop}/demo/files/exports/events/part.json.gz`)).status, 401)
    t.equal(await (await fetch(`${shop}/demo/files/exports/events/part.json.gz`, { headers })).text(), 'a part')
    t.equal((await fetch(`${shop}/demo/stored?visitor=%25`)).status, 400)
  })

  t.test('the consent banner can be used by keyboard, is remembered, and decides', async (t) => {
    const { page } = await open(1280)
    await page.goto(shop)
    await page.click('[data-consent-open]')
    t.equal(await page.evaluate(`document.activeElement.localName`), 'evothesis-consent')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Space')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    t.same(await page.evaluate(`JSON.parse(localStorage.consent_choice)`), {
      version: '1',
      categories: ['marketing'],
      granted: false,
    })
    t.equal(await page.evaluate(`document.querySelector('evothesis-consent')`), null)
    t.same(await page.evaluate(`Object.keys(localStorage).filter((key) => /^evo_/.test(key))`), [])
    await page.evaluate('evothesisConsent.open()')
    await page.locator('evothesis-consent').getByText('Accept all').click()
    await until('the grant is stored', async () => {
      const rows = await database.db.query<{ state: string }>(
        `select raw_event_data->'eventData'->>'state' as state from events_log where event_type = 'consent'`,
      )
      return rows.some((row) => row.state === 'granted')
    })
  })
}
