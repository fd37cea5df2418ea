import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Config } from './config.ts'
import { type Secret, secret } from './secret.ts'

/**
 * A secret that is generated once: the configured one, else the content of `file`, else 32 random bytes that are written
 * there, readable by the owner only. Two processes that start at once agree, because the file is created exclusively.
 */
export const ensureSecret = (configured: Secret | undefined, file: string): Secret => {
  if (configured) return configured
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
  try {
    writeFileSync(file, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    chmodSync(file, 0o600)
  }
  return secret(readFileSync(file, 'utf8').trim())
}

/** The client's HASH_KEY, made when none is set; the same for whoever runs on this DATA_DIR. */
export const ensureHashKey = (config: Config): Secret =>
  ensureSecret(config.HASH_KEY, path.join(path.resolve(config.DATA_DIR), 'secrets', 'hash-key'))
