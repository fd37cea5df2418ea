import type { Page } from 'playwright-core'
import t from 'tap'
import { chromiumArgs, chromiumPath, noChromium } from '../support/chromium.ts'
import { createLab, type Lab, type StoredEvent } from '../support/lab.ts'
import { until } from '../support/until.ts'

/** Bytes of one event of `fill`, and how many make the queues of the matrix. */
const fillTextChars = 900
const queues = { '0': 0, '1': 1, '60 KB': 52, '200 KB': 170 }

const fill = (page: Page, count: number) =>
  page.evaluate(`for (let n = 0; n < ${count}; n++) evothesis.track('fill', { n, text: 'x'.repeat(${fillTextChars}) })`)

/** How a page can end; each leaves the tab where a next visit can begin. */
const exits: Record<string, (page: Page, lab: Lab) => Promise<void>> = {
  link: async (page) => {
    await page.click('a')
    await page.waitForURL('**/next')
  },
  'location.assign': async (page) => {
    await page.evaluate(`location.assign('/next')`)
    await page.waitForURL('**/next')
  },
  'another site': async (page) => {
    await page.goto('about:blank')
  },
  'tab close': async (page) => {
    await page.close({ runBeforeUnload: true })
    await until('the tab is closed', () => page.isClosed())
  },
  reload: async (page) => {
    await page.reload()
  },
}

const begin = async (lab: Lab, attributes = ''): Promise<Page> => {
  const context = await lab.begin()
  lab.serve('/', '<a href="/next">Next</a>', `data-batch-size="1000" ${attributes}`)
  lab.serve('/next', '<h1>Next</h1>', `data-batch-size="1000" ${attributes}`)
  const page = await context.newPage()
  await page.goto(`${lab.site()}/`)
  return page
}
const fills = (events: StoredEvent[]) => events.filter((event) => event.eventType === 'fill')

/** How many of the events that were made did not arrive: those of `fill`, and page views. */
const lostOf = (events: StoredEvent[], filled: number, viewed = 1): number =>
  filled + viewed - fills(events).length - events.filter((event) => event.eventType === 'pageview').length

/** The numbers missing in what one page load sent, and those that came twice. */
const gapsOf = (events: StoredEvent[]): string[] => {
  const problems: string[] = []
  for (const pageId of new Set(events.map((event) => event.raw.pageId))) {
    const numbers = events.filter((event) => event.raw.pageId === pageId).map((event) => event.raw.seq)
    for (let seq = 1; seq <= Math.max(...numbers); seq++) {
      const times = numbers.filter((number) => number === seq).length
      if (times !== 1) problems.push(`${seq} of ${pageId} came ${times} times`)
    }
  }
  return problems
}

if (noChromium) t.plan(0, noChromium)
else {
  const lab = await createLab(t)

  for (const [how, leave] of Object.entries(exits))
    for (const [size, count] of Object.entries(queues))
      t.test(`${how} with ${size} queued loses nothing`, async (t) => {
        const page = await begin(lab)
        const context = page.context()
        if (count === 0) await page.evaluate('evothesis.flush()')
        else await fill(page, count)
        await leave(page, lab)
        if (count <= queues['60 KB']) {
          await lab.waitFor('page_exit')
          await until('all stored without another visit', async () => fills(await lab.stored()).length >= count)
          const stored = await lab.stored()
          t.equal(fills(stored).length, count, `all of it at once, ${lab.bodies().join('').length} bytes`)
          t.same(gapsOf(stored), [])
        }
        const next = await context.newPage()
        await next.goto(`${lab.site()}/next`)
        await lab.waitFor('page_exit')
        await until('all stored after the next visit', async () => fills(await lab.stored()).length >= count)
        const stored = await lab.stored()
        t.equal(fills(stored).length, count, 'once each')
        t.same(gapsOf(stored), [])
      })

  t.test('back and forward through the bfcache: the page counts again, and loses and repeats nothing', async (t) => {
    for (const [size, count] of Object.entries(queues)) {
      const page = await begin(lab)
      await page.evaluate(`addEventListener('pageshow', (event) => { window.restored = event.persisted })`)
      await fill(page, count)
      await page.click('a')
      await page.waitForURL('**/next')
      await page.evaluate('history.back()')
      await page.waitForURL(`${lab.site()}/`, { waitUntil: 'commit' })
      t.equal(await page.evaluate('window.restored'), true, `restored from the bfcache with ${size} queued`)
      await page.evaluate('evothesis.flush()')
      await until('all stored', async () => fills(await lab.stored()).length >= count)
      await until('the return is stored', async () =>
        (await lab.stored()).some((event) => event.raw.eventData.navigationMethod === 'bfcache'),
      )
      const stored = await lab.stored()
      t.equal(fills(stored).length, count)
      const views = stored.filter((event) => event.eventType === 'pageview' && event.path === '/')
      t.same(
        views.map((view) => view.raw.eventData.navigationMethod),
        ['load', 'bfcache'],
      )
      t.same(gapsOf(stored), [])
    }
  })

  t.test('hidden, then killed: what was accepted stays, and gaps in the numbers show what was lost', async (t) => {
    const { chromium } = await import('playwright-core')
    for (const [size, count] of Object.entries(queues)) {
      const server = await chromium.launchServer({ executablePath: chromiumPath, args: chromiumArgs })
      await lab.begin()
      const other = await chromium.connect(server.wsEndpoint())
      lab.serve('/', '', 'data-batch-size="1000"')
      const page = await (await other.newContext()).newPage()
      await page.goto(`${lab.site()}/`)
      await fill(page, count)
      await page.evaluate(`
        Object.defineProperty(document, 'hidden', { value: true })
        document.dispatchEvent(new Event('visibilitychange'))`)
      await lab.waitFor('page_visibility')
      server.process().kill('SIGKILL')
      await until('the requests that were under way have ended', () => lab.gate.open() === 0)
      const stored = await lab.stored()
      if (count <= queues['60 KB']) t.equal(fills(stored).length, count, `${size}: nothing lost`)
      t.equal(gapsOf(stored).length, lostOf(stored, count), `${size}: the gaps show what was lost`)
      await server.kill()
    }
  })

  t.test('with data-storage="none" an exit loses only what no request had taken, and nothing is stored', async (t) => {
    const page = await begin(lab, 'data-storage="none"')
    await fill(page, queues['60 KB'])
    t.equal(await page.evaluate('localStorage.length'), 0)
    await page.click('a')
    await lab.waitFor('page_exit')
    await until('all stored at once', async () => fills(await lab.stored()).length >= queues['60 KB'])
    const stored = await lab.stored()
    t.equal(fills(stored).length, queues['60 KB'])
    t.same(gapsOf(stored), [])
    t.same(
      stored.filter((event) => event.visitorId !== null),
      [],
      'no visitor id without storage',
    )
    await page.goto(`${lab.site()}/`)
    await fill(page, queues['200 KB'])
    await page.goto('about:blank')
    await until('60 KB more', async () => fills(await lab.stored()).length > queues['60 KB'] + 30)
    await lab.waitFor('page_exit', 3)
    await until('the requests have ended', () => lab.gate.open() === 0)
    const all = await lab.stored()
    const lost = lostOf(all, queues['60 KB'] + queues['200 KB'], 3)
    t.ok(lost > 0, `${lost} events were lost`)
    t.equal(gapsOf(all).length, lost, 'the gaps show what was lost')
  })
}
