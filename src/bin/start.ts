import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { createBillingService } from '../billing/service.ts'
import { openBuffer } from '../buffer.ts'
import { systemClock as clock } from '../clock.ts'
import { createCollector } from '../collect/collector.ts'
import { loadConfig } from '../config.ts'
import { createExportService } from '../export/service.ts'
import { createApp } from '../http.ts'
import { createLog } from '../log.ts'
import { createPixelRoutes } from '../pixel/routes.ts'
import { ensureSecret } from '../secrets.ts'
import { claimServerFile, refuseSecondServer } from '../server-file.ts'
import { banner } from './banner.ts'
import { listen } from './listen.ts'
import { stopRequested } from './signals.ts'

/** A visitor waits for these answers: a database that is silent counts as away, and the spool takes over. */
const collectorLimits = {
  applicationName: 'evothesis collect',
  connectionsMax: 6,
  statementTimeoutMs: 20_000,
  answerTimeoutMs: 25_000,
}

/** Everything in one process: database, collector, exporter. Stops in reverse order on Ctrl-C and SIGTERM. */
export const start = async (): Promise<number> => {
  const config = loadConfig()
  const log = createLog(config.LOG_LEVEL)
  const dataDir = path.resolve(config.DATA_DIR)
  mkdirSync(dataDir, { recursive: true })
  refuseSecondServer(dataDir)
  const stop = stopRequested()
  const hashKey = ensureSecret(config.HASH_KEY, path.join(dataDir, 'secrets', 'hash-key'))
  const adminToken = ensureSecret(config.ADMIN_TOKEN, path.join(dataDir, 'admin-token'))

  // Closed in reverse order, however far the start has come.
  const closers: (() => unknown)[] = []
  try {
    const buffer = await openBuffer(config, { clock, log, applicationName: 'evothesis' })
    closers.unshift(() => buffer.close())
    const { db } = buffer
    const collector = createCollector({ db: buffer.open(collectorLimits), config, clock, log, hashKey, adminToken })
    const exporting = createExportService({ db, config, clock, log, adminToken: adminToken.reveal() })
    closers.unshift(() => exporting.close())
    const { destinations } = exporting
    const billing = createBillingService({ db, config, clock, log, adminToken: adminToken.reveal(), destinations })
    closers.unshift(() => billing.close())
    const app = createApp({ log, trustProxy: config.TRUST_PROXY })
    collector.routes(app)
    exporting.routes(app)
    billing.routes(app)
    createPixelRoutes({ config, db, adminToken }).routes(app)
    await collector.start()
    closers.unshift(() => collector.close())
    const address = await listen(app, config)
    const serverFile = claimServerFile(dataDir, address)
    closers.unshift(() => app.close())
    closers.push(() => serverFile.remove())
    void buffer.ready
      .then(() => {
        exporting.start()
        billing.start()
      })
      .catch((error: unknown) => log.error({ err: error }, 'exports and billing could not be started'))
    process.stdout.write(banner({ config, dataDir, address, database: buffer.describe }))
    await stop
    process.stdout.write('Stopping: finishing what was accepted …\n')
  } finally {
    for (const close of closers) await close()
  }
  process.stdout.write('Stopped.\n')
  return 0
}
