import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { systemClock } from '../../src/clock.ts'
import { type Collector, type CollectorDeps, createCollector } from '../../src/collect/collector.ts'
import { loadConfig } from '../../src/config.ts'
import type { Db } from '../../src/db.ts'
import { type App, createApp } from '../../src/http.ts'
import { silentLog } from '../../src/log.ts'
import { secret } from '../../src/secret.ts'

export const adminToken = 'test-admin-token'
export const hashKey = secret('test-hash-key')

export type Server = { app: App; collector: Collector; close(): Promise<void> }

export type ServerOptions = { env?: Record<string, string> } & Partial<Omit<CollectorDeps, 'db' | 'config'>>

/** A collector as the composition root makes it, on its own app; nothing listens until `app.listen`. */
export const createServer = async (db: Db, { env = {}, ...deps }: ServerOptions = {}): Promise<Server> => {
  const dataDir = env.DATA_DIR ?? (await mkdtemp(path.join(tmpdir(), 'evothesis-collect-')))
  const config = loadConfig({ ...env, DATA_DIR: dataDir }, '/nonexistent')
  const log = deps.log ?? silentLog
  const collector = createCollector({
    ...{ db, config, clock: systemClock, log, hashKey, adminToken: secret(adminToken) },
    // A busy machine must not look like a database that is away.
    commitMsMax: 60_000,
    ...deps,
  })
  const app = createApp({ log, trustProxy: false })
  collector.routes(app)
  await collector.start()
  await app.ready()
  return {
    app,
    collector,
    async close() {
      await app.close()
      await collector.close()
      if (env.DATA_DIR === undefined) await rm(dataDir, { recursive: true })
    },
  }
}

export type Answer = { status: number; body: Record<string, unknown>; headers: Record<string, unknown> }

/** Posts a body as it is, or an object as JSON. */
export const post = async (
  { app }: Server,
  payload: unknown,
  headers: Record<string, string> = {},
  url = '/collect',
): Promise<Answer> => {
  const raw = typeof payload === 'string' || Buffer.isBuffer(payload)
  const answer = await app.inject({
    ...{ method: 'POST', url, headers: { 'content-type': 'application/json', ...headers } },
    payload: raw ? (payload as string | Buffer) : JSON.stringify(payload),
  })
  return { status: answer.statusCode, body: answer.json(), headers: answer.headers }
}

export type EventRow = {
  event_id: string
  event_type: string
  session_id: string | null
  visitor_id: string | null
  user_id: string | null
  site_id: string | null
  timestamp: Date
  url: string | null
  path: string | null
  user_agent: string | null
  ip_address: string | null
  raw_event_data: string
  created_at: Date
}

export const eventsOf = (db: Db, eventType: string): Promise<EventRow[]> =>
  db.query<EventRow>('select * from events_log where event_type = $1::text order by batch_id, n', [eventType])

export const rawOf = async (db: Db, eventType: string): Promise<unknown[]> =>
  (await eventsOf(db, eventType)).map((row) => JSON.parse(row.raw_event_data))
