import { createCollectServices } from '../../src/bin/collect-services.ts'
import { holders } from '../../src/bin/holders.ts'
import { createWorkerServices } from '../../src/bin/worker-services.ts'
import type { Buffer } from '../../src/buffer.ts'
import { systemClock } from '../../src/clock.ts'
import type { Db } from '../../src/db.ts'
import { type App, createApp } from '../../src/http.ts'
import { silentLog } from '../../src/log.ts'
import { createTestDatabase } from '../support/database.ts'
import { tempFolder, testConfig } from '../support/exporter.ts'
import { adminToken, hashKey } from './console.ts'

export type WholeApp = { app: App; db: Db; dataDir: string; routes: { method: string; url: string }[] }

/** All rooms on one app, as `evothesis start` has them; nothing works in the background unless asked. */
export const createWholeApp = async (
  t: { teardown(fn: () => unknown): void },
  { env = {}, works = false }: { env?: Record<string, string>; works?: boolean } = {},
): Promise<WholeApp> => {
  const { db, url, close } = await createTestDatabase()
  const dataDir = await tempFolder(t)
  const config = testConfig({ DATA_DIR: dataDir, DEMO: 'false', EXPORT_SCHEDULE: 'off', ...env })
  const buffer: Buffer = {
    db,
    url,
    describe: 'a test',
    ready: Promise.resolve(true),
    open: () => db,
    close: async () => {},
  }
  const deps = { buffer, config, clock: systemClock, log: silentLog, hashKey, adminToken }
  const services = [createCollectServices(deps), createWorkerServices(deps)]
  const app = createApp({ log: silentLog, trustProxy: false, ...holders(db, deps) })
  const routes: WholeApp['routes'] = []
  app.addHook('onRoute', ({ method, url: path }) => {
    for (const one of [method].flat()) routes.push({ method: one, url: path })
  })
  for (const one of services) one.routes(app)
  await app.ready()
  for (const one of services) await one.prepare()
  if (works) for (const one of services) one.startWorking()
  t.teardown(async () => {
    await Promise.all([app.close(), ...services.map((one) => one.finishRequests())])
    for (const one of services) for (const end of one.closers) await end()
    await close()
  })
  return { app, db, dataDir, routes }
}
