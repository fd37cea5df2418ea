import { Counter, collectDefaultMetrics, Gauge, register as globalRegister, Histogram, Registry } from 'prom-client'
import { type App, requireAdminOrLocal } from '../http.ts'
import type { Secret } from '../secret.ts'
import { answerParent } from './fleet-metrics.ts'
import type { RejectCode } from './group.ts'

/** What happens to events, told by those who do it. */
export type Observer = {
  committed(commit: {
    events: number
    duplicates: number
    rejects: readonly RejectCode[]
    seconds: number
    spooled: boolean
  }): void
  spooled(events: number): void
}

export type Gauges = () => {
  queueBytes: number
  queueRequests: number
  spoolBytes: number
  spoolAgeSeconds: number
  databaseAway: boolean
}

export type Metrics = Observer & {
  /** `GET /metrics` for the admin token, or for a scraper on this machine. */
  routes(app: App): void
  /** Leaves the figures to the parent of several collectors, which answers `GET /metrics` for all (`fleetMetricsRoutes`). */
  leaveToParent(): void
}

/** Figures for Prometheus: the collector's own, Node's, and those that others put into prom-client's global registry. */
export const createMetrics = (deps: { adminToken: Secret; gauges: Gauges }): Metrics => {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const events = new Counter({
    ...{ name: 'evothesis_collect_events_total', help: 'Events by what became of them.', registers },
    labelNames: ['result'] as const,
  })
  const rejected = new Counter({
    ...{ name: 'evothesis_collect_rejected_total', help: 'Rejected events by code.', registers },
    labelNames: ['code'] as const,
  })
  const groupEvents = new Histogram({
    ...{ name: 'evothesis_collect_group_events', help: 'Events of one commit.', registers },
    buckets: [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 50_000],
  })
  const commitSeconds = new Histogram({
    ...{ name: 'evothesis_collect_commit_seconds', help: 'Time from BEGIN to the answer of COMMIT.', registers },
    buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3],
  })
  const gauge = (name: string, help: string, read: () => number, aggregator: 'sum' | 'max' = 'sum') =>
    new Gauge({
      ...{ name: `evothesis_collect_${name}`, help, registers, aggregator },
      collect() {
        this.set(read())
      },
    })
  gauge('queue_bytes', 'Bytes of requests that are not answered yet.', () => deps.gauges().queueBytes)
  gauge('queue_requests', 'Requests that wait for the next commit.', () => deps.gauges().queueRequests)
  gauge('spool_bytes', 'Bytes of the spool.', () => deps.gauges().spoolBytes)
  gauge('spool_age_seconds', 'Age of the oldest spooled record.', () => deps.gauges().spoolAgeSeconds, 'max')
  gauge('database_away', '1 while events are spooled.', () => Number(deps.gauges().databaseAway), 'max')

  return {
    committed(commit) {
      events.inc({ result: 'stored' }, commit.events)
      events.inc({ result: 'duplicate' }, commit.duplicates)
      for (const code of commit.rejects) rejected.inc({ code })
      events.inc({ result: 'rejected' }, commit.rejects.length)
      groupEvents.observe(commit.events)
      commitSeconds.observe(commit.seconds)
    },
    spooled: (count) => events.inc({ result: 'spooled' }, count),
    leaveToParent: () => answerParent([registry, globalRegister]),
    routes(app) {
      const onRequest = requireAdminOrLocal(deps.adminToken.reveal())
      app.get('/metrics', { onRequest }, async (_request, reply) =>
        reply.type(registry.contentType).send(`${await registry.metrics()}\n${await globalRegister.metrics()}`),
      )
    },
  }
}
