import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { readStaticFiles, staticFolder } from '../../src/static-files.ts'
import { describeFile } from '../../tracking/build.ts'
import { noChromium } from '../support/chromium.ts'
import { createLab } from '../support/lab.ts'

/** What the pixel may take of the page's main thread, with the processor slowed down four times. */
const slowdown = 4
const handlerMsP99Max = 1
const longTaskMs = 50
const samples = 300
/**
 * Times are held to their limits in a storm, on a machine that does nothing else. Elsewhere other work may take any time it
 * likes: they are printed, and only the middle of them, which it hardly moves, is asserted.
 */
const isStorm = process.env.STORM === '1'
/** The best of so many rounds counts. */
const rounds = isStorm ? 8 : 2
const loads = isStorm ? 3 : 1

/** Times every listener that the pixel adds, by type; the test tool adds its own. Runs before any script of the page. */
const timeListeners = `
  window.handlerMs = {}
  const add = EventTarget.prototype.addEventListener
  EventTarget.prototype.addEventListener = function (type, listener, options) {
    if (!/tracking\\.js/.test(new Error().stack)) return add.call(this, type, listener, options)
    window.listenerOptions = [...(window.listenerOptions ?? []), [type, options?.passive === true]]
    return add.call(this, type, function (event) {
      const start = performance.now()
      listener.call(this, event)
      ;(window.handlerMs[type] ??= []).push(performance.now() - start)
    }, options)
  }
  window.scripts = []
  new PerformanceObserver((list) => {
    for (const frame of list.getEntries())
      for (const script of frame.scripts) window.scripts.push({ url: script.sourceURL, ms: script.duration })
  }).observe({ type: 'long-animation-frame', buffered: true })`

if (noChromium) t.plan(0, noChromium)
else {
  const lab = await createLab(t)

  t.test('listeners are passive, quick, and keep no page out of the bfcache', async (t) => {
    const context = await lab.begin()
    await context.addInitScript(timeListeners)
    const rows = '<tr><td><button type="button" class="link big"><b>row</b></button></td></tr>'.repeat(500)
    lab.serve('/', `<form><input id="field"></form><table>${rows}</table>`)
    const page = await context.newPage()
    const devtools = await context.newCDPSession(page)
    await devtools.send('Emulation.setCPUThrottlingRate', { rate: slowdown })
    const longest: number[] = []
    for (let n = 0; n < loads; n++) {
      await page.goto(lab.site())
      await page.waitForFunction('document.readyState === "complete"')
      const { listenerOptions, scripts } = await page.evaluate<Measured>('({ listenerOptions, scripts })')
      t.same(
        listenerOptions.filter(([type, passive]) => !passive || /unload/.test(type)),
        [],
        'every listener is passive, none waits for unload',
      )
      longest.push(Math.max(0, ...scripts.filter(({ url }) => /tracking\.js/.test(url)).map(({ ms }) => ms)))
    }
    t.comment(`longest script of the pixel while the page loads: ${longest} ms`)
    if (isStorm) t.ok(Math.min(...longest) < longTaskMs, 'the pixel holds up no frame while the page loads')
    const round = `(async () => {
      window.handlerMs = {}
      const field = document.getElementById('field'), button = document.querySelector('b')
      for (let n = 0; n < ${samples}; n++) {
        button.dispatchEvent(new MouseEvent('click', { bubbles: true, composed: true, detail: 1, clientX: n % 200, clientY: n % 90 }))
        field.value += 'x'
        field.dispatchEvent(new InputEvent('input', { bubbles: true, composed: true }))
        document.dispatchEvent(new Event('scroll'))
        if (n % 10 === 0) await new Promise((done) => setTimeout(done))
      }
      return window.handlerMs
    })()`
    const best: Record<string, number> = {}
    const middle: Record<string, number> = {}
    for (let n = 0; n < rounds; n++) {
      const handlerMs = await page.evaluate<Record<string, number[]>>(round)
      for (const type of ['click', 'input', 'scroll']) {
        const times = (handlerMs[type] ?? []).sort((a, b) => a - b)
        t.ok(times.length >= samples, `${type}: ${times.length} handlings`)
        const p99 = times[Math.floor(times.length * 0.99)] ?? Number.POSITIVE_INFINITY
        t.comment(`${type}: p50 ${times[times.length >> 1]} ms, p99 ${p99} ms at 1/${slowdown} speed`)
        best[type] = Math.min(best[type] ?? p99, p99)
        middle[type] = Math.min(
          middle[type] ?? Number.POSITIVE_INFINITY,
          times[times.length >> 1] ?? Number.POSITIVE_INFINITY,
        )
      }
    }
    for (const type of ['click', 'input', 'scroll']) {
      t.ok(Number(middle[type]) < handlerMsP99Max, `${type}: p50 ${middle[type]} ms`)
      if (isStorm) t.ok(Number(best[type]) < handlerMsP99Max, `${type}: p99 ${best[type]} ms`)
    }
  })

  t.test('it runs under a policy that allows its hash and its collector, and nothing else', async (t) => {
    await lab.begin()
    const script = readStaticFiles(staticFolder).get('/js/tracking.js')
    const { integrity } = describeFile('tracking.js', script?.body ?? new Uint8Array())
    const violations: string[] = []
    const server = createServer((request, answer) => {
      if (request.url === '/tracking.js')
        return void answer.writeHead(200, { 'content-type': 'text/javascript' }).end(script?.body)
      answer.writeHead(200, {
        'content-type': 'text/html',
        'content-security-policy': `default-src 'none'; script-src '${integrity}'; connect-src ${lab.gate.url}`,
      })
      answer.end(
        `<title>Strict</title><script defer src="/tracking.js" integrity="${integrity}" data-endpoint="${lab.gate.url}/collect"></script><button>x</button>`,
      )
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    const host = new URL(lab.site()).hostname
    const page = await (await lab.browser.newContext()).newPage()
    page.on('console', (message) => violations.push(message.text()))
    await page.goto(`http://${host}:${(server.address() as AddressInfo).port}/`)
    await page.click('button')
    await page.goto('about:blank')
    await lab.waitFor('page_exit')
    t.same((await lab.storedTypes()).slice(0, 2), ['pageview', 'click'])
    t.same(
      violations.filter((text) => /Content Security Policy|integrity/i.test(text) && !/favicon/.test(text)),
      [],
    )
  })
}

type Measured = {
  listenerOptions: [type: string, passive: boolean][]
  scripts: { url: string; ms: number }[]
}
