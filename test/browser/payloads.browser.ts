import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { noChromium } from '../support/chromium.ts'
import { createLab } from '../support/lab.ts'

/**
 * The payloads that the pixel sends, one file per event type, recorded from the browser: `RECORD=1` writes them, otherwise what
 * the browser sends is compared with them. test/tracking/payloads.test.ts gives the same files to the collector.
 */
const folder = path.join(import.meta.dirname, '../fixtures/payloads')

type Payload = { events: ({ eventType: string } & Record<string, unknown>)[] } & Record<string, unknown>

/** Which fields there are, and of what type; values differ from run to run. */
const shapeOf = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.slice(0, 1).map(shapeOf)
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, shapeOf(inner)]),
  )
}

if (noChromium) t.plan(0, noChromium)
else {
  const lab = await createLab(t)

  t.test('the recorded payloads are what the browser sends', async (t) => {
    const context = await lab.begin()
    lab.serve(
      '/',
      `<form id="signup" action="/done"><input name="plan" data-track-value><input name="mail" type="email" required><button>Send</button></form>
       <a id="pdf" href="/list.pdf"><b>List</b></a><a id="out" href="http://other.localhost:1/" data-track-text>Out</a>
       <p id="text">Some words that can be selected</p><div style="height:3000px"></div><video id="film"></video><i data-search-results="3"></i>`,
      'data-batch-size="1000"',
      `<script defer src="${lab.site()}/js/web-vitals.js"></script>`,
    )
    const page = await context.newPage()
    await page.goto(`${lab.site()}/?utm_source=news&utm_medium=mail&gclid=abc&q=red+shoes`, {
      referer: 'https://www.google.com/',
    })
    await page.evaluate(`addEventListener('click', (event) => event.target.closest('a') && event.preventDefault())`)
    await page.evaluate(`addEventListener('submit', (event) => event.preventDefault())`)
    await page.fill('[name=plan]', 'large')
    await page.click('button')
    await page.fill('[name=mail]', 'jane@example.com')
    await page.click('button')
    await page.fill('[name=plan]', 'small')
    await page.press('[name=plan]', 'Tab')
    for (const link of ['#pdf', '#out']) await page.click(link)
    for (let n = 0; n < 3; n++) await page.click('#text')
    await page.evaluate(
      `getSelection().selectAllChildren(document.getElementById('text')); document.execCommand('copy')`,
    )
    await page.evaluate(`const film = document.getElementById('film'); film.dispatchEvent(new Event('play'))`)
    await page.evaluate(`setTimeout(() => { throw new Error('Broken') })`)
    await page.evaluate(`scrollTo(0, 99999); new Promise((done) => setTimeout(done, 1100))`)
    const order = `{ transaction_id: 'A1', value: 49.5, currency: 'EUR', items: [{ item_id: 'cup', item_name: 'Cup', price: 16.5, quantity: 3 }] }`
    await page.evaluate(`
      for (const event of ['view_item', 'add_to_cart', 'remove_from_cart', 'begin_checkout', 'purchase'])
        dataLayer.push({ event, ecommerce: ${order} })
      evothesis.identify('user-42', { plan: 'gold' })
      evothesis.consent('granted', { categories: ['analytics'], version: '3' })
      evothesis.track('custom', { anything: [1, 'two', { three: true }] })`)
    await page.evaluate(`Object.defineProperty(document, 'hidden', { value: true, configurable: true })
      document.dispatchEvent(new Event('visibilitychange')); delete document.hidden`)
    await page.goto('about:blank')
    await lab.waitFor('page_exit')
    await lab.waitFor('web_vital')

    const origin = lab.site()
    const payloads = new Map<string, Payload>()
    for (const body of lab.bodies()) {
      const text = body
        .replaceAll(origin, 'https://shop.example.com')
        .replaceAll(new URL(origin).hostname, 'shop.example.com')
      const payload = JSON.parse(text) as Payload
      for (const event of payload.events)
        if (!payloads.has(event.eventType)) payloads.set(event.eventType, { ...payload, events: [event] })
    }
    if (process.env.RECORD) {
      mkdirSync(folder, { recursive: true })
      for (const [type, payload] of payloads)
        writeFileSync(path.join(folder, `${type}.json`), `${JSON.stringify(payload, undefined, 2)}\n`)
    }
    const recorded = readdirSync(folder).map((name) => name.replace('.json', ''))
    t.same([...payloads.keys()].sort(), recorded.sort())
    for (const [type, payload] of payloads)
      t.same(shapeOf(payload), shapeOf(JSON.parse(readFileSync(path.join(folder, `${type}.json`), 'utf8'))), type)
  })

  t.test('the module build runs, and its types say what it takes', async (t) => {
    const context = await lab.begin()
    lab.serve('/', '', 'data-track="none"')
    const page = await context.newPage()
    const module = readFileSync(path.join(import.meta.dirname, '../../dist/tracking/module/evothesis.js'), 'utf8')
    await page.route('**/module.js', (route) => route.fulfill({ contentType: 'text/javascript', body: module }))
    await page.goto(lab.site())
    const delivered = await page.evaluate(`import('/module.js').then(({ init, evothesis }) => {
      init({ endpoint: '${lab.gate.url}/collect', skip: 'click' })
      init({ endpoint: 'http://other.invalid/' })
      evothesis.track('by_module', { a: 1 })
      return evothesis.flush()
    })`)
    t.equal(delivered, true)
    t.same(await lab.storedTypes(), ['pageview', 'by_module'])

    const work = mkdtempSync(path.join(tmpdir(), 'evothesis-types-'))
    const types = path.join(import.meta.dirname, '../../dist/tracking/module/evothesis.d.ts')
    const check = (source: string): string => {
      writeFileSync(
        path.join(work, 'use.ts'),
        `import { evothesis, init, type Options } from '${types.replace('.d.ts', '')}'\n${source}`,
      )
      const tsc = path.join(import.meta.dirname, '../../node_modules/.bin/tsc')
      const flags = [
        '--noEmit',
        '--strict',
        '--module',
        'esnext',
        '--moduleResolution',
        'bundler',
        '--target',
        'es2020',
      ]
      try {
        // The test runner loads itself into every process that it sees; that is not for the compiler.
        execFileSync('env', ['-u', 'NODE_OPTIONS', process.execPath, tsc, ...flags, path.join(work, 'use.ts')], {
          ...{ encoding: 'utf8', stdio: 'pipe', cwd: work },
        })
        return ''
      } catch (error) {
        const { stdout, stderr } = error as { stdout?: string; stderr?: string }
        return `${stdout}${stderr}` || 'failed without a word'
      }
    }
    t.equal(
      check(
        `const options: Options = { endpoint: '/collect', batchSize: 10 }\ninit(options).track('x', { y: 1 })\nevothesis.consent('granted')`,
      ),
      '',
    )
    t.match(check(`evothesis.consent('perhaps')`), /TS2345/)
    t.match(check(`init({ endpont: '/collect' })`), /TS(2353|2561)/)
  })
}
