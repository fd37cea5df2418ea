import type { ApplianceIo } from '../appliance/backup-command.ts'
import { systemClock } from '../clock.ts'
import { loadConfig } from '../config.ts'
import { createLog } from '../log.ts'
import { stopRequested } from './signals.ts'

/** What the commands of a machine are given. */
export const applianceIo = (): ApplianceIo => ({
  config: loadConfig,
  clock: systemClock,
  stdout: process.stdout,
  stop: stopRequested,
  log: (config) => createLog(config.LOG_LEVEL),
})
