import path from 'node:path'
import { createToken } from '../../src/access/tokens.ts'
import { holders } from '../../src/bin/holders.ts'
import { type Clock, systemClock } from '../../src/clock.ts'
import { createConsole } from '../../src/console/service.ts'
import type { Db } from '../../src/db.ts'
import { type App, createApp } from '../../src/http.ts'
import { silentLog } from '../../src/log.ts'
import type { Role } from '../../src/roles.ts'
import { secret } from '../../src/secret.ts'
import { createTestDatabase } from '../support/database.ts'
import { tempFolder, testConfig } from '../support/exporter.ts'

export const adminToken = secret('test-admin-token')
export const hashKey = secret('test-hash-key')
export const ours = { 'x-evothesis-console': '1', 'sec-fetch-site': 'same-origin' }

type Teardown = { teardown(fn: () => unknown): void }

export type TestConsole = {
  app: App
  db: Db
  dataDir: string
  token(role: Role, options?: { expiresMs?: number; name?: string }): Promise<{ token: string; tokenId: string }>
  /** Logs in, and answers the cookie as a browser sends it. */
  login(token: string): Promise<string>
  get<T>(url: string, cookie: string): Promise<T>
}

/** The console's room on an app of its own, on a real database. */
export const createTestConsole = async (
  t: Teardown,
  { clock = systemClock, env = {} as Record<string, string> } = {} as { clock?: Clock; env?: Record<string, string> },
): Promise<TestConsole> => {
  const { db, close } = await createTestDatabase()
  const dataDir = await tempFolder(t)
  const config = testConfig({ DATA_DIR: dataDir, ...env })
  const app = createApp({ log: silentLog, trustProxy: false, ...holders(db, { clock, adminToken }) })
  const room = createConsole({
    db,
    config,
    clock,
    log: silentLog,
    hashKey,
    adminToken,
    folder: path.join(dataDir, 'page'),
  })
  room.routes(app)
  await app.ready()
  t.teardown(async () => {
    await room.close()
    await app.close()
    await close()
  })
  const login = async (token: string): Promise<string> => {
    const answer = await app.inject({ method: 'POST', url: '/console/login', headers: ours, payload: { token } })
    if (answer.statusCode !== 200) throw new Error(answer.body)
    return `${answer.headers['set-cookie']}`.split(';')[0] ?? ''
  }
  return {
    ...{ app, db, dataDir, login },
    token: (role, { expiresMs = clock.now() + 3_600_000, name = `the ${role}` } = {}) =>
      createToken(db, { name, role, expiresMs, nowMs: clock.now(), by: 'a test' }),
    async get<T>(url: string, cookie: string) {
      const answer = await app.inject({ url, headers: { cookie, 'sec-fetch-site': 'same-origin' } })
      if (answer.statusCode !== 200) throw new Error(`${url}: ${answer.statusCode} ${answer.body}`)
      return answer.json() as T
    },
  }
}
