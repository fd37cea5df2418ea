import { readdirSync, readFileSync } from 'node:fs'
import type { Db, Session, Tx } from './db.ts'
import { AppError } from './errors.ts'
import type { Log } from './log.ts'

const migrationsFolder = new URL('../appliance/migrations/', import.meta.url)
/** Any number; the same in every process that migrates. */
const migrationLock = 7_261_001

export type Migration = { version: number; name: string; breaking: boolean; sql: string }

/** The numbered migrations of this program, in order. */
export const readMigrations = (folder: URL = migrationsFolder): Migration[] =>
  readdirSync(folder)
    .filter((file) => /^\d{3}_\w+\.sql$/.test(file))
    .sort()
    .map((file) => {
      const sql = readFileSync(new URL(file, folder), 'utf8')
      return { version: Number(file.slice(0, 3)), name: file, breaking: /^-- breaking: yes/m.test(sql), sql }
    })

/**
 * Brings the schema to this program's version, forward only, each migration in a transaction of its own. Safe when two
 * processes start at once (advisory lock). An old program goes on with a newer schema unless one of the newer
 * migrations is marked breaking: then `schema_newer`.
 */
export const migrate = async (
  db: Db,
  log: Log,
  options: { compressAfterDays: number; migrations?: Migration[] },
): Promise<void> => {
  const migrations = options.migrations ?? readMigrations()
  const session = await db.session()
  try {
    await session.execute('set statement_timeout = 0')
    await session.query('select pg_advisory_lock($1::bigint)', [migrationLock])
    await enableTimescale(session, log)
    await session.execute(`create table if not exists schema_migrations (
      version int primary key, name text not null, breaking boolean not null, applied_at timestamptz not null default now())`)
    const applied = await session.query<{ version: number; name: string; breaking: boolean }>(
      'select version, name, breaking from schema_migrations order by version',
    )
    const known = migrations.at(-1)?.version ?? 0
    const newer = applied.find((row) => row.version > known && row.breaking)
    if (newer)
      throw new AppError('schema_newer', `The database has migration ${newer.name}; install the version that made it.`)
    for (const migration of migrations) {
      if (applied.some((row) => row.version === migration.version)) continue
      await apply(session, migration)
      log.info({ migration: migration.name }, 'migrated')
    }
    await setCompression(session, options.compressAfterDays)
  } finally {
    await session.query('select pg_advisory_unlock($1::bigint)', [migrationLock]).catch(() => undefined)
    await session.execute(`set statement_timeout = ${session.statementTimeoutMs}`).catch(() => undefined)
    session.release()
  }
}

const apply = async (session: Session, migration: Migration): Promise<void> => {
  await session.execute('begin')
  try {
    await session.batch(migration.sql)
    await session.execute(
      'insert into schema_migrations (version, name, breaking) values ($1::int, $2::text, $3::bool)',
      [migration.version, migration.name, migration.breaking],
    )
    await session.execute('commit')
  } catch (error) {
    await session.execute('rollback')
    throw new AppError('database_failed', `Migration ${migration.name} failed.`, { cause: error })
  }
}

/** CREATE EXTENSION ends the connection where the library is installed but not preloaded, so both are asked first. */
const enableTimescale = async (tx: Tx, log: Log): Promise<void> => {
  const [state] = await tx.query<{ installed: boolean; available: boolean; preloaded: boolean }>(
    `select exists (select from pg_extension where extname = 'timescaledb') as installed,
            exists (select from pg_available_extensions where name = 'timescaledb') as available,
            current_setting('timescaledb.disable_load', true) is not null as preloaded`,
  )
  if (!state || state.installed || !state.available || !state.preloaded) return
  try {
    await tx.execute('create extension if not exists timescaledb')
  } catch (error) {
    log.warn({ err: error }, 'TimescaleDB is available but this role may not create it; going on without')
  }
}

/** Rows that are held back long (a parked destination) are compressed. Only under the Timescale licence. */
const setCompression = async (tx: Tx, days: number): Promise<void> => {
  const [state] = await tx.query<{ licensed: boolean }>(
    `select exists (select from pg_extension where extname = 'timescaledb')
            and current_setting('timescaledb.license', true) = 'timescale' as licensed`,
  )
  if (!state?.licensed) return
  await tx.execute(`select remove_compression_policy('events_log', if_exists => true)`)
  await tx.execute(`select add_compression_policy('events_log', make_interval(days => $1::int))`, [days])
}
