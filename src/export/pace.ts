import type { Clock } from '../clock.ts'
import type { Queryable } from '../db.ts'

/**
 * How many times the bytes that come in a COPY may move while they do. A row's line in the file is two to three times what the
 * ledger counts for it, so a backlog shrinks at three times the rate at which it grows, or more.
 */
const timesArrival = 12
/** It need not be slower than this, in bytes a second. */
const floorBytes = 16 << 20
/** How long an answer about arrivals holds. */
const freshMs = 1_000

/**
 * Keeps a COPY from taking the processor away from those who collect. PostgreSQL gives all its backends the same share, and
 * the one that reads a part's rows would take a core of two; a stream that is read slowly holds it back. Nothing is held back
 * where nothing came in for two seconds.
 */
export const createPace = (db: Queryable, clock: Clock): Pace => {
  let askedMs = Number.NEGATIVE_INFINITY
  let allowed = Number.POSITIVE_INFINITY
  /** When what has been read so far may have been read. */
  let dueMs = 0

  const ask = async (): Promise<void> => {
    askedMs = clock.now()
    // The rows must not be given up for an answer that only says how fast they may come.
    const arriving = await selectArrivals(db).catch(() => 1)
    allowed = arriving > 0 ? Math.max(floorBytes, arriving * timesArrival) : Number.POSITIVE_INFINITY
  }

  return async function* paced(blocks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const block of blocks) {
      yield block
      if (Math.abs(clock.now() - askedMs) >= freshMs) await ask()
      const now = clock.now()
      // A clock that was set back must not make it wait until that hour comes again.
      if (dueMs - now > freshMs) dueMs = now
      dueMs = Math.max(dueMs, now) + (block.length / allowed) * 1_000
      const earlyMs = dueMs - now
      if (earlyMs >= 1) await clock.sleep(earlyMs)
    }
  }
}

/** Passes blocks on, in time. */
export type Pace = (blocks: AsyncIterable<Buffer>) => AsyncIterable<Buffer>

/** Bytes of events that were stored in each of the last two seconds. */
const selectArrivals = async (db: Queryable): Promise<number> => {
  const [row] = await db.query<{ bytes: number }>(
    `select coalesce(sum(bytes), 0)::float8 / 2 as bytes
     from (select bytes, stored_at from batches order by batch_id desc limit 2000) latest
     where stored_at > now() - interval '2 seconds'`,
  )
  return row?.bytes ?? 0
}
