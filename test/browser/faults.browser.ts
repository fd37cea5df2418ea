import type { Page } from 'playwright-core'
import t from 'tap'
import { noChromium } from '../support/chromium.ts'
import { createLab, type Lab } from '../support/lab.ts'
import { until } from '../support/until.ts'

const begin = async (lab: Lab, { attributes = '', head = '', init = '' } = {}): Promise<Page> => {
  const context = await lab.begin()
  if (init) await context.addInitScript(init)
  lab.serve('/', '<button>Press</button>', attributes, head)
  const page = await context.newPage()
  await page.goto(`${lab.site()}/`)
  return page
}
const storedTypes = (lab: Lab, type: string) => lab.stored().then((all) => all.filter((one) => one.eventType === type))
const batchIds = (lab: Lab) => lab.bodies().map((body) => (JSON.parse(body) as { batchId: string }).batchId)
/** What is kept on the device. */
const keys = (page: Page): Promise<string[]> => page.evaluate('Object.keys(localStorage)')
const kept = async (page: Page) => (await keys(page)).filter((key) => key.startsWith('evo_b'))

if (noChromium) t.plan(0, noChromium)
else {
  const lab = await createLab(t)

  t.test('a server that is down and comes back gets everything once, in the same batch', async (t) => {
    const page = await begin(lab)
    lab.gate.fault = 'down'
    await page.evaluate(`evothesis.track('one')`)
    t.equal(await page.evaluate('evothesis.flush()'), false)
    t.equal((await kept(page)).length, 1)
    lab.gate.fault = 'pass'
    await lab.waitFor('one')
    await until('the device is clear', async () => (await kept(page)).length === 0)
    t.equal((await storedTypes(lab, 'one')).length, 1)
    t.equal(await page.evaluate('evothesis.flush()'), true)
  })

  t.test('what waited while the server was down is sent by the next visit', async (t) => {
    const page = await begin(lab)
    lab.gate.fault = 'down'
    await page.evaluate(`evothesis.track('before')`)
    await page.goto('about:blank')
    lab.gate.fault = 'pass'
    await page.goto(`${lab.site()}/`)
    await lab.waitFor('before')
    t.equal((await storedTypes(lab, 'before')).length, 1)
    t.equal((await storedTypes(lab, 'page_exit')).length, 1)
  })

  for (const status of [429, 503])
    t.test(`${status} with Retry-After is waited for, then sent under the same id`, async (t) => {
      const page = await begin(lab)
      lab.gate.fault = { status, retryAfter: '3' }
      const startMs = Date.now()
      await page.evaluate('evothesis.flush()')
      lab.gate.fault = 'pass'
      await lab.waitFor('pageview')
      t.ok(Date.now() - startMs >= 3000, 'not before the three seconds')
      const ids = batchIds(lab)
      t.equal(ids.length, 2)
      t.equal(new Set(ids).size, 1)
    })

  t.test('4xx drops the batch and the pixel goes on', async (t) => {
    const page = await begin(lab)
    lab.gate.fault = { status: 400 }
    t.equal(await page.evaluate('evothesis.flush()'), true)
    lab.gate.fault = 'pass'
    await page.evaluate(`evothesis.track('after')`)
    await page.evaluate('evothesis.flush()')
    t.same(await lab.storedTypes(), ['after'])
  })

  t.test('413 splits a batch into halves under new ids until they fit', async (t) => {
    const page = await begin(lab)
    await page.evaluate(`for (let n = 0; n < 7; n++) evothesis.track('piece', { n })`)
    lab.gate.fault = (body) => ((body.match(/"eventType":"piece"/g) ?? []).length > 2 ? { status: 413 } : 'pass')
    await page.evaluate('evothesis.flush()')
    const pieces = await lab.waitFor('piece', 7)
    t.same(pieces.map((piece) => piece.raw.eventData.n).sort(), [0, 1, 2, 3, 4, 5, 6])
    t.equal(new Set(batchIds(lab)).size, lab.bodies().length)
  })

  t.test('a slow server is waited for, nothing is sent twice', async (t) => {
    const page = await begin(lab)
    lab.gate.fault = 'slow'
    const flushed = page.evaluate('evothesis.flush()')
    await until('the answer is held back', () => lab.gate.holds() === 1)
    await page.evaluate(`evothesis.track('meanwhile')`)
    lab.gate.fault = 'pass'
    lab.gate.release()
    t.equal(await flushed, true)
    await page.evaluate('evothesis.flush()')
    t.same(await lab.storedTypes(), ['pageview', 'meanwhile'])
    t.equal(new Set(batchIds(lab)).size, 2)
  })

  t.test('a connection that is reset after the collector took the batch is stored once', async (t) => {
    const page = await begin(lab)
    lab.gate.fault = 'reset-after-accept'
    await page.evaluate(`evothesis.track('once')`)
    t.equal(await page.evaluate('evothesis.flush()'), false)
    lab.gate.fault = 'pass'
    await until('the device is clear', async () => (await kept(page)).length === 0)
    t.equal((await storedTypes(lab, 'once')).length, 1)
    t.equal(new Set(batchIds(lab)).size, 1)
    t.ok(lab.bodies().length >= 2, 'it was sent again')
  })

  t.test('an endpoint that is blocked for ever keeps the device below its limits', async (t) => {
    const page = await begin(lab, { attributes: 'data-batch-size="1"' })
    await page.route('**/collect', (route) => route.abort('blockedbyclient'))
    await page.evaluate(`(async () => {
      for (let n = 0; n < 60; n++) {
        for (let i = 0; i < 22; i++) evothesis.track('fill', { n, text: 'x'.repeat(900) })
        await evothesis.flush()
      }
      document.dispatchEvent(new Event('visibilitychange'))
      dispatchEvent(new Event('pagehide'))
    })()`)
    const bytes = await page.evaluate<number>(
      `Object.entries(localStorage).reduce((sum, [key, value]) => sum + key.length + value.length, 0)`,
    )
    t.ok((await kept(page)).length <= 30)
    t.ok(bytes > 100_000 && bytes < 620_000, `${bytes} bytes`)
    const newest = await page.evaluate<string>(`Object.values(localStorage).join()`)
    t.match(newest, /page_exit/, 'the newest stay')
  })

  t.test('batches older than three days are not sent any more', async (t) => {
    const page = await begin(lab, { attributes: 'data-skip="pageview"' })
    await page.evaluate(`(() => {
      const record = (ageMs, type) => localStorage.setItem('evo_b' + (Date.now() - ageMs) + '_0123456789abcdef',
        ['0', 'gone', '"siteId":"' + location.hostname + '","sessionId":"s1"', '{"eventType":"' + type + '","url":"' + location.href + '"}'].join('\\n'))
      record(4 * 86400e3, 'stale'); record(2 * 86400e3, 'fresh')
    })()`)
    await page.reload()
    await lab.waitFor('fresh')
    await until('the device is clear', async () => (await kept(page)).length === 0)
    t.equal((await storedTypes(lab, 'stale')).length, 0)
  })

  t.test('a full or a throwing storage costs nothing while the page lives', async (t) => {
    const full = `Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }`
    const throwing = `Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError') } })`
    for (const init of [full, throwing]) {
      const page = await begin(lab, { init })
      lab.gate.fault = 'down'
      await page.evaluate(`evothesis.track('kept')`)
      await page.evaluate('evothesis.flush()')
      lab.gate.fault = 'pass'
      await lab.waitFor('kept')
      t.equal((await storedTypes(lab, 'kept')).length, 1)
      await page.evaluate(`evothesis.track('on')`)
      await page.goto('about:blank')
      await lab.waitFor('on')
    }
  })

  t.test('two tabs share visitor, session and what waits, and send nothing twice', async (t) => {
    const first = await begin(lab)
    const second = await first.context().newPage()
    await second.goto(`${lab.site()}/`)
    const third = await first.context().newPage()
    await third.goto(`${lab.site()}/`)
    lab.gate.fault = 'down'
    await third.evaluate(`for (let n = 0; n < 40; n++) evothesis.track('orphan', { n, text: 'x'.repeat(900) })`)
    await third.close({ runBeforeUnload: true })
    await until('the tab is closed', () => third.isClosed())
    await until('its batches are kept', async () => (await kept(first)).length >= 2)
    lab.gate.fault = 'pass'
    const before = lab.bodies().length
    await Promise.all([first.reload(), second.reload()])
    await lab.waitFor('orphan', 40)
    await until('the device is clear', async () => (await kept(first)).length === 0)
    const stored = await lab.stored()
    t.equal(stored.filter((event) => event.eventType === 'orphan').length, 40)
    t.equal(new Set(stored.map((event) => event.visitorId)).size, 1)
    t.equal(new Set(stored.map((event) => event.sessionId)).size, 1)
    const sentWithOrphans = lab
      .bodies()
      .slice(before)
      .filter((body) => body.includes('"orphan"'))
    t.equal(sentWithOrphans.length, new Set(sentWithOrphans.map((body) => JSON.parse(body).batchId)).size, 'each once')
  })

  /** Puts batches on the device that a page left behind, free for anyone; `event` is the type of their only event. */
  const leaveBehind = (page: Page, count: number, event: string) =>
    page.evaluate(`for (let n = 10; n < ${count + 10}; n++)
      localStorage.setItem('evo_b' + (Date.now() - 1000) + '_01234567890123' + n,
        ['0', 'gone', '"siteId":"' + location.hostname + '","sessionId":"s1"',
          '{"eventType":"${event}","url":"' + location.href + '","seq":' + n + '}'].join('\\n'))`)

  t.test('tabs that wake at once over what another left send each batch once, also while they flush', async (t) => {
    const rounds = 6
    // A page that flushes right after its load, before a claim can be sure.
    const busy = '<script>(window.evothesis = window.evothesis || []).push(["track", "hello"], ["flush"])</script>'
    const quiet = await begin(lab, { attributes: 'data-skip="pageview"' })
    lab.serve('/busy', '', '', busy)
    const tabs = await Promise.all([1, 2, 3].map(() => quiet.context().newPage()))
    for (let n = 1; n <= rounds; n++) {
      await leaveBehind(quiet, 9, `orphan_${n}`)
      await Promise.all(tabs.map((tab) => tab.goto(`${lab.site()}/busy`)))
      await until('the device is clear', async () => (await kept(quiet)).length === 0)
    }
    const orphans = lab.bodies().filter((body) => body.includes('"orphan_'))
    const ids = orphans.map((body) => (JSON.parse(body) as { batchId: string }).batchId)
    t.equal(new Set(ids).size, 9 * rounds, 'all of them')
    t.equal(ids.length, 9 * rounds, 'each once')
    t.equal((await lab.stored()).filter((event) => /^orphan_/.test(event.eventType)).length, 9 * rounds)
  })

  t.test('a tab whose lease ran out leaves its batch to the one that took it', async (t) => {
    const first = await begin(lab)
    lab.gate.fault = { status: 503, retryAfter: '2' }
    await first.evaluate(`evothesis.track('passed_on')`)
    t.equal(await first.evaluate('evothesis.flush()'), false)
    lab.gate.fault = 'pass'
    const second = await first.context().newPage()
    await second.goto(`${lab.site()}/`)
    // As if the first one had been frozen for a minute.
    await second.evaluate(`for (const key of Object.keys(localStorage)) if (key.startsWith('evo_b'))
      localStorage.setItem(key, localStorage.getItem(key).replace(/^\\d+/, '0'))`)
    await second.reload()
    await lab.waitFor('passed_on')
    await until('the device is clear', async () => (await kept(second)).length === 0)
    await until('the first one has nothing left', async () => first.evaluate<boolean>('evothesis.flush()'))
    const sent = lab.bodies().filter((body) => body.includes('"passed_on"'))
    t.equal(sent.length, 2, 'refused once, taken once')
  })

  t.test('two tabs that wake after the session ended rotate it to the same new one', async (t) => {
    const first = await begin(lab, { attributes: 'data-session-minutes="0.02"' })
    const second = await first.context().newPage()
    await second.goto(`${lab.site()}/`)
    await first.evaluate('new Promise((done) => setTimeout(done, 1300))')
    const wake = `evothesis.track('wake'); evothesis.flush()`
    await Promise.all([first.evaluate(wake), second.evaluate(wake)])
    const wakes = await lab.waitFor('wake', 2)
    t.equal(new Set(wakes.map((event) => event.sessionId)).size, 1)
    t.match(wakes[0]?.sessionId, /-2$/)
    t.equal((await lab.waitFor('pageview', 2)).filter((view) => /-1$/.test(view.sessionId)).length, 2)
  })

  t.test('a clock that jumps loses nothing, and does not end the session when it is set back', async (t) => {
    const page = await begin(lab, {
      init: `const now = Date.now; window.shiftMs = 0; Date.now = () => now() + window.shiftMs`,
    })
    lab.gate.fault = 'down'
    for (const [name, hours] of [
      ['back', -24],
      ['forth', 24],
      ['home', 0],
    ]) {
      await page.evaluate(`window.shiftMs = ${hours} * 3600e3; evothesis.track('${name}')`)
      await page.evaluate('evothesis.flush()')
    }
    lab.gate.fault = 'pass'
    await page.evaluate(`window.shiftMs = -48 * 3600e3`)
    await page.reload()
    await lab.waitFor('home')
    const sessionOf = async (type: string) => (await storedTypes(lab, type))[0]?.sessionId
    t.match(await sessionOf('back'), /-1$/)
    t.match(await sessionOf('forth'), /-2$/, 'a day later is another session')
    for (const type of ['back', 'forth', 'home']) t.equal((await storedTypes(lab, type)).length, 1, type)
  })

  t.test('pages that override fetch, JSON or Array.prototype neither break it nor are broken', async (t) => {
    const pages: Record<string, { head?: string; init?: string; after?: string }> = {
      'fetch throws, from the start': { init: `window.fetch = () => { throw new Error('no') }` },
      'fetch is missing': { init: 'delete window.fetch; window.fetch = undefined' },
      'fetch is replaced later': { after: `window.fetch = () => Promise.reject(new Error('mine'))` },
      'JSON is replaced later': { after: `JSON.stringify = () => 'broken'; JSON.parse = () => { throw 1 }` },
      'Prototype.js': {
        init: `Array.prototype.toJSON = function () { return 'array' }; String.prototype.toJSON = function () { return 'text' }
          Array.prototype.each = function () {}; Object.prototype.extend = function () {}`,
      },
      'history is frozen': {
        init: 'delete window.navigation; Object.freeze(history); Object.freeze(History.prototype)',
      },
    }
    for (const [name, { init = '', after = '' }] of Object.entries(pages)) {
      const page = await begin(lab, { init })
      const faults: string[] = []
      page.on('pageerror', (error) => faults.push(error.message))
      if (after) await page.evaluate(after)
      await page.click('button')
      await page.evaluate(`evothesis.track('own', { list: [1, { a: ['b'] }], text: 't' })`)
      await page.goto('about:blank')
      await lab.waitFor('own')
      const [own] = await storedTypes(lab, 'own')
      t.same(own?.raw.eventData, { list: [1, { a: ['b'] }], text: 't' }, name)
      t.equal((await storedTypes(lab, 'click')).length, 1, name)
      t.same(faults, [], name)
    }
  })
}
