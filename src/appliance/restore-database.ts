import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import type { Clock } from '../clock.ts'
import { createDb, type Db } from '../db.ts'
import { AppError, messageOf } from '../errors.ts'
import type { BackupManifest } from './backup-manifest.ts'
import { findPostgresPrograms } from './postgres-programs.ts'
import { countTables } from './snapshot.ts'

type Server = { major: number; version: string; timescaledb: string | null; preloaded: boolean }

/**
 * Refuses a server that the dump does not fit, before anything is changed: another major version, or another version of
 * TimescaleDB, whose tables are part of the dump. Throws `restore_refused` with the image to use.
 */
export const checkServer = async (db: Db, manifest: BackupManifest, newestMigration: number): Promise<void> => {
  const server = await selectServer(db)
  const { postgres, timescaledb, migration } = manifest
  const image = timescaledb
    ? `the image timescale/timescaledb:${timescaledb}-pg${postgres.major}`
    : `PostgreSQL ${postgres.major}, e.g. the image postgres:${postgres.version}`
  const problem =
    server.major !== postgres.major
      ? `it is of PostgreSQL ${postgres.version}, this server is ${server.version}`
      : timescaledb !== null && !(server.timescaledb && server.preloaded)
        ? `it needs TimescaleDB ${timescaledb}, which this server has not`
        : timescaledb !== null && server.timescaledb !== timescaledb
          ? `it is of TimescaleDB ${timescaledb}, this server has ${server.timescaledb}`
          : undefined
  if (problem) throw new AppError('restore_refused', `The backup does not fit this database: ${problem}. Use ${image}.`)
  if (migration > newestMigration)
    throw new AppError(
      'restore_refused',
      `The backup was made by ${manifest.producer}, whose schema (${migration}) is newer than this program's (${newestMigration}); use that version.`,
    )
}

const selectServer = async (db: Db): Promise<Server> => {
  const [row] = await db.query<{ version: string; num: number; timescaledb: string | null; preloaded: boolean }>(
    `select current_setting('server_version') as version, current_setting('server_version_num')::int as num,
            coalesce((select extversion from pg_extension where extname = 'timescaledb'),
                     (select default_version from pg_available_extensions where name = 'timescaledb')) as timescaledb,
            current_setting('timescaledb.disable_load', true) is not null as preloaded`,
  )
  if (!row) throw new AppError('internal', 'The server did not say what it is.')
  const { num, ...rest } = row
  return { ...rest, major: Math.floor(num / 10_000) }
}

/**
 * Restores a dump into an empty database, TimescaleDB's own way: the extension first, its background work stopped, the dump
 * in one job and one transaction: what is killed half way leaves an empty database, which nobody can take for the real one.
 * Its work is begun again also when that failed. Then compares every table with the manifest. Throws `backup_failed`.
 */
export const restoreDatabase = async (deps: {
  url: string
  dumpFile: string
  manifest: BackupManifest
  clock: Clock
}): Promise<void> => {
  const { url, dumpFile, manifest, clock } = deps
  const programs = await findPostgresPrograms(manifest.postgres.major)
  const db = createDb({ url, applicationName: 'evothesis restore', connectionsMax: 2, statementTimeoutMs: 0, clock })
  try {
    const timescale = manifest.timescaledb !== null
    if (timescale) {
      await db.execute(`create extension if not exists timescaledb version '${manifest.timescaledb}'`)
      await db.query('select timescaledb_pre_restore()')
    }
    try {
      const restore = await programs.start('pg_restore', url, ['--no-owner', '--no-privileges', '--single-transaction'])
      const { stdin, stdout } = restore.process
      stdout?.resume()
      // When it ends early, its own words say why, and the broken pipe nothing.
      if (stdin) await pipeline(createReadStream(dumpFile), stdin).catch(() => undefined)
      await restore.done
    } finally {
      if (timescale) await db.query('select timescaledb_post_restore()')
    }
  } catch (error) {
    throw error instanceof AppError
      ? error
      : new AppError('backup_failed', `The dump could not be restored: ${messageOf(error)}`, { cause: error })
  } finally {
    await db.close()
  }
  await compareTables({ url, manifest, clock })
}

const compareTables = async ({ url, manifest, clock }: { url: string; manifest: BackupManifest; clock: Clock }) => {
  const db = createDb({ url, applicationName: 'evothesis restore', connectionsMax: 1, statementTimeoutMs: 0, clock })
  try {
    const counted = await countTables(db)
    const names = [...new Set([...Object.keys(manifest.tables), ...Object.keys(counted)])].sort()
    const other = names.filter((name) => manifest.tables[name] !== counted[name])
    if (other.length > 0)
      throw new AppError(
        'backup_failed',
        `The restored tables differ from the backup: ${other.map((name) => `${name} has ${counted[name] ?? 'no'} rows of ${manifest.tables[name] ?? 'no'}`).join(', ')}.`,
      )
  } finally {
    await db.close()
  }
}
