import { createCollector } from '../collect/collector.ts'
import { createPixelRoutes } from '../pixel/routes.ts'
import type { Services, ServicesDeps } from './services.ts'

/** A visitor waits for these answers: a database that is silent counts as away, and the spool takes over. */
const collectorLimits = {
  applicationName: 'evothesis collect',
  connectionsMax: 6,
  statementTimeoutMs: 20_000,
  answerTimeoutMs: 25_000,
}

/** Takes events in: the collector, the pixel and the demo shop. */
export const createCollectServices = (deps: ServicesDeps): Services => {
  const { buffer, config, adminToken, ...rest } = deps
  const collector = createCollector({ ...rest, db: buffer.open(collectorLimits), config, adminToken })
  const pixel = createPixelRoutes({ config, db: buffer.db, adminToken })
  return {
    routes(app) {
      for (const room of [collector, pixel]) room.routes(app)
    },
    prepare: () => collector.start(),
    startWorking() {},
    finishRequests: async () => {},
    closers: [() => collector.close()],
  }
}
