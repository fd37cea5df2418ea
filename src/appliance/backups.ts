import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AppError } from '../errors.ts'
import { type Destination, readText } from '../storage/destination.ts'
import {
  type BackupFile,
  type BackupManifest,
  backupKey,
  backupsPrefix,
  parseBackupKey,
  parseBackupManifest,
} from './backup-manifest.ts'

const dayMs = 86_400_000

export type FoundBackup = { name: string; isWhole: boolean }

/** The backups of a node in a destination, oldest first; whole are those with a manifest. */
export const listBackups = async (backup: Destination, node: string): Promise<FoundBackup[]> => {
  const found = new Map<string, boolean>()
  for await (const { key } of backup.list(`${backupsPrefix}${node}/`)) {
    const parsed = parseBackupKey(key)
    if (parsed?.node === node)
      found.set(parsed.name, found.get(parsed.name) === true || parsed.file === 'manifest.json')
  }
  return [...found].map(([name, isWhole]) => ({ name, isWhole })).sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** When the latest whole backup of a node was made; undefined when there is none. */
export const latestBackupMs = async (backup: Destination, node: string): Promise<number | undefined> => {
  const latest = (await listBackups(backup, node)).filter((one) => one.isWhole).at(-1)
  return latest && Date.parse(latest.name.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
}

/** The manifest of a backup by its name, or of the `latest`. Throws `not_found`, `backup_failed`, `restore_refused`. */
export const readBackup = async (
  backup: Destination,
  node: string,
  wanted: string,
): Promise<{ name: string; manifest: BackupManifest }> => {
  const whole = (await listBackups(backup, node)).filter((one) => one.isWhole)
  const found = wanted === 'latest' ? whole.at(-1) : whole.find((one) => one.name === wanted)
  const there = whole.map((one) => one.name).join(', ') || 'none'
  if (!found)
    throw new AppError('not_found', `${backup.identity} holds no such backup of node ${node}; there are: ${there}.`)
  const key = backupKey(node, found.name, 'manifest.json')
  const stream = await backup.read(key)
  if (!stream) throw new AppError('backup_failed', `${key} was listed, but is not there.`)
  const manifest = parseBackupManifest(await readText(stream), key)
  if (manifest.node_id !== node)
    throw new AppError('restore_refused', `${key} is of node ${manifest.node_id}: it was moved here.`)
  return { name: found.name, manifest }
}

/** Brings a file of a backup to the local disk, and compares it with its manifest. Throws `backup_failed`. */
export const fetchBackupFile = async (
  backup: Destination,
  place: { node: string; name: string },
  file: BackupFile,
  target: string,
): Promise<void> => {
  const key = backupKey(place.node, place.name, file.name)
  const stream = await backup.read(key)
  if (!stream) throw new AppError('backup_failed', `${key} is missing, though its manifest is there.`)
  const hash = createHash('sha256')
  const hashing = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      done(null, chunk)
    },
  })
  await pipeline(stream, hashing, createWriteStream(target, { mode: 0o600 }))
  if (hash.digest('hex') !== file.sha256)
    throw new AppError('backup_failed', `${key} has other bytes than its manifest says: it was changed.`)
}

/**
 * Removes backups that are older than they are kept, and what a broken one left; the latest whole one always stays. Answers
 * the names of those that were removed.
 */
export const pruneBackups = async (
  backup: Destination,
  node: string,
  { keepDays, nowMs }: { keepDays: number; nowMs: number },
): Promise<string[]> => {
  const all = await listBackups(backup, node)
  const latest = all.filter((one) => one.isWhole).at(-1)
  const old = all.filter(({ name, isWhole }) => {
    const ageMs = nowMs - madeMs(name)
    // A broken one may be one that is being made.
    return name !== latest?.name && (ageMs > keepDays * dayMs || (!isWhole && ageMs > dayMs))
  })
  // The manifest first: what is left of it then counts as broken, not as whole.
  for (const { name } of old)
    for (const file of ['manifest.json', 'database.dump.age', 'files.tar.age'])
      await backup.remove(backupKey(node, name, file))
  return old.map((one) => one.name)
}

/** When a backup was begun, in milliseconds since 1970, by its name. */
export const madeMs = (name: string): number =>
  Date.parse(name.replace(/^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/, '$1-$2-$3T$4:$5:$6Z'))
