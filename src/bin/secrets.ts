import path from 'node:path'
import type { Config } from '../config.ts'
import type { Secret } from '../secret.ts'
import { ensureSecret } from '../secrets.ts'

/** The secrets that are made when none are set, in DATA_DIR. */
export const ensureSecrets = (config: Config): { hashKey: Secret; adminToken: Secret } => {
  const dataDir = path.resolve(config.DATA_DIR)
  return {
    hashKey: ensureSecret(config.HASH_KEY, path.join(dataDir, 'secrets', 'hash-key')),
    adminToken: ensureSecret(config.ADMIN_TOKEN, path.join(dataDir, 'admin-token')),
  }
}
