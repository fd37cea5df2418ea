import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, BrowserContext } from 'playwright-core'
import type { Test } from 'tap'
import { readStaticFiles, staticFolder } from '../../src/static-files.ts'
import { buildAll } from '../../tracking/build.ts'
import { createServer } from '../collect/server.ts'
import { startChromium } from './chromium.ts'
import { createTestDatabase } from './database.ts'
import { type Gate, openGate } from './gate.ts'
import { until } from './until.ts'

/** An event as it lies in the buffer: columns, and the raw event. */
export type StoredEvent = {
  eventId: string
  eventType: string
  siteId: string
  visitorId: string | null
  sessionId: string
  userId: string | null
  url: string
  path: string
  raw: RawEvent
}
export type RawEvent = {
  eventType: string
  timestamp: string
  seq: number
  pageId: string
  eventData: Record<string, unknown>
  attribution?: Record<string, unknown>
  browser?: Record<string, unknown>
  page?: Record<string, unknown>
}

export type Lab = {
  browser: Browser
  gate: Gate
  /** Where the test site is: a host of its own for every test, so that stragglers of the one before do not count. */
  site(): string
  /** What browsers sent of this site, also what was refused. */
  bodies(): string[]
  /** Puts a page at a path. `attributes` go on the script tag of the pixel. */
  serve(path: string, body: string, attributes?: string, head?: string): void
  /** Everything stored, in the order in which the pages made it. */
  stored(): Promise<StoredEvent[]>
  storedTypes(): Promise<string[]>
  /** Waits until that many events of the type are stored, and answers them. */
  waitFor(eventType: string, count?: number): Promise<StoredEvent[]>
  /** A new site, no faults, and a new browser profile. */
  begin(): Promise<BrowserContext>
}

/** Longest run of one file of browser tests, in milliseconds. */
const labMsMax = 600_000

/** A real browser, a real site, a real collector on a real database, and a door between them where faults are made. */
export const createLab = async (t: Test): Promise<Lab> => {
  t.setTimeout(labMsMax)
  await buildAll()
  const files = readStaticFiles(staticFolder)
  const database = await createTestDatabase()
  const collector = await createServer(database.db)
  const collectorUrl = await collector.app.listen({ port: 0, host: '127.0.0.1' })
  const gate = await openGate(collectorUrl)
  const browser = await startChromium()
  const pages = new Map<string, string>()

  const siteServer = createHttpServer((request, answer) => {
    const path = new URL(request.url ?? '/', 'http://site').pathname
    const script = files.get(path)
    if (script) return void answer.writeHead(200, { 'content-type': script.contentType }).end(script.body)
    const page = pages.get(path) ?? pages.get('*')
    answer.writeHead(page === undefined ? 404 : 200, { 'content-type': 'text/html; charset=utf-8' }).end(page)
  })
  await new Promise<void>((resolve) => siteServer.listen(0, '127.0.0.1', resolve))
  const sitePort = (siteServer.address() as AddressInfo).port
  let host = ''
  let tests = 0
  const site = () => `http://${host}:${sitePort}`
  let context: BrowserContext | undefined

  t.teardown(async () => {
    await browser.close()
    siteServer.closeAllConnections()
    siteServer.close()
    await gate.close()
    await collector.close()
    await database.close()
  })

  const stored = async (): Promise<StoredEvent[]> => {
    const rows = await database.db.query<Row>(
      `select event_id, event_type, site_id, visitor_id, session_id, user_id, url, path, raw_event_data::text as raw
       from events_log where site_id = $1::text order by created_at, batch_id, n`,
      [host],
    )
    const events = rows.map((row) => ({
      ...{ eventId: row.event_id, eventType: row.event_type, siteId: row.site_id, visitorId: row.visitor_id },
      ...{ sessionId: row.session_id, userId: row.user_id, url: row.url, path: row.path },
      raw: JSON.parse(row.raw) as RawEvent,
    }))
    const madeAt = ({ raw }: StoredEvent) => Date.parse(raw.timestamp)
    return events.sort((a, b) => madeAt(a) - madeAt(b) || a.raw.seq - b.raw.seq)
  }
  const storedTypes = async () => (await stored()).map((event) => event.eventType)

  return {
    browser,
    gate,
    site,
    bodies: () => gate.bodies.filter((body) => body.includes(host)),
    stored,
    storedTypes,
    serve(path, body, attributes = '', head = '') {
      pages.set(
        path,
        `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Page ${path}</title>${head}
<script defer src="${site()}/js/tracking.js" data-endpoint="${gate.url}/collect" ${attributes}></script>
</head><body>${body}</body></html>`,
      )
    },
    async waitFor(eventType, count = 1) {
      const ofType = async () => (await stored()).filter((event) => event.eventType === eventType)
      await until(`${count} ${eventType} stored`, async () => (await ofType()).length >= count)
      return ofType()
    },
    async begin() {
      await context?.close()
      gate.fault = 'pass'
      gate.release()
      pages.clear()
      host = `site-${++tests}.localhost`
      context = await browser.newContext()
      return context
    },
  }
}

type Row = {
  event_id: string
  event_type: string
  site_id: string
  visitor_id: string | null
  session_id: string
  user_id: string | null
  url: string
  path: string
  raw: string
}
