import { mkdir, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Db } from '../db.ts'
import { AppError } from '../errors.ts'
import type { Destination } from '../storage/destination.ts'
import { sha256OfText } from '../storage/sha256.ts'
import { producerVersion } from '../types.ts'
import { encryptTo } from './age-files.ts'
import { startArchive } from './archive.ts'
import { type BackupFile, type BackupManifest, backupKey, backupName } from './backup-manifest.ts'
import { listBackups, readBackup } from './backups.ts'
import { removeLeftovers } from './leftovers.ts'
import { findPostgresPrograms } from './postgres-programs.ts'
import { countTables, selectState, withSnapshot } from './snapshot.ts'

export type BackupDeps = {
  db: Db
  url: string
  config: Config
  clock: Clock
  backup: Destination
  /** Back up although the destination holds backups of a life that this database knows nothing of. */
  force?: boolean
}
export type MadeBackup = { name: string; manifest: BackupManifest }

/** At least two: whoever holds one key may be away, or lose it. */
const recipientsMin = 2

/**
 * Backs the machine up: files first, then the database, each encrypted for all recipients, then the manifest. In this
 * order, because a spooled event that is replayed between the two is then in both, where its commit key tells; the other way
 * round it would be in neither. Throws `setting_invalid` without recipients, `backup_failed`, or the destination's failure;
 * a backup without manifest does not count, and is removed with the old ones.
 */
export const makeBackup = async ({ db, url, config, clock, backup, force }: BackupDeps): Promise<MadeBackup> => {
  const recipients = config.BACKUP_RECIPIENTS ?? []
  if (new Set(recipients).size < recipientsMin)
    throw new AppError(
      'setting_invalid',
      `BACKUP_RECIPIENTS must name at least ${recipientsMin} public keys of age: a backup that one person can read is lost with that person's key.`,
    )
  if (!force) await refuseStranger(db, backup, config.NODE_ID)
  const startedMs = clock.now()
  const name = backupName(startedMs)
  const staging = path.join(path.resolve(config.DATA_DIR), 'staging')
  await removeLeftovers(staging, startedMs)
  const folder = path.join(staging, `backup-${name}`)
  const state = await selectState(db)
  const programs = await findPostgresPrograms(state.postgres.major)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  try {
    const deliver = async (file: BackupFile['name'], made: Omit<BackupFile, 'name'>): Promise<BackupFile> => {
      await backup.create(backupKey(config.NODE_ID, name, file), {
        path: path.join(folder, file),
        bytes: made.bytes,
        sha256: made.sha256,
      })
      await rm(path.join(folder, file))
      return { name: file, ...made }
    }
    const archive = startArchive(config.DATA_DIR, config.VAULT_DIR, config.BACKUP_INCLUDE ?? [])
    const archived = await encryptTo(path.join(folder, 'files.tar.age'), archive.stream, recipients)
    await archive.done
    const files = await deliver('files.tar.age', archived)

    const { tables, dumped } = await withSnapshot(db, async (session, snapshot) => {
      const dump = await programs.start('pg_dump', url, [
        ...['--format=custom', '--compress=6', '--no-owner', '--no-privileges', `--snapshot=${snapshot}`],
      ])
      if (!dump.process.stdout) throw new AppError('internal', 'pg_dump has no output.')
      const dumped = await encryptTo(path.join(folder, 'database.dump.age'), dump.process.stdout, recipients)
      await dump.done
      return { dumped, tables: await countTables(session) }
    })
    const database = await deliver('database.dump.age', dumped)
    const manifest: BackupManifest = {
      ...{ version: 1, client_id: config.CLIENT_ID, node_id: config.NODE_ID },
      ...{ created_at: new Date(startedMs).toISOString(), producer: `evothesis ${producerVersion}`, ...state, tables },
      ...{ files: [database, files], recipients: [...recipients], duration_ms: clock.now() - startedMs },
    }
    await putText(backup, folder, backupKey(config.NODE_ID, name, 'manifest.json'), JSON.stringify(manifest, null, 2))
    return { name, manifest }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * A new machine in the place of a lost one must not back its empty database up: that would be the latest backup, and in a
 * week the only one. A database that was restored, or has adopted, knows the epoch of the backup.
 */
const refuseStranger = async (db: Db, backup: Destination, node: string): Promise<void> => {
  const latest = (await listBackups(backup, node)).filter((one) => one.isWhole).at(-1)
  if (!latest) return
  const { manifest } = await readBackup(backup, node, latest.name)
  const known = await db.query('select from epochs where epoch = $1::text', [manifest.epoch])
  if (known.length > 0) return
  throw new AppError(
    'conflict',
    `${backup.identity} holds the backup ${latest.name} of an earlier life of this machine, which this database does not know. Restore it first, or say --force to begin anew.`,
  )
}

/** Writes a document to the backup, whatever was there. */
export const putText = async (backup: Destination, folder: string, key: string, text: string): Promise<void> => {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const file = path.join(folder, key.replaceAll('/', '_'))
  await writeFile(file, `${text}\n`, { mode: 0o600 })
  try {
    const { size } = await stat(file)
    await backup.replace(key, { path: file, bytes: size, sha256: sha256OfText(`${text}\n`) })
  } finally {
    await rm(file, { force: true })
  }
}
