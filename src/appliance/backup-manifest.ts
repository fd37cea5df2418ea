import { z } from 'zod'
import { AppError, messageOf } from '../errors.ts'

const count = z.number().int().nonnegative()
const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/)

/**
 * What a backup is, readable without its keys: by it a restore is refused before anything is changed, and a fleet is looked
 * after from its bucket alone. Written last: a backup without it does not count. Holds no secret.
 */
export const backupManifestSchema = z.object({
  version: z.literal(1),
  client_id: z.string(),
  node_id: z.string(),
  created_at: z.iso.datetime(),
  producer: z.string(),
  postgres: z.object({ version: z.string(), major: z.number().int().positive() }),
  /** Version of the extension; null on a plain PostgreSQL. */
  timescaledb: z.string().nullable(),
  /** The last migration. */
  migration: z.number().int().nonnegative(),
  epoch: z.string(),
  /** Rows of every table, in the same snapshot as the dump. */
  tables: z.record(z.string(), count),
  /** As they lie in the bucket, and what they hold once they are decrypted. */
  files: z.array(
    z.object({
      name: z.enum(['database.dump.age', 'files.tar.age']),
      bytes: count,
      sha256: sha256Hex,
      plain_bytes: count,
      plain_sha256: sha256Hex,
    }),
  ),
  recipients: z.array(z.string()),
  /** How long it took, in milliseconds. */
  duration_ms: count,
})
export type BackupManifest = z.infer<typeof backupManifestSchema>
export type BackupFile = BackupManifest['files'][number]

/** Throws `backup_failed` for what is no manifest. */
export const parseBackupManifest = (text: string, key: string): BackupManifest => {
  try {
    return backupManifestSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new AppError('backup_failed', `${key} is not the manifest of a backup: ${messageOf(cause)}`, { cause })
  }
}

/** Backups lie beside the delivered files in the backup destination; names sort by age. */
export const backupsPrefix = 'backups/'
export const backupKey = (node: string, name: string, file: string): string => `${backupsPrefix}${node}/${name}/${file}`
export const backupName = (createdMs: number): string =>
  new Date(createdMs).toISOString().replace(/\.\d+/, '').replaceAll(/[-:]/g, '')
export const drillKey = (node: string, atMs: number): string =>
  `${backupsPrefix}${node}/drills/${backupName(atMs)}.json`
export const statusKey = (node: string): string => `${backupsPrefix}${node}/status.json`

const pattern = /^backups\/([a-z0-9_]+)\/(\d{8}T\d{6}Z)\/([\w.-]+)$/

/** What a key says; undefined for anything else. */
export const parseBackupKey = (key: string): { node: string; name: string; file: string } | undefined => {
  const [, node, name, file] = pattern.exec(key) ?? []
  return node !== undefined && name !== undefined && file !== undefined ? { node, name, file } : undefined
}
