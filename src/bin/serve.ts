import cluster from 'node:cluster'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { openBuffer } from '../buffer.ts'
import { systemClock as clock } from '../clock.ts'
import { loadConfig } from '../config.ts'
import { AppError } from '../errors.ts'
import { createApp } from '../http.ts'
import { createLog } from '../log.ts'
import { claimServerFile, refuseSecondServer, type ServerRole } from '../server-file.ts'
import { banner } from './banner.ts'
import { closeAll } from './close-all.ts'
import { serveCollectChild } from './collect-child.ts'
import { createCollectServices } from './collect-services.ts'
import { createFront } from './front.ts'
import { holders } from './holders.ts'
import { probePort } from './listen.ts'
import { ensureSecrets } from './secrets.ts'
import { stopRequested } from './signals.ts'
import { workerHealthRoutes } from './worker-health.ts'
import { createWorkerServices } from './worker-services.ts'

/** Runs the roles in this process until a signal, then stops in reverse order. Resolves to the exit code. */
export const serve = async (...roles: ServerRole[]): Promise<number> => {
  if (cluster.isWorker) return serveCollectChild()
  const config = loadConfig()
  const log = createLog(config.LOG_LEVEL)
  const dataDir = path.resolve(config.DATA_DIR)
  mkdirSync(dataDir, { recursive: true })
  refuseSecondServer(dataDir, roles)
  await probePort(config)
  const stop = stopRequested()

  // Closed in reverse order, however far the start has come.
  const closers: (() => unknown)[] = []
  let inOrder = true
  try {
    const buffer = await openBuffer(config, { clock, log, applicationName: 'evothesis', owner: true })
    closers.unshift(() => buffer.close())
    const deps = { buffer, config, clock, log, ...ensureSecrets(config) }
    const front = createFront({ ...deps, roles })
    const create = { collect: createCollectServices, worker: createWorkerServices }
    const services = front.ownRoles.map((role) => create[role](deps))
    closers.unshift(...services.flatMap((one) => one.closers))
    const app = createApp({
      ...{ log, trustProxy: front.trustProxy, adminRatePerSecond: config.RATE_LIMIT_ADMIN },
      ...holders(buffer.db, deps),
    })
    // Both at once: nobody comes in while a run ends, and the requests that wait for the run are answered.
    closers.unshift(() => Promise.all([front.close(app), ...services.map((one) => one.finishRequests())]))
    for (const one of [front, ...services]) one.routes(app)
    if (!roles.includes('collect')) workerHealthRoutes({ db: buffer.db, clock, adminToken: deps.adminToken })(app)
    for (const one of services) await one.prepare()
    const address = await front.listen(app, buffer.url)
    const serverFile = claimServerFile(dataDir, address, roles)
    closers.push(() => serverFile.remove())
    void buffer.ready
      .then((isReady) => {
        if (isReady) for (const one of services) one.startWorking()
      })
      .catch((error: unknown) => log.error({ err: error }, 'exports and billing could not be started'))
    process.stdout.write(banner({ config, dataDir, address, database: buffer.describe, roles }))
    await stop
    process.stdout.write('Stopping: finishing what was accepted …\n')
  } finally {
    inOrder = await closeAll(closers, log)
  }
  // An error, not only an exit code: it ends the process whatever was left open.
  if (!inOrder) throw new AppError('internal', 'The server could not be stopped in order; its log says why.')
  process.stdout.write('Stopped.\n')
  return 0
}
