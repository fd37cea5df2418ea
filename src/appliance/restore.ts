import { createReadStream, existsSync } from 'node:fs'
import { cp, mkdir, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import { createDb, type Db } from '../db.ts'
import { AppError } from '../errors.ts'
import type { Log } from '../log.ts'
import { migrate, readMigrations } from '../migrate.ts'
import type { Destination } from '../storage/destination.ts'
import { decryptTo } from './age-files.ts'
import { unpackArchive } from './archive.ts'
import type { BackupManifest } from './backup-manifest.ts'
import { fetchBackupFile, readBackup } from './backups.ts'
import { createDatabase, dropDatabase, onServer, stateOfDatabase } from './databases.ts'
import { renewEpoch } from './renew-epoch.ts'
import { checkServer, restoreDatabase } from './restore-database.ts'

export type RestoreDeps = {
  config: Config
  clock: Clock
  log: Log
  backup: Destination
  /** Takes over what this node delivered since the backup was made, and begins a new epoch if there was anything. */
  adopt(db: Db): Promise<{ manifests: number; events: number; epoch: string }>
}

export type Restored = {
  name: string
  manifest: BackupManifest
  /** What was delivered after the backup, and is known again from the manifests. */
  adopted: { manifests: number; events: number }
  epoch: string
  /** Secrets and settings that lay outside of DATA_DIR, for their owner to put back. */
  outside: string | null
  durationMs: number
}

/** Fetches one file of a backup and decrypts it; compares both with the manifest. Answers where it lies. */
export const openBackupFile = async (
  backup: Destination,
  place: { node: string; name: string; manifest: BackupManifest },
  name: BackupManifest['files'][number]['name'],
  { folder, identities }: { folder: string; identities: readonly string[] },
): Promise<string> => {
  const file = place.manifest.files.find((one) => one.name === name)
  if (!file) throw new AppError('backup_failed', `The manifest of ${place.name} names no ${name}.`)
  const encrypted = path.join(folder, name)
  const plain = path.join(folder, name.replace(/\.age$/, ''))
  await fetchBackupFile(backup, place, file, encrypted)
  const found = await decryptTo(encrypted, plain, identities)
  await rm(encrypted)
  if (found.sha256 !== file.plain_sha256)
    throw new AppError('backup_failed', `${name} holds something else than its manifest says.`)
  return plain
}

/**
 * Restores a machine from its backup, in an order in which nothing is lost when it fails: everything is fetched, decrypted
 * and compared, and the server asked whether it fits, before the database is touched. A database that is in use is
 * refused; with `replace` it is dropped. Then what was delivered since is adopted from the manifests, and a new epoch begins.
 * Files of DATA_DIR that are there stay as they are. Throws `restore_refused`, `conflict`, `backup_failed`.
 */
export const restore = async (
  deps: RestoreDeps,
  options: { url: string; wanted: string; identities: readonly string[]; replace: boolean },
): Promise<Restored> => {
  const { config, clock, log, backup } = deps
  const { url, identities } = options
  const startedMs = clock.now()
  const node = config.NODE_ID
  const { name, manifest } = await readBackup(backup, node, options.wanted)
  refuseOtherClient(manifest, config.CLIENT_ID)
  const dataDir = path.resolve(config.DATA_DIR)
  const folder = path.join(dataDir, 'staging', `restore-${name}`)
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true, mode: 0o700 })
  try {
    await onServer(url, clock, (db) => checkServer(db, manifest, readMigrations().at(-1)?.version ?? 0))
    const state = await stateOfDatabase(url, clock)
    if (state === 'used' && !options.replace)
      throw new AppError(
        'conflict',
        'The database is in use: stop collector and worker, and say --replace to drop it, with all that it holds.',
      )
    const place = { node, name, manifest }
    const dumpFile = await openBackupFile(backup, place, 'database.dump.age', { folder, identities })
    const archive = await openBackupFile(backup, place, 'files.tar.age', { folder, identities })

    await dropDatabase(url, clock)
    await createDatabase(url, clock)
    await restoreDatabase({ url, dumpFile, manifest, clock })
    const outside = await putFiles(archive, { folder, dataDir, name })
    const { epoch, ...adopted } = await continueLife(deps, url, log)
    return { name, manifest, adopted, epoch, outside, durationMs: clock.now() - startedMs }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const continueLife = async ({ config, clock, adopt }: RestoreDeps, url: string, log: Log) => {
  const db = createDb({ url, applicationName: 'evothesis restore', connectionsMax: 4, clock })
  try {
    await migrate(db, log, { compressAfterDays: config.COMPRESS_AFTER_DAYS })
    const adopted = await adopt(db)
    const epoch = adopted.manifests > 0 ? adopted.epoch : await renewEpoch(db)
    return { manifests: adopted.manifests, events: adopted.events, epoch }
  } finally {
    await db.close()
  }
}

/** Puts what belongs to DATA_DIR there, where it is missing; the rest into a folder for its owner. */
const putFiles = async (
  archive: string,
  { folder, dataDir, name }: { folder: string; dataDir: string; name: string },
): Promise<string | null> => {
  const unpacked = path.join(folder, 'unpacked')
  await unpackArchive(createReadStream(archive), unpacked)
  const inside = path.join(unpacked, 'data')
  if (existsSync(inside)) await cp(inside, dataDir, { recursive: true, force: false, errorOnExist: false })
  const outside = path.join(unpacked, 'include')
  if (!existsSync(outside) || (await readdir(outside)).length === 0) return null
  const target = path.join(dataDir, `restored-${name}`)
  await cp(outside, target, { recursive: true })
  return target
}

const refuseOtherClient = (manifest: BackupManifest, client: string): void => {
  if (manifest.client_id !== client)
    throw new AppError('restore_refused', `The backup is of client ${manifest.client_id}, not ${client}.`)
}

/**
 * Unpacks only the files of a backup into a new folder: for a new machine that needs its old secrets first. The folder is
 * there when all of it is. Throws `conflict`, `restore_refused`, `backup_failed`.
 */
export const restoreFiles = async (
  deps: { backup: Destination; client: string; node: string },
  options: { wanted: string; identities: readonly string[]; out: string },
): Promise<{ name: string; manifest: BackupManifest }> => {
  const { name, manifest } = await readBackup(deps.backup, deps.node, options.wanted)
  if (existsSync(options.out)) throw new AppError('conflict', `${options.out} is there already; choose a new folder.`)
  refuseOtherClient(manifest, deps.client)
  await mkdir(options.out, { recursive: true, mode: 0o700 })
  try {
    const place = { node: deps.node, name, manifest }
    const archive = await openBackupFile(deps.backup, place, 'files.tar.age', {
      folder: options.out,
      identities: options.identities,
    })
    await unpackArchive(createReadStream(archive), options.out)
    await rm(archive)
  } catch (error) {
    await rm(options.out, { recursive: true, force: true })
    throw error
  }
  return { name, manifest }
}
