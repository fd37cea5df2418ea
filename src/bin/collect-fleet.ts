import cluster, { type Worker } from 'node:cluster'
import type { Clock } from '../clock.ts'
import { AppError } from '../errors.ts'
import type { Log } from '../log.ts'
import { backoffMs } from '../retry.ts'
import { type FleetOrder, lifeOf } from './collect-process.ts'

export type CollectFleet = {
  /** Resolves to the address for people once the first collector listens. Throws what kept it from listening. */
  start(order: FleetOrder): Promise<string>
  /** Those that are there now. */
  collectors(): Worker[]
  /** Resolves when every collector has finished what it accepted. */
  close(): Promise<void>
}

const restartDelays = { firstMs: 200, maxMs: 10_000 }
/** A fleet of which nobody ever listened is given up. */
const firstDeathsMax = 5

/**
 * Several collectors on one port, each a process with a spool and database connections of its own: the same command,
 * started again as workers of a cluster. One that dies is replaced; what it had in its spool is taken over by the others,
 * also when there are fewer of them next time. What is no collector's business they forward to `upstream`, the HTTP server
 * of this process.
 */
export const createCollectFleet = (size: number, { clock, log }: { clock: Clock; log: Log }): CollectFleet => {
  // Requests live as long as a commit takes: room for them among the young saves a seventh of the CPU time.
  cluster.setupPrimary({ execArgv: [...process.execArgv, '--max-semi-space-size=64'] })
  const stopping = new AbortController()
  const lives: Promise<void>[] = []
  let hasListened = false

  /** One place in the fleet, and those who take it one after the other. */
  const fill = async (order: FleetOrder, onListening: (address: string) => void): Promise<void> => {
    for (let deaths = 0; !stopping.signal.aborted; deaths++) {
      const bornMs = clock.now()
      const child = cluster.fork()
      const failed = await lifeOf(child, order, (address) => {
        hasListened = true
        onListening(address)
      })
      if (stopping.signal.aborted) return
      if (!hasListened && (failed !== undefined || deaths === firstDeathsMax))
        throw new AppError('internal', failed ?? 'The collector processes end as soon as they begin.')
      log.error({ pid: child.process.pid, reason: failed }, 'a collector process ended; another takes its place')
      if (clock.now() - bornMs > restartDelays.maxMs) deaths = 0
      await clock.sleep(backoffMs(deaths, restartDelays), stopping.signal)
    }
  }

  return {
    start: (order) =>
      new Promise((resolve, reject) => {
        for (let n = 0; n < size; n++) lives.push(fill(order, resolve).catch(reject))
      }),
    collectors: present,
    async close() {
      stopping.abort()
      for (const child of present()) child.process.kill('SIGTERM')
      await Promise.all(lives)
    },
  }
}

const present = (): Worker[] => Object.values(cluster.workers ?? {}).filter((one) => one !== undefined)
