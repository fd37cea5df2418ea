import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Db } from '../db.ts'
import { AppError, messageOf } from '../errors.ts'
import type { App } from '../http.ts'
import type { Log } from '../log.ts'
import type { Secret } from '../secret.ts'
import { isSerializationFailure, sqlStateOf } from '../sqlstate.ts'
import { adminRoutes } from './admin-routes.ts'
import { collectRoutes } from './collect-routes.ts'
import { createCommitter } from './committer.ts'
import type { Group, Outcome } from './group.ts'
import { createKeyedHash } from './keyed-hash.ts'
import { createPrivacy } from './privacy.ts'
import { createRequestReader } from './request.ts'
import { createSiteNames } from './site.ts'
import { deleteExpiredReceipts } from './statements.ts'
import { createStore } from './store.ts'

export type CollectorDeps = { db: Db; config: Config; clock: Clock; log: Log; hashKey: Secret; adminToken: Secret }

export type CollectorHealth = {
  status: 'healthy' | 'degraded'
  /** False while an event would be refused. */
  accepting: boolean
  queue: { bytes: number; requests: number }
}

export type Collector = {
  /** Registers /collect, /health, /events/count and /events/recent. */
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
 * The front door: HTTP in, batches out. Promises that an event answered with 200 is committed. The database may be shared
 * with other collectors.
 */
export const createCollector = ({ db, config, clock, log, hashKey, adminToken }: CollectorDeps): Collector => {
  const keyedHash = createKeyedHash(hashKey)
  const privacy = createPrivacy(config, keyedHash)
  const readRequest = createRequestReader({
    ...{ privacy, siteNames: createSiteNames(), eventBytesMax: config.EVENT_BYTES_MAX },
  })
  const store = createStore({ db, log })
  const committer = createCommitter((group) => storeOrRefuse(group))
  const stopped = new AbortController()
  let trimming: Promise<void> | undefined

  const storeOrRefuse = async (group: Group): Promise<Outcome[]> => {
    try {
      return await store.store(group, { spooled: false })
    } catch (cause) {
      log.error({ err: cause, requests: group.submissions.length }, 'a group could not be committed')
      if (cause instanceof AppError && cause.code === 'internal') throw cause
      throw new AppError('database_unavailable', messageOf(cause), { cause })
    }
  }

  const trimReceipts = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      try {
        const deleted = await deleteExpiredReceipts(db, clock.now(), receiptsTrimmedMax)
        if (deleted === receiptsTrimmedMax) continue
      } catch (error) {
        if (!isSerializationFailure(sqlStateOf(error)))
          log.warn({ err: error }, 'expired receipts could not be deleted')
      }
      await clock.sleep(trimEveryMs, stopped.signal)
    }
  }

  const health = (): CollectorHealth => {
    const { bytes, submissions } = committer.queued()
    return { status: 'healthy', accepting: committer.accepting(), queue: { bytes, requests: submissions } }
  }

  return {
    routes(app) {
      collectRoutes({
        ...{ clock, committer, privacy, keyedHash, readRequest },
        requestReceiptHours: config.REQUEST_RECEIPT_HOURS,
      })(app)
      adminRoutes({ db, adminToken })(app)
      app.get('/health', async (_request, reply) => {
        const { status, accepting } = health()
        return reply.status(accepting ? 200 : 503).send({ status: accepting ? status : 'refusing' })
      })
    },
    health,
    async start() {
      trimming = trimReceipts()
    },
    async close() {
      stopped.abort()
      await committer.close()
      await trimming
    },
  }
}
