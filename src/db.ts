import { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import pg from 'pg'
import { from as copyFromQuery } from 'pg-copy-streams'
import type { Clock } from './clock.ts'
import { CopyToStream } from './copy-to-stream.ts'
import { AppError } from './errors.ts'
import { ReusingSocket } from './reusing-socket.ts'
import { isSerializationFailure, sqlStateOf } from './sqlstate.ts'

/** What one statement can be asked of: the pool, or a transaction. */
export type Queryable = {
  /** Runs one statement; resolves to its rows. `json` columns arrive as text, `bigint` as safe numbers. */
  query<T extends object = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<T[]>
  /** Runs one statement; resolves to the number of rows it touched. */
  execute(text: string, values?: readonly unknown[]): Promise<number>
}

export type Tx = Queryable & {
  /** Runs several statements without parameters in one round trip; resolves to the rows of each. */
  batch(text: string): Promise<Record<string, unknown>[][]>
  /** `copy … from stdin`: write to the stream, then await `done` for the number of rows. */
  copyFrom(text: string): { stream: Writable; done: Promise<number> }
  /**
   * `copy … to stdout`: read the stream; `rows()` is valid after its end. A stream that is not read to its end leaves the
   * connection in the midst of the COPY: break the session then, nothing else can be asked of it.
   */
  copyTo(text: string): { stream: Readable; rows: () => number }
}

export type Session = Tx & {
  release(error?: Error): void
  onLost(listener: (error: Error) => void): void
  /** The limit that this connection was prepared with, for whoever lifts it to set it back: RESET would lift it, too. */
  statementTimeoutMs: number
  /** Cuts the connection: what is under way or asked later fails at once, and the server gives its locks back. */
  break(reason: Error): void
}

export type Db = Queryable & {
  /**
   * Runs `work` in one READ COMMITTED transaction. Resolves only after COMMIT answered with the tag COMMIT: the COMMIT
   * of a failed transaction resolves, too, with the tag ROLLBACK. 40001 and 40P01 are retried, up to `attemptsMax`.
   */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>
  /** A connection of one's own, for advisory locks, LISTEN and long COPYs. Release it. */
  session(): Promise<Session>
  close(): Promise<void>
}

export type DbOptions = {
  url: string
  applicationName: string
  /** Connections of the pool. */
  connectionsMax: number
  statementTimeoutMs?: number
  /** How long an answer is awaited before the connection counts as lost: a half-open one never tells. Default: for ever. */
  answerTimeoutMs?: number
  clock: Clock
}

const attemptsMax = 5
const statementMsMax = 60_000

/** Rows of `bigint` are counts and ids here, far below 2^53; a larger one is refused rather than rounded. */
const safeInteger = (text: string): number => {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new AppError('internal', `The integer ${text} cannot be read exactly.`)
  return value
}
const identity = (text: string): string => text
const typeParsers = new Map<number, (text: string) => unknown>([
  [pg.types.builtins.INT8, safeInteger],
  [pg.types.builtins.JSON, identity],
])
// pg's own declaration asks for a generic function per format; every parser here reads text.
const types: pg.CustomTypesConfig = {
  getTypeParser: ((id: number, format?: 'text' | 'binary') =>
    typeParsers.get(id) ?? pg.types.getTypeParser(id, format as 'text')) as typeof pg.types.getTypeParser,
}

/** Opens a pool. Every connection asserts that an acknowledged commit is on disk, and bounds what it may wait for. */
export const createDb = (options: DbOptions): Db => {
  const pool = new pg.Pool({
    connectionString: options.url,
    application_name: options.applicationName,
    max: options.connectionsMax,
    types,
    // TLS reads for itself.
    stream: openSocket as () => Socket,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 30_000,
    ...(options.answerTimeoutMs !== undefined && { query_timeout: options.answerTimeoutMs }),
    verify: (client, callback) => {
      // The pool listens for errors only while a connection is idle, and its user only after this. The statement that is
      // under way fails by itself; without a listener the same failure would end the process.
      const ignore = () => {}
      client.on('error', ignore)
      prepareConnection(client, options.statementTimeoutMs ?? statementMsMax)
        .then(
          () => callback(),
          (error: Error) => callback(error),
        )
        .finally(() => client.off('error', ignore))
    },
  })
  // An idle connection that breaks is replaced at the next use; without a listener it would end the process.
  pool.on('error', () => {})

  const transactionOnce = async <T>(work: (tx: Tx) => Promise<T>): Promise<T> => {
    const client = await pool.connect()
    let broken: Error | undefined
    const onError = (error: Error) => {
      broken = error
    }
    client.on('error', onError)
    try {
      await client.query('begin isolation level read committed')
      const value = await work(queries(client))
      const result = await client.query('commit')
      if (result.command !== 'COMMIT') throw new AppError('commit_refused', `COMMIT answered ${result.command}.`)
      return value
    } catch (error) {
      // Nothing more is asked of a connection that does not answer, and its late answer finds nobody.
      if (isAnswerTimeout(error)) broken ??= error
      else
        await client.query('rollback').catch((failure: Error) => {
          broken ??= failure
        })
      throw error
    } finally {
      client.off('error', onError)
      client.release(broken)
    }
  }

  return {
    ...queries(pool),
    async transaction(work) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await transactionOnce(work)
        } catch (error) {
          if (attempt >= attemptsMax || !isSerializationFailure(sqlStateOf(error))) throw error
          await options.clock.sleep(5 * attempt * (1 + Math.random()))
        }
      }
    },
    async session() {
      const client = await pool.connect()
      const listeners: ((error: Error) => void)[] = []
      let lost: Error | undefined
      const onError = (error: Error) => {
        lost = error
        for (const listener of listeners) listener(error)
      }
      client.on('error', onError)
      return {
        ...queries(client),
        onLost: (listener) => void listeners.push(listener),
        statementTimeoutMs: options.statementTimeoutMs ?? statementMsMax,
        break(reason) {
          lost ??= reason
          ;(client as unknown as { connection: { stream: { destroy(error: Error): void } } }).connection.stream.destroy(
            reason,
          )
        },
        release(error) {
          client.off('error', onError)
          client.release(error ?? lost)
        },
      }
    },
    close: () => pool.end(),
  }
}

