import path from 'node:path'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Db } from '../db.ts'
import { diskOf } from '../disk.ts'
import { isAppError, messageOf } from '../errors.ts'
import type { App } from '../http.ts'
import { createKeyedHash, type KeyedHash } from '../keyed-hash.ts'
import type { Log } from '../log.ts'
import { cronOf, startSchedule } from '../schedule.ts'
import { ensureHashKey } from '../secrets.ts'
import type { Destination } from '../storage/destination.ts'
import { createDestinations } from '../storage/destinations.ts'
import { adopt } from './adopt.ts'
import { selectWaiting } from './deliveries.ts'
import { hasErasures } from './erase.ts'
import { expireObjects } from './expire.ts'
import { createExporter, type Exporter } from './exporter.ts'
import { withExporterLock } from './lock.ts'
import { watchStatus } from './metrics.ts'
import { reapplyErasures } from './reapply.ts'
import { releaseBuffer } from './retention.ts'
import { exportRoutes } from './routes.ts'
import { loadRules } from './rules.ts'

export type ExportService = {
  exporter: Exporter
  destinations: readonly Destination[]
  adopt(): ReturnType<typeof adopt>
  routes(app: App): void
  /** Schedules runs, and finishes what an earlier process left: claimed, encoded or undelivered parts. */
  start(): void
  close(): Promise<void>
}

export type ExportDeps = { db: Db; config: Config; clock: Clock; log: Log; adminToken: string }

/** Between two looks at the deliveries that may be tried again. */
const retryLookMs = 5_000
/** After a run that could not do all of the erasures. */
const erasureRetryMs = 60_000
const retentionEveryMs = 10 * 60_000

/** The exporter with its schedule, its retries and its routes, as the settings say. */
export const createExportService = ({ db, config, clock, log, adminToken }: ExportDeps): ExportService => {
  const destinations = createDestinations(config)
  let keyedHash: KeyedHash | undefined
  /** Asked for where rules hash, also those of parts from before, and by erasures after a restore. */
  const hashing = (): KeyedHash => {
    keyedHash ??= createKeyedHash(ensureHashKey(config))
    return keyedHash
  }
  const exporter = createExporter({
    db,
    clock,
    log,
    destinations,
    options: {
      clientId: config.CLIENT_ID,
      nodeId: config.NODE_ID,
      stagingFolder: path.join(path.resolve(config.DATA_DIR), 'staging'),
      stagingBytesMax: config.STAGING_BYTES_MAX,
      formats: config.EXPORT_FORMAT,
      compression: {
        parquet: config.PARQUET_COMPRESSION,
        json: config.TEXT_COMPRESSION,
        csv: config.TEXT_COMPRESSION,
      },
      partRowsMax: config.PART_ROWS_MAX,
      partBytesMax: config.PART_BYTES_MAX,
      encodeMemoryMb: config.ENCODE_MEMORY_MB,
      encodeThreads: config.ENCODE_THREADS,
      rules: config.EXPORT_RULES === undefined ? null : loadRules(config.EXPORT_RULES),
      hash: (value) => hashing().text('export', value),
    },
  })
  watchStatus({ db, destinations, now: clock.now })
  const ended = new AbortController()
  let schedule: ReturnType<typeof startSchedule> | undefined
  let retries: Promise<void> = Promise.resolve()
  let retaining: Promise<void> = Promise.resolve()

  /** Resolves to false when another process holds the exporter's lock. */
  const runQuietly = async (why: string, claim = true): Promise<boolean> => {
    try {
      const report = await exporter.run({ claim })
      if (report.parts > 0 || report.held !== null) log.info({ why, ...report }, 'export run')
      return true
    } catch (error) {
      const busy = isAppError(error) && error.code === 'export_busy'
      log[busy ? 'info' : 'error']({ why, err: error }, `export run failed: ${messageOf(error)}`)
      return !busy
    }
  }

  /** Lets verified rows leave the buffer. */
  const release = async (): Promise<void> => {
    try {
      const { freePercent } = await diskOf(config.DATA_DIR)
      const released = await releaseBuffer(
        { db, clock, log },
        {
          keepMs: config.BUFFER_RETENTION_HOURS * 3_600_000,
          diskIsLow: freePercent < config.DISK_LOW_PERCENT,
          backupBucket: destinations.find((one) => one.name === 'backup' && config.BACKUP_S3_BUCKET)?.identity ?? null,
        },
      )
      if (released.parts > 0 || released.chunks > 0) log.info(released, 'rows left the buffer')
    } catch (error) {
      log.error({ err: error }, `retention failed: ${messageOf(error)}`)
    }
  }

  /** Lets delivered objects expire, where that is set. */
  const expire = async (): Promise<void> => {
    const days = config.EXPORT_RETENTION_DAYS
    if (days === undefined) return
    try {
      const stagingFolder = path.join(path.resolve(config.DATA_DIR), 'staging')
      const parts = await withExporterLock(db, () => expireObjects({ db, clock, destinations, stagingFolder }, days))
      if (parts > 0) log.info({ parts, days }, 'delivered objects have expired')
    } catch (error) {
      const isBusy = isAppError(error) && error.code === 'export_busy'
      log[isBusy ? 'info' : 'warn']({ err: error }, `objects could not expire: ${messageOf(error)}`)
    }
  }

  const retentionLoop = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      await release()
      await expire()
      await clock.sleep(retentionEveryMs, ended.signal)
    }
  }

  const retryLoop = async (): Promise<void> => {
    // A process that was killed holds the lock until the database notices.
    // Without a schedule parts are made on request only; what was begun is finished all the same.
    const claim = cronOf(config.EXPORT_SCHEDULE) !== undefined
    let erasuresAtMs = 0
    while (!ended.signal.aborted && !(await runQuietly('start', claim))) await clock.sleep(retryLookMs, ended.signal)
    while (!ended.signal.aborted) {
      await clock.sleep(retryLookMs, ended.signal)
      if (ended.signal.aborted) return
      const waiting = await selectWaiting(db).catch(() => [])
      const due = waiting.some(({ nextAttemptMs }) => nextAttemptMs <= clock.now())
      const erasing = clock.now() >= erasuresAtMs && (await hasErasures(db).catch(() => false))
      if (due || erasing) await runQuietly('retry', claim)
      if (erasing && (await hasErasures(db).catch(() => true))) erasuresAtMs = clock.now() + erasureRetryMs
    }
  }

  /** Never beside a run, whose part under way it would take apart. */
  const adoptAll = () =>
    withExporterLock(db, async () => {
      const { CLIENT_ID: clientId, NODE_ID: nodeId } = config
      const adopted = await adopt(db, destinations, { clientId, nodeId })
      const erasures = await reapplyErasures({ db, destinations, nodeId, keyedHash: hashing() }, clock.now())
      if (erasures > 0) log.info({ erasures }, 'people who were erased before the restore are erased again')
      return adopted
    })

  return {
    exporter,
    destinations,
    adopt: adoptAll,
    routes: (app) =>
      exportRoutes(app, {
        ...{ db, clock, config, adminToken, exporter, destinations },
        adopt: adoptAll,
        nextRun: () => schedule?.next(),
      }),
    start() {
      retaining = retentionLoop()
      schedule = startSchedule(config.EXPORT_SCHEDULE, () => void runQuietly('schedule'))
      retries = retryLoop()
    },
    async close() {
      ended.abort()
      schedule?.stop()
      await exporter.close()
      await retries
      await retaining
      for (const destination of destinations) destination.close()
    },
  }
}
