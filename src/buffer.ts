import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import { createDb, type Db, type DbOptions } from './db.ts'
import { type EmbeddedPostgres, findEmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.ts'
import { AppError, isAppError, messageOf } from './errors.ts'
import type { Log } from './log.ts'
import { migrate } from './migrate.ts'
import { backoffMs } from './retry.ts'
import { isServedByAnother } from './server-file.ts'
import { classifyDatabaseFault } from './sqlstate.ts'
import { superviseEmbeddedPostgres } from './supervised-postgres.ts'

export type Buffer = {
  db: Db
  /** For people: which database this is, without its password. */
  describe: string
  /** With its password: for processes of this program, never to be shown. */
  url: string
  /**
   * Resolves when the schema is up to date; later than `openBuffer` when the server is away at start. To false when the
   * buffer was closed before: then there is nothing to work with.
   */
  ready: Promise<boolean>
  /** Another pool on the same server, with limits of its own; closed together with the buffer. */
  open(options: Omit<DbOptions, 'url' | 'clock'>): Db
  close(): Promise<void>
}

export type BufferDeps = {
  clock: Clock
  log: Log
  applicationName: string
  /**
   * True for the process that serves DATA_DIR: it keeps the embedded PostgreSQL running, and stops it at its end, also
   * one that it adopted.
   * A command stops only what it started itself, because another process may work with what it found running.
   */
  owner?: boolean
}

const connectionsMax = 12
/** Of a process that only looks something up now and then. */
const attachedConnectionsMax = 2
const retryDelays = { firstMs: 500, maxMs: 15_000 }

/**
 * Opens the buffer: the server of DATABASE_URL, or the embedded one, and migrates it. A server that is away at start is
 * waited for in the background, because the collector works without it; a refused password, a missing database or a newer
 * schema is an error at once. Throws `database_failed`, `schema_newer`.
 */
export const openBuffer = async (config: Config, deps: BufferDeps): Promise<Buffer> => {
  const startEmbedded = () =>
    deps.owner ? superviseEmbeddedPostgres(config.DATA_DIR, deps) : startEmbeddedPostgres(config.DATA_DIR)
  const embedded = config.DATABASE_URL ? undefined : await startEmbedded()
  const url = config.DATABASE_URL?.reveal() ?? embedded?.url ?? ''
  const db = createDb({ url, applicationName: deps.applicationName, connectionsMax, clock: deps.clock })
  const pools = [db]
  const closing = new AbortController()
  const close = async () => {
    closing.abort()
    try {
      await Promise.all(pools.map((pool) => pool.close()))
    } finally {
      // A server that began meanwhile has adopted the PostgreSQL that we started, and stops it at its own end.
      if (embedded && (deps.owner || embedded.started) && !isServedByAnother(config.DATA_DIR)) await embedded.stop()
    }
  }
  try {
    const attempt = () => migrate(db, deps.log, { compressAfterDays: config.COMPRESS_AFTER_DAYS })
    const first = await attempt().then(
      () => undefined,
      (error: unknown) => error,
    )
    const isWaitedFor = (deps.owner || !embedded) && isAway(first)
    if (first !== undefined && !isWaitedFor) throw startError(first, url)
    const ready = first === undefined ? Promise.resolve(true) : waitFor(attempt, closing.signal, deps)
    const open: Buffer['open'] = (options) => {
      const pool = createDb({ ...options, url, clock: deps.clock })
      pools.push(pool)
      return pool
    }
    return { db, describe: describe(url, embedded), url, ready, open, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** The buffer at an address, for a process whose parent keeps that database running and migrated. */
export const attachBuffer = (
  url: string,
  { clock, applicationName }: Pick<BufferDeps, 'clock' | 'applicationName'>,
): Buffer => {
  const pools: Db[] = []
  const open: Buffer['open'] = (options) => {
    const pool = createDb({ ...options, url, clock })
    pools.push(pool)
    return pool
  }
  return {
    db: open({ applicationName, connectionsMax: attachedConnectionsMax }),
    ...{ describe: describe(url, undefined), ready: Promise.resolve(true), url, open },
    close: async () => void (await Promise.all(pools.map((pool) => pool.close()))),
  }
}

/** The buffer of a server that runs on this DATA_DIR, for a command beside it; undefined when none does. */
export const findBufferUrl = async (config: Config): Promise<string | undefined> =>
  config.DATABASE_URL?.reveal() ?? (await findEmbeddedPostgres(config.DATA_DIR))

const isAway = (error: unknown): boolean => !isAppError(error) && classifyDatabaseFault(error) === 'away'

const waitFor = async (
  attempt: () => Promise<void>,
  signal: AbortSignal,
  { clock, log }: { clock: Clock; log: Log },
): Promise<boolean> => {
  for (let tries = 0; ; tries++) {
    log.warn({ tries }, 'the database is away; waiting for it')
    await clock.sleep(backoffMs(tries, retryDelays), signal)
    if (signal.aborted) return false
    try {
      await attempt()
      return !signal.aborted
    } catch (error) {
      if (signal.aborted) return false
      if (!isAway(error)) log.error({ err: error }, `the database cannot be used: ${messageOf(error)}`)
    }
  }
}

const startError = (error: unknown, url: string): AppError =>
  isAppError(error)
    ? error
    : new AppError('database_failed', `${describe(url, undefined)} cannot be used: ${messageOf(error)}`, {
        cause: error,
      })

const describe = (url: string, embedded: EmbeddedPostgres | undefined): string => {
  if (embedded) return 'embedded PostgreSQL'
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  return parsed ? `the database at ${parsed.host}${parsed.pathname}` : 'the database of DATABASE_URL'
}
