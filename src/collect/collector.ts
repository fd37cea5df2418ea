import path from 'node:path'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Db } from '../db.ts'
import type { App } from '../http.ts'
import { createKeyedHash } from '../keyed-hash.ts'
import type { Log } from '../log.ts'
import type { Secret } from '../secret.ts'
import { adminRoutes } from './admin-routes.ts'
import { createBotJudge } from './bots.ts'
import { collectRoutes } from './collect-routes.ts'
import { createCommitter } from './committer.ts'
import { commitMsMax, createDurableSink } from './durable-sink.ts'
import { faultFields } from './fault-fields.ts'
import { createIntake } from './intake.ts'
import { createLastPages } from './last-pages.ts'
import { createMetrics } from './metrics.ts'
import { collectJsonSchema } from './payload-schema.ts'
import { createPrivacy } from './privacy.ts'
import { createRequestReader } from './request.ts'
import { segmentRoutes } from './segment-routes.ts'
import { segmentSettingsRoutes } from './segment-settings.ts'
import { createSiteNames } from './site.ts'
import { createSiteRates } from './site-rates.ts'
import { createSitesAllowed } from './sites-allowed.ts'
import { createSpool, spooledOnDisk } from './spool.ts'
import { deleteExpiredReceipts } from './statements.ts'
import { createStore } from './store.ts'
import { createWriteKeys } from './write-keys.ts'

export type CollectorDeps = {
  db: Db
  config: Config
  clock: Clock
  log: Log
  hashKey: Secret
  adminToken: Secret
  /** Milliseconds after which a commit is answered from the spool. */
  commitMsMax?: number
  /** True for one of several collector processes on a port: their parent answers `GET /metrics` for all. */
  isOneOfSeveral?: boolean
}

export type CollectorHealth = {
  status: 'healthy' | 'degraded'
  /** False while an event would be refused. */
  accepting: boolean
  queue: { bytes: number; requests: number }
  spool: { bytes: number; ageSeconds: number }
}

export type Collector = {
  /** Registers /collect, /api/v1/events, the Segment API, /health, /metrics, /schema/collect.json, /events/count, /events/recent. */
  routes(app: App): void
  /** What GET /health answers: 200 while events are accepted, 503 when they would be refused. */
  health(): CollectorHealth
  start(): Promise<void>
  /** Refuses new events, finishes what was accepted, then resolves. */
  close(): Promise<void>
}

/** Expired receipts are deleted in steps of so many rows, and so often. */
const receiptsTrimmedMax = 5_000
const trimEveryMs = 60_000

/**
 * The front door: HTTP in, batches out. Promises that an event answered with 200 is committed, or on the disk. The database
 * may be shared with other collectors, and may be away, also at the start.
 */
export const createCollector = (deps: CollectorDeps): Collector => {
  const { db, config, clock, log, hashKey, adminToken } = deps
  const keyedHash = createKeyedHash(hashKey)
  const privacy = createPrivacy(config, keyedHash)
  const siteNames = createSiteNames()
  const sitesAllowed = createSitesAllowed(config.SITES_ALLOWED)
  const eventBytesMax = config.EVENT_BYTES_MAX
  const readRequest = createRequestReader({
    ...{ privacy, siteNames, sitesAllowed, lastPages: createLastPages(), eventBytesMax },
  })
  const writeKeys = createWriteKeys(config.WRITE_KEYS)
  const metrics = createMetrics({ adminToken, gauges: () => gauges() })
  const store = createStore({ db, log, clock, observer: metrics })
  const spoolRoot = path.join(config.DATA_DIR, 'spool')
  const spoolBytesMax = Math.floor(config.SPOOL_BYTES_MAX / config.COLLECT_WORKERS)
  const spool = createSpool({
    ...{ root: spoolRoot, clock, log },
    bytesMax: spoolBytesMax,
  })
  const sink = createDurableSink({
    ...{ db, store, spool, clock, log, observer: metrics },
    commitMsMax: deps.commitMsMax ?? commitMsMax,
  })
  const committer = createCommitter(sink.take)
  const intake = createIntake({ clock, committer, privacy, sitesAllowed, judgeBot: createBotJudge(config.BOTS) })
  const stopped = new AbortController()
  let background: Promise<unknown> | undefined

  const trimReceipts = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      try {
        // A spooled retry still needs the receipt that was valid when it arrived.
        const beforeMs = Math.min(clock.now(), (await spooledOnDisk(spoolRoot)).oldestMs ?? Number.POSITIVE_INFINITY)
        const deleted = await deleteExpiredReceipts(db, beforeMs, receiptsTrimmedMax)
        if (deleted === receiptsTrimmedMax) continue
      } catch (error) {
        if (!sink.away()) log.warn(faultFields(error), 'expired receipts could not be deleted')
      }
      await clock.sleep(trimEveryMs, stopped.signal)
    }
  }

  const health = (): CollectorHealth => {
    const { bytes, submissions } = committer.queued()
    const spooled = spool.state()
    const ageMs = spooled.oldestMs === undefined ? 0 : Math.max(0, clock.now() - spooled.oldestMs)
    return {
      status: spooled.bytes > 0 || sink.away() ? 'degraded' : 'healthy',
      accepting: committer.accepting() && !(sink.away() && spooled.full),
      queue: { bytes, requests: submissions },
      spool: { bytes: spooled.bytes, ageSeconds: Math.floor(ageMs / 1000) },
    }
  }

  const gauges = () => {
    const { queue, spool } = health()
    return {
      ...{ queueBytes: queue.bytes, queueRequests: queue.requests },
      ...{ spoolBytes: spool.bytes, spoolAgeSeconds: spool.ageSeconds, databaseAway: sink.away() },
    }
  }

  return {
    routes(app) {
      const siteRates = createSiteRates(config.RATE_LIMIT_SITE, clock)
      const shared = { committer, intake, keyedHash, writeKeys, siteRates, ratePerSecond: config.RATE_LIMIT_COLLECT }
      collectRoutes({
        ...{ ...shared, readRequest },
        requestReceiptHours: config.REQUEST_RECEIPT_HOURS,
      })(app)
      segmentRoutes({
        ...{ ...shared, privacy, siteNames, sitesAllowed, eventBytesMax },
        messageReceiptHours: config.MESSAGE_RECEIPT_HOURS,
      })(app)
      segmentSettingsRoutes(writeKeys)(app)
      adminRoutes({ db, adminToken })(app)
      if (deps.isOneOfSeveral) metrics.leaveToParent()
      else metrics.routes(app)
      const schema = collectJsonSchema()
      app.get('/schema/collect.json', async (_request, reply) =>
        reply.header('access-control-allow-origin', '*').type('application/schema+json').send(JSON.stringify(schema)),
      )
      app.get('/health', async (_request, reply) => {
        const { status, accepting } = health()
        if (!accepting) return reply.status(503).header('retry-after', '5').send({ status: 'refusing' })
        const { bytes, oldestMs } = await spooledOnDisk(spoolRoot)
        if (status === 'healthy' && bytes === 0) return { status }
        const ageMs = oldestMs === undefined ? 0 : Math.max(0, clock.now() - oldestMs)
        return { status: 'degraded', spool: { bytes, age_seconds: Math.floor(ageMs / 1000) } }
      })
    },
    health,
    async start() {
      await spool.tend()
      background = Promise.all([sink.run(stopped.signal), trimReceipts()])
    },
    async close() {
      await committer.close()
      stopped.abort()
      await background
      await spool.close()
    },
  }
}
