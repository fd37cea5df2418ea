import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import t from 'tap'
import { buildSite } from '../../site/build.ts'
import { startChromium } from '../support/chromium.ts'
import { tempFolder } from '../support/exporter.ts'

t.setTimeout(300_000)
const pages = ['index', 'how-it-works', 'pricing', 'privacy', 'contact']
const types: Record<string, string> = {
  html: 'text/html',
  css: 'text/css',
  js: 'text/javascript',
  svg: 'image/svg+xml',
}
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

t.test('the public site, at a phone and at a desk, in light and in dark', async (t) => {
  const out = path.join(await tempFolder(t), 'site')
  await buildSite({ out, contact: 'https://forms.example/evothesis' })
  const server = createServer((request, answer) => {
    const file = path.basename(new URL(request.url ?? '/', 'http://site').pathname) || 'index.html'
    try {
      const body = readFileSync(path.join(out, file))
      answer.writeHead(200, { 'content-type': types[file.split('.').at(-1) ?? ''] ?? 'text/plain' }).end(body)
    } catch {
      answer.writeHead(404).end()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const site = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const browser = await startChromium()
  t.teardown(async () => {
    await browser.close()
    server.closeAllConnections()
    server.close()
  })
  const shots = process.env.SCREENSHOTS
  for (const [name, width, colorScheme] of [
    ['phone', 360, 'light'],
    ['desk', 1280, 'dark'],
  ] as const) {
    const context = await browser.newContext({ viewport: { width, height: 800 }, colorScheme })
    const page = await context.newPage()
    const outside: string[] = []
    const wrong: string[] = []
    page.on('request', (request) => {
      if (!request.url().startsWith(site)) outside.push(request.url())
    })
    page.on('console', (message) => {
      if (message.type() === 'error') wrong.push(message.text())
    })
    page.on('pageerror', (error) => wrong.push(error.message))
    for (const one of pages) {
      await page.goto(`${site}/${one}.html`)
      await page.evaluate(axe)
      const violations = await page.evaluate(async () => {
        const { axe: checker } = globalThis as unknown as {
          axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> }
        }
        return (await checker.run()).violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)
      })
      t.same(violations, [], `${one} at a ${name}`)
      const overflow = await page.evaluate(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      )
      t.equal(overflow, 0, `${one} does not scroll sideways at a ${name}`)
      if (shots) await page.screenshot({ path: path.join(shots, `${one}-${name}.png`), fullPage: true })
    }
    t.same([outside, wrong], [[], []])
    await context.close()
  }

  const page = await browser.newPage()
  await page.goto(`${site}/pricing.html`)
  t.match(await page.textContent('#outcome'), /growth: \$499.00|metered: \$100.00/)
  await page.keyboard.press('Tab')
  await page.focus('#pageviews')
  await page.keyboard.press('Control+A')
  await page.keyboard.type('1.5 million')
  t.match(await page.textContent('#outcome'), /small \$249.00/)
  await page.fill('#events', 'lots')
  t.match(await page.textContent('#outcome'), /Numbers such as/)
})
