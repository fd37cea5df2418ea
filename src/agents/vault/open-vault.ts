import path from 'node:path'
import type { Clock } from '../../clock.ts'
import type { Config } from '../../config.ts'
import type { Db } from '../../db.ts'
import type { Log } from '../../log.ts'
import type { Destination } from '../../storage/destination.ts'
import { openNarrator } from '../narrate/open-narrator.ts'
import { openVaultFolder } from './folder.ts'
import { createVault, type Vault } from './vault.ts'

/** The vault as the settings say. Throws `setting_invalid` for AGENTS=on without a key. */
export const openVault = (deps: {
  db: Db
  config: Config
  clock: Clock
  log: Log
  destinations: readonly Destination[]
  pauseMs: number
  filesAtOnce?: number
  isForClient?: ((siteId: string) => boolean) | undefined
}): Vault => {
  const { config } = deps
  const destination = deps.destinations.find(({ name }) => name === 'client')
  if (!destination) throw new Error('there is no destination of the client')
  return createVault({
    ...{ db: deps.db, clock: deps.clock, log: deps.log, destination, pauseMs: deps.pauseMs },
    folder: openVaultFolder(config.VAULT_DIR ?? path.join(config.DATA_DIR, 'vault')),
    ...{ nodeId: config.NODE_ID, timeZone: config.BILLING_TIMEZONE, customersMax: config.PROFILE_NOTES_MAX },
    ...{ keepDays: config.NOTES_RETENTION_DAYS, isForClient: deps.isForClient, filesAtOnce: deps.filesAtOnce },
    narrator: config.AGENTS === 'off' ? null : openNarrator(deps),
    writer: `${config.AGENTS_MODEL} ${config.AGENTS_EFFORT}`,
  })
}
