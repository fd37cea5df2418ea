import { findClients } from '../billing/reconcile-bucket.ts'
import { openBackups, reconcilePlace } from '../billing/reconcile-place.ts'
import { systemClock } from '../clock.ts'
import { loadConfig } from '../config.ts'
import { fleetCommand } from '../provisioning/fleet-command.ts'

export const runFleet = (args: string[]): Promise<number> =>
  fleetCommand(args, {
    ...{ config: loadConfig, clock: systemClock, stdout: process.stdout },
    ...{ openBackups, findClients, bill: reconcilePlace },
  })
