import type { Db, Queryable, Session } from '../db.ts'
import { AppError } from '../errors.ts'

/** What a database is, as far as a dump of it depends on it. */
export type DatabaseState = {
  postgres: { version: string; major: number }
  timescaledb: string | null
  migration: number
  epoch: string
}

export const selectState = async (db: Queryable): Promise<DatabaseState> => {
  const [row] = await db.query<{
    version: string
    num: number
    timescaledb: string | null
    migration: number
    epoch: string
  }>(
    `select current_setting('server_version') as version, current_setting('server_version_num')::int as num,
            (select extversion from pg_extension where extname = 'timescaledb') as timescaledb,
            (select coalesce(max(version), 0) from schema_migrations) as migration,
            (select epoch from epochs where is_current) as epoch`,
  )
  if (!row) throw new AppError('internal', 'The database did not say what it is.')
  const { version, num, ...rest } = row
  return { postgres: { version: version.split(' ')[0] ?? version, major: Math.floor(num / 10_000) }, ...rest }
}

/** Rows of every table of ours, by name. */
export const countTables = async (db: Queryable): Promise<Record<string, number>> => {
  const tables = await db.query<{ name: string }>(
    `select c.relname as name from pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
       and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
     order by 1`,
  )
  const counts: Record<string, number> = {}
  for (const { name } of tables) {
    const [row] = await db.query<{ rows: number }>(`select count(*) as rows from "${name.replaceAll('"', '""')}"`)
    counts[name] = row?.rows ?? 0
  }
  return counts
}

/** Runs `work` with a snapshot that another connection may share, so that counts and dump are of one moment. */
export const withSnapshot = async <T>(db: Db, work: (session: Session, snapshot: string) => Promise<T>): Promise<T> => {
  const session = await db.session()
  try {
    await session.execute('begin isolation level repeatable read read only')
    await session.execute('set local statement_timeout = 0')
    // It is idle for as long as the dump takes.
    await session.execute('set local idle_in_transaction_session_timeout = 0')
    const [row] = await session.query<{ snapshot: string }>('select pg_export_snapshot() as snapshot')
    return await work(session, row?.snapshot ?? '')
  } finally {
    await session.execute('rollback').catch(() => undefined)
    session.release()
  }
}
