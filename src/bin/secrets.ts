import path from 'node:path'
import type { Config } from '../config.ts'
import type { Secret } from '../secret.ts'
import { ensureHashKey, ensureSecret } from '../secrets.ts'

/** The secrets that are made when none are set, in DATA_DIR. */
export const ensureSecrets = (config: Config): { hashKey: Secret; adminToken: Secret } => ({
  hashKey: ensureHashKey(config),
  adminToken: ensureSecret(config.ADMIN_TOKEN, path.join(path.resolve(config.DATA_DIR), 'admin-token')),
})
