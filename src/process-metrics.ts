import { collectDefaultMetrics, register } from 'prom-client'
import { type App, requireAdminOrLocal } from './http.ts'
import type { Secret } from './secret.ts'

/** `GET /metrics` of a process without a collector: its own, and what the rooms put into prom-client's global registry. */
export const processMetricsRoutes =
  (adminToken: Secret) =>
  (app: App): void => {
    if (!register.getSingleMetric('process_cpu_seconds_total')) collectDefaultMetrics()
    app.get('/metrics', { onRequest: requireAdminOrLocal(adminToken.reveal()) }, async (_request, reply) =>
      reply.type(register.contentType).send(await register.metrics()),
    )
  }
