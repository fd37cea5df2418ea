import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import type { Browser, Locator, Page } from 'playwright-core'
import type { Test } from 'tap'
import { buildConsole } from '../../console/build.ts'
import { ours } from '../console/console.ts'
import { createWholeApp, type WholeApp } from '../console/whole-app.ts'
import { startChromium } from '../support/chromium.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
export const views = [
  'delivery',
  'traffic',
  'usage',
  'journeys',
  'notes',
  'privacy',
  'webhooks',
  'api',
  'account',
] as const
export const titles: Record<(typeof views)[number], string> = {
  ...{ delivery: 'Delivery', traffic: 'Traffic', usage: 'Usage and domains', journeys: 'Journeys', notes: 'Notes' },
  ...{ privacy: 'Privacy', webhooks: 'Webhooks', api: 'API', account: 'Your login' },
}

export type Desk = { page: Page; wrong: string[]; outside: string[]; close(): Promise<void> }
export type Room = WholeApp & {
  address: string
  browser: Browser
  /** A new browser profile, and what went wrong in it. */
  sit(options?: { width?: number; height?: number; colorScheme?: 'light' | 'dark' }): Promise<Desk>
  login(page: Page, token: string): Promise<void>
  go(page: Page, view: (typeof views)[number]): Promise<void>
  violations(page: Page): Promise<string[]>
}

/** The whole server on a real database, working, and a real browser before it. */
export const openRoom = async (t: Test): Promise<Room> => {
  await buildConsole()
  const app = await createWholeApp(t, { works: true, env: { WEBHOOK_ALLOW_PRIVATE: 'true' } })
  const address = await app.app.listen({ host: '127.0.0.1', port: 0 })
  const browser = await startChromium()
  t.teardown(() => browser.close())
  let logins = 0
  const shown = (page: Page, view: (typeof views)[number]) => page.locator(`#main[data-ready="${view}"] h1`).waitFor()
  return {
    ...{ ...app, address, browser },
    async sit({ width = 1280, height = 800, colorScheme = 'light' } = {}) {
      const context = await browser.newContext({
        viewport: { width, height },
        colorScheme,
        acceptDownloads: true,
        reducedMotion: 'reduce',
      })
      const page = await context.newPage()
      const wrong: string[] = []
      const outside: string[] = []
      page.on('console', (message) => message.type() === 'error' && wrong.push(message.text()))
      page.on('pageerror', (error) => wrong.push(error.message))
      page.on('request', (request) => {
        if (!/^(blob|data):/.test(request.url()) && !request.url().startsWith(address)) outside.push(request.url())
      })
      return { page, wrong, outside, close: () => context.close() }
    },
    async login(page, token) {
      // From an address of its own each time: the form takes ten logins a minute from one.
      const answer = await app.app.inject({
        ...{ method: 'POST', url: '/console/login', headers: ours, payload: { token } },
        remoteAddress: `10.1.0.${++logins}`,
      })
      const [name = '', value = ''] = `${answer.headers['set-cookie']}`.split(';')[0]?.split('=') ?? []
      await page.context().addCookies([{ name, value, url: address, httpOnly: true, sameSite: 'Strict' }])
      await page.goto(`${address}/console/`)
      await shown(page, 'delivery')
    },
    async go(page, view) {
      await page.evaluate(`delete document.querySelector('#main').dataset.ready`)
      await page.goto(`${address}/console/#${view}`)
      // The same address again is no navigation.
      await page.reload()
      await shown(page, view)
    },
    async violations(page) {
      await page.evaluate(axe)
      return page.evaluate(async () => {
        const { axe: checker } = globalThis as unknown as {
          axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> }
        }
        return (await checker.run()).violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html.slice(0, 200)}`)
      })
    },
  }
}

/** What stands there, once it does. */
export const read = async (place: Locator): Promise<string> => {
  await place.first().waitFor()
  return (await place.allInnerTexts()).join('\n')
}

/** A picture of what is seen now, where pictures are wanted. */
export const shoot = async (page: Page, name: string): Promise<void> => {
  const folder = process.env.SCREENSHOTS
  if (folder) await page.screenshot({ path: path.join(folder, `${name}.png`) })
}
