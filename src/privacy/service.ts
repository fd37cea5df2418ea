import path from 'node:path'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Db } from '../db.ts'
import type { App } from '../http.ts'
import { createKeyedHash } from '../keyed-hash.ts'
import type { Secret } from '../secret.ts'
import type { Destination } from '../storage/destination.ts'
import { privacyRoutes } from './routes.ts'

/** Requests of people about their data: access, portability, erasure. */
export const createPrivacyService = (deps: {
  db: Db
  config: Config
  clock: Clock
  hashKey: Secret
  adminToken: string
  destinations: readonly Destination[]
}) => {
  const { config, hashKey } = deps
  return {
    routes: (app: App): void =>
      privacyRoutes(app, {
        ...deps,
        keyedHash: createKeyedHash(hashKey),
        scratchFolder: path.join(path.resolve(config.DATA_DIR), 'scratch'),
        memoryMb: config.ENCODE_MEMORY_MB,
      }),
  }
}
