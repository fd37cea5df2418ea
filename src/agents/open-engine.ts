import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Db } from '../db.ts'
import { createKeyedHash } from '../keyed-hash.ts'
import type { Log } from '../log.ts'
import { ensureHashKey } from '../secrets.ts'
import { loadFunnels } from './funnel-file.ts'
import { createEngine, type Engine, type EngineDeps } from './run.ts'
import { loadSegments } from './segment-file.ts'
import { createCustomerKey } from './segments.ts'

/** The engine as the settings say. Throws `setting_invalid` for funnels or segments that cannot be read. */
export const openEngine = (deps: {
  db: Db
  config: Config
  clock: Clock
  log: Log
  pauseMs: number
  stepEvents?: number
  sitesAtOnce?: number
  forgetNotes: EngineDeps['forgetNotes']
}): Engine => {
  const { config } = deps
  loadFunnels(config.DATA_DIR)
  loadSegments(config.DATA_DIR)
  return createEngine({
    ...{ db: deps.db, clock: deps.clock, log: deps.log, pauseMs: deps.pauseMs, timeZone: config.BILLING_TIMEZONE },
    ...{ clientId: config.CLIENT_ID, nodeId: config.NODE_ID, keepDays: config.PROFILE_RETENTION_DAYS },
    sessionTimeoutMs: config.SESSION_TIMEOUT_MINUTES * 60_000,
    ...(deps.stepEvents !== undefined && { stepEvents: deps.stepEvents }),
    ...(deps.sitesAtOnce !== undefined && { sitesAtOnce: deps.sitesAtOnce }),
    customersMax: config.PROFILE_NOTES_MAX,
    customerKey: createCustomerKey(createKeyedHash(ensureHashKey(config))),
    forgetNotes: deps.forgetNotes,
    funnels: () => loadFunnels(config.DATA_DIR),
    segments: () => loadSegments(config.DATA_DIR),
  })
}
