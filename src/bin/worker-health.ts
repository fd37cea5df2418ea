import type { Clock } from '../clock.ts'
import type { Db } from '../db.ts'
import type { App } from '../http.ts'
import { processMetricsRoutes } from '../process-metrics.ts'
import type { Secret } from '../secret.ts'

const answerMsMax = 3_000

/** `GET /metrics` of a worker, and `GET /health` of one, which is of no use without its database: 503 while that does not answer. */
export const workerHealthRoutes =
  ({ db, clock, adminToken }: { db: Db; clock: Clock; adminToken: Secret }) =>
  (app: App): void => {
    processMetricsRoutes(adminToken)(app)
    app.get('/health', async (_request, reply) => {
      const answered = db.query('select 1').then(
        () => true,
        () => false,
      )
      const late = new AbortController()
      const isThere = await Promise.race([answered, clock.sleep(answerMsMax, late.signal).then(() => false)])
      late.abort()
      if (isThere) return { status: 'healthy' }
      return reply.status(503).header('retry-after', '5').send({ status: 'waiting for the database' })
    })
  }
