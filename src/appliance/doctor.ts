import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Db } from '../db.ts'
import type { Destination } from '../storage/destination.ts'
import { producerVersion } from '../types.ts'
import type { Check } from './check.ts'
import { checkDatabase } from './check-database.ts'
import { checkHost, type HostReport } from './check-host.ts'
import { checkCertificate, checkClock, checkDisk, checkSpool } from './check-machine.ts'
import { checkBackups, checkDestination } from './check-storage.ts'

export type Examination = {
  version: 1
  client_id: string
  node_id: string
  at: string
  producer: string
  /** No check failed. */
  ok: boolean
  checks: Check[]
}

/** Examines a machine: everything at once, nothing changed but a small object that comes and goes in each destination. */
export const examine = async (
  deps: { config: Config; clock: Clock; db: Db | undefined; destinations: readonly Destination[] },
  host?: HostReport,
): Promise<Examination> => {
  const { config, clock, db, destinations } = deps
  const nowMs = clock.now()
  const backup = destinations.find((one) => one.name === 'backup')
  const checks = await Promise.all([
    checkDisk(config).then(one),
    checkClock(config, clock.now).then(one),
    checkCertificate(config, nowMs).then(one),
    db ? checkDatabase(db, config, nowMs) : noDatabase,
    checkSpool(config, nowMs).then(one),
    ...destinations.map((destination) => checkDestination(destination, config).then(one)),
    backup ? checkBackups(backup, config, nowMs) : [],
    checkHost(host),
  ])
  const all = checks.flat()
  return {
    ...{ version: 1, client_id: config.CLIENT_ID, node_id: config.NODE_ID, at: new Date(nowMs).toISOString() },
    ...{ producer: `evothesis ${producerVersion}`, ok: all.every((check) => check.state !== 'fail'), checks: all },
  }
}

const one = (check: Check): Check[] => [check]
const noDatabase: Check[] = [
  { name: 'database', state: 'fail', found: 'none runs', advice: 'Start the server, or set DATABASE_URL.' },
]
