import type { Db, Session } from '../db.ts'
import { AppError } from '../errors.ts'

/** Any number; the same in every process that exports from this database. */
const exporterLock = 7_261_002

/**
 * Runs `work` as the only exporter of this database, on a connection of its own without a statement limit; `lost` is
 * aborted when that connection breaks, for then the lock is gone. Throws `export_busy` when somebody else exports.
 */
export const withExporterLock = async <T>(
  db: Db,
  work: (session: Session, lost: AbortSignal) => Promise<T>,
): Promise<T> => {
  const session = await db.session()
  const lost = new AbortController()
  session.onLost((error) => lost.abort(error))
  try {
    await session.execute('set statement_timeout = 0')
    const [lock] = await session.query<{ got: boolean }>('select pg_try_advisory_lock($1::bigint) as got', [
      exporterLock,
    ])
    if (!lock?.got) throw new AppError('export_busy', 'Another process exports from this database; wait for it.')
    return await work(session, lost.signal)
  } finally {
    await session.query('select pg_advisory_unlock_all()').catch(() => undefined)
    await session.execute(`set statement_timeout = ${session.statementTimeoutMs}`).catch(() => undefined)
    session.release()
  }
}
