import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import { createDb, type Db } from '../db.ts'
import { AppError, messageOf } from '../errors.ts'
import type { Destination } from '../storage/destination.ts'
import { producerVersion } from '../types.ts'
import { type BackupManifest, drillKey } from './backup-manifest.ts'
import { readBackup } from './backups.ts'
import { createDatabase, databaseName, dropDatabase, onServer, siblingUrl } from './databases.ts'
import { putText } from './make-backup.ts'
import { findPostgresPrograms } from './postgres-programs.ts'
import { openBackupFile } from './restore.ts'
import { checkServer, restoreDatabase } from './restore-database.ts'
import { countTables, selectState, withSnapshot } from './snapshot.ts'

/** One thing that was made again from the restored data, with both hashes; null when there is none to make. */
export type Rederived = { what: string; stated: string; derived: string } | null

export type DrillDeps = {
  db: Db
  url: string
  config: Config
  clock: Clock
  backup: Destination
  rederivePart(db: Db, stagingFolder: string): Promise<Rederived>
  rederiveStatement(db: Db): Promise<Rederived>
}

export type Drill = {
  version: 1
  client_id: string
  node_id: string
  at: string
  producer: string
  /** The backup that was restored, or null: a fresh dump, because no key was given. */
  backup: string | null
  ok: boolean
  error: string | null
  decrypted: boolean
  rows: number
  tables: number
  part: Rederived
  statement: Rederived
  /** Time until the restored database could be asked, in milliseconds. */
  restore_ms: number
  duration_ms: number
}

/**
 * Proves a backup by restoring it: into a scratch database on the same server, which is dropped again; every table is
 * counted, one export part and one statement are made again from what was restored, and their hashes compared with those
 * that were delivered and issued. With a key the shipped backup is tried, decryption included; without one a fresh dump.
 * Resolves also when it fails, with the reason; the report is written to the backup destination.
 */
export const drill = async (
  deps: DrillDeps,
  options: { wanted: string; identities: readonly string[] | null },
): Promise<Drill> => {
  const { config, clock, url, backup } = deps
  const startedMs = clock.now()
  const folder = path.join(path.resolve(config.DATA_DIR), 'staging', `drill-${randomBytes(4).toString('hex')}`)
  const scratch = siblingUrl(url, `${databaseName(url)}_drill_${randomBytes(4).toString('hex')}`)
  const report: Drill = {
    ...{ version: 1, client_id: config.CLIENT_ID, node_id: config.NODE_ID, at: new Date(startedMs).toISOString() },
    ...{ producer: `evothesis ${producerVersion}`, backup: null, ok: false, error: null, decrypted: false },
    ...{ rows: 0, tables: 0, part: null, statement: null, restore_ms: 0, duration_ms: 0 },
  }
  await mkdir(folder, { recursive: true, mode: 0o700 })
  try {
    const { manifest, dumpFile, name } = options.identities
      ? await shipped(deps, options.wanted, options.identities, folder)
      : await fresh(deps, folder)
    report.backup = name
    report.decrypted = name !== null
    await onServer(url, clock, (db) => checkServer(db, manifest, Number.MAX_SAFE_INTEGER))
    await dropLeftScratch(url, clock)
    await createDatabase(scratch, clock)
    await restoreDatabase({ url: scratch, dumpFile, manifest, clock })
    report.restore_ms = clock.now() - startedMs
    report.tables = Object.keys(manifest.tables).length
    report.rows = Object.values(manifest.tables).reduce((sum, rows) => sum + rows, 0)
    const db = createDb({ url: scratch, applicationName: 'evothesis drill', connectionsMax: 3, clock })
    try {
      report.part = await deps.rederivePart(db, path.join(folder, 'part'))
      report.statement = await deps.rederiveStatement(db)
    } finally {
      await db.close()
    }
    for (const one of [report.part, report.statement])
      if (one && one.stated !== one.derived)
        throw new AppError(
          'verify_failed',
          `${one.what} was stated as ${one.stated}, and is ${one.derived} from the backup.`,
        )
    report.ok = true
  } catch (error) {
    report.error = messageOf(error)
  } finally {
    await dropDatabase(scratch, clock).catch(() => undefined)
    await rm(folder, { recursive: true, force: true })
  }
  report.duration_ms = clock.now() - startedMs
  await putText(
    backup,
    path.join(path.resolve(config.DATA_DIR), 'staging'),
    drillKey(config.NODE_ID, startedMs),
    JSON.stringify(report, null, 2),
  )
  return report
}

/** What a drill left that was killed: a whole copy of the database. One that is in use is another drill's. */
const dropLeftScratch = async (url: string, clock: Clock): Promise<void> => {
  const like = `^${databaseName(url).replaceAll(/[^a-zA-Z0-9_]/g, '.')}_drill_[0-9a-f]{8}$`
  const left = await onServer(url, clock, (db) =>
    db.query<{ name: string }>(
      `select datname as name from pg_database d where datname ~ $1::text
         and not exists (select from pg_stat_activity a where a.datname = d.datname)`,
      [like],
    ),
  )
  for (const { name } of left) await dropDatabase(siblingUrl(url, name), clock)
}

type Source = { manifest: BackupManifest; dumpFile: string; name: string | null }

const shipped = async (
  { backup, config }: DrillDeps,
  wanted: string,
  identities: readonly string[],
  folder: string,
): Promise<Source> => {
  const { name, manifest } = await readBackup(backup, config.NODE_ID, wanted)
  const place = { node: config.NODE_ID, name, manifest }
  return { name, manifest, dumpFile: await openBackupFile(backup, place, 'database.dump.age', { folder, identities }) }
}

/** A dump as a backup would hold, with what its manifest would say. */
const fresh = async ({ db, url, config, clock }: DrillDeps, folder: string): Promise<Source> => {
  const state = await selectState(db)
  const programs = await findPostgresPrograms(state.postgres.major)
  const dumpFile = path.join(folder, 'database.dump')
  const tables = await withSnapshot(db, async (session, snapshot) => {
    const args = ['--format=custom', '--compress=1', '--no-owner', '--no-privileges', `--snapshot=${snapshot}`]
    const dump = await programs.start('pg_dump', url, args)
    if (!dump.process.stdout) throw new AppError('internal', 'pg_dump has no output.')
    await pipeline(dump.process.stdout, createWriteStream(dumpFile, { mode: 0o600 }))
    await dump.done
    return countTables(session)
  })
  const manifest: BackupManifest = {
    ...{
      version: 1,
      client_id: config.CLIENT_ID,
      node_id: config.NODE_ID,
      created_at: new Date(clock.now()).toISOString(),
    },
    ...{ producer: `evothesis ${producerVersion}`, ...state, tables, files: [], recipients: [], duration_ms: 0 },
  }
  return { manifest, dumpFile, name: null }
}
