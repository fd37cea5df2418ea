import path from 'node:path'
import { createBillingService } from '../billing/service.ts'
import type { Buffer } from '../buffer.ts'
import type { Clock } from '../clock.ts'
import { createCollector } from '../collect/collector.ts'
import { createRejectsDelivery } from '../collect/deliver-rejects.ts'
import type { Config } from '../config.ts'
import { createExportService } from '../export/service.ts'
import type { App } from '../http.ts'
import type { Log } from '../log.ts'
import { createPixelRoutes } from '../pixel/routes.ts'
import type { Secret } from '../secret.ts'

/** A visitor waits for these answers: a database that is silent counts as away, and the spool takes over. */
const collectorLimits = {
  applicationName: 'evothesis collect',
  connectionsMax: 6,
  statementTimeoutMs: 20_000,
  answerTimeoutMs: 25_000,
}

export type ServicesDeps = {
  buffer: Buffer
  config: Config
  clock: Clock
  log: Log
  hashKey: Secret
  adminToken: Secret
}

/** All rooms of one process: their routes, and their work in the background once the database is ready. */
export const createServices = ({ buffer, config, clock, log, hashKey, adminToken }: ServicesDeps) => {
  const { db } = buffer
  const token = adminToken.reveal()
  const collector = createCollector({ db: buffer.open(collectorLimits), config, clock, log, hashKey, adminToken })
  const exporting = createExportService({ db, config, clock, log, adminToken: token })
  const { destinations } = exporting
  const billing = createBillingService({ db, config, clock, log, adminToken: token, destinations })
  const pixel = createPixelRoutes({ config, db, adminToken })
  const stagingFolder = path.join(path.resolve(config.DATA_DIR), 'staging')
  const rejects = destinations
    .filter((one) => one.name === 'backup')
    .map((destination) => createRejectsDelivery({ db, clock, log, nodeId: config.NODE_ID, destination, stagingFolder }))
  let stopping = false
  return {
    routes(app: App): void {
      for (const room of [collector, exporting, billing, pixel]) room.routes(app)
    },
    startCollecting: () => collector.start(),
    /** Does nothing once the process stops: a loop that is started then would never end. */
    startWorking(): void {
      if (stopping) return
      for (const room of [exporting, billing, ...rejects]) room.start()
    },
    /**
     * Ends a run of the exporter that is under way, in good order; a request that waits for it is answered. Before the
     * HTTP server is closed, which waits for its requests.
     */
    async stopExports(): Promise<void> {
      stopping = true
      await exporting.exporter.close()
    },
    /** In this order: billing and the rejected events use destinations that the exporter closes. */
    closers: [collector, ...rejects, billing, exporting].map((room) => () => room.close()),
  }
}
