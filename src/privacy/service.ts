import path from 'node:path'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Db } from '../db.ts'
import type { App } from '../http.ts'
import { createKeyedHash } from '../keyed-hash.ts'
import type { Secret } from '../secret.ts'
import type { Destination } from '../storage/destination.ts'
import { removeLeftAccess } from './access.ts'
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
  const { config, hashKey, clock } = deps
  const scratchFolder = path.join(path.resolve(config.DATA_DIR), 'scratch')
  return {
    start: (): void => void removeLeftAccess(scratchFolder, clock.now()).catch(() => undefined),
    routes: (app: App): void =>
      privacyRoutes(app, {
        ...deps,
        keyedHash: createKeyedHash(hashKey),
        scratchFolder,
        memoryMb: config.ENCODE_MEMORY_MB,
      }),
  }
}