/** pg gives its connection's settings, which its own declaration does not say. */
const openSocket = ({ ssl }: { ssl?: unknown }): Socket => (ssl ? new Socket() : new ReusingSocket())

const prepareConnection = async (client: pg.ClientBase, statementTimeoutMs: number): Promise<void> => {
  const result = await client.query(
    `set synchronous_commit = on; set timezone = 'UTC'; set datestyle = 'ISO'; set statement_timeout = ${statementTimeoutMs};
     set lock_timeout = 15000; set idle_in_transaction_session_timeout = 120000;
     select current_setting('fsync') as fsync, current_setting('synchronous_commit') as synchronous_commit`,
  )
  const results = result as unknown as pg.QueryResult<{ fsync: string; synchronous_commit: string }>[]
  const row = results.at(-1)?.rows[0]
  if (row?.fsync !== 'on' || row.synchronous_commit !== 'on')
    throw new AppError(
      'database_unsafe',
      `The database runs with fsync=${row?.fsync}, synchronous_commit=${row?.synchronous_commit}; turn both on.`,
    )
}

const isAnswerTimeout = (error: unknown): error is Error =>
  error instanceof Error && error.message === 'Query read timeout'

const queries = (client: pg.Pool | pg.PoolClient): Tx => ({
  async query<T extends object>(text: string, values: readonly unknown[] = []) {
    const result = await client.query<T & pg.QueryResultRow>(text, [...values])
    return result.rows
  },
  async execute(text, values = []) {
    const result = await client.query(text, [...values])
    return result.rowCount ?? 0
  },
  async batch(text) {
    const result = (await client.query(text)) as pg.QueryResult | pg.QueryResult[]
    return (Array.isArray(result) ? result : [result]).map((one) => one.rows)
  },
  copyFrom(text) {
    const stream = (client as pg.PoolClient).query(copyFromQuery(text))
    const done = new Promise<number>((resolve, reject) => {
      stream.once('finish', () => resolve(stream.rowCount))
      stream.once('error', reject)
    })
    return { stream, done }
  },
  copyTo(text) {
    const stream = (client as pg.PoolClient).query(new CopyToStream(text))
    return { stream, rows: () => stream.rowCount }
  },
})
