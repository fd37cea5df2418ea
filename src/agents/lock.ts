import type { Db } from '../db.ts'
import { AppError } from '../errors.ts'

/** Any number; the same in every process that runs the agents on this database. */
const agentsLock = 7_261_005
const vaultLock = 7_261_006

/**
 * Runs `work` as the only run of the agents on this database, on a connection of its own; `lost` is aborted when that
 * connection breaks, for then the lock is gone. Throws `agents_busy` when another run is under way.
 */
export const withAgentsLock = <T>(db: Db, work: (lost: AbortSignal) => Promise<T>): Promise<T> =>
  withLock(db, agentsLock, 'Another run of the agents is under way; wait for it.', work)

/** The same for whoever writes or delivers notes. */
export const withVaultLock = <T>(db: Db, work: (lost: AbortSignal) => Promise<T>): Promise<T> =>
  withLock(db, vaultLock, 'Notes are being written already; wait for it.', work)

const withLock = async <T>(db: Db, key: number, busy: string, work: (lost: AbortSignal) => Promise<T>): Promise<T> => {
  const session = await db.session()
  const lost = new AbortController()
  session.onLost((error) => lost.abort(error))
  try {
    const [lock] = await session.query<{ got: boolean }>('select pg_try_advisory_lock($1::bigint) as got', [key])
    if (!lock?.got) throw new AppError('agents_busy', busy)
    return await work(lost.signal)
  } finally {
    await session.query('select pg_advisory_unlock_all()').catch(() => undefined)
    session.release()
  }
}
