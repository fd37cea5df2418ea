import type { Clock } from '../clock.ts'
import { fleetMetricsRoutes } from '../collect/fleet-metrics.ts'
import type { Config } from '../config.ts'
import type { App } from '../http.ts'
import type { Log } from '../log.ts'
import type { Secret } from '../secret.ts'
import type { ServerRole } from '../server-file.ts'
import { createCollectFleet } from './collect-fleet.ts'
import { listen } from './listen.ts'

/** Where requests come in: this process, or several collectors that forward to it what is not theirs. */
export type Front = {
  /** What is left for this process to do. */
  ownRoles: readonly ServerRole[]
  trustProxy: boolean | string
  routes(app: App): void
  /** Resolves to the address for people and commands. */
  listen(app: App, databaseUrl: string): Promise<string>
  /** Nobody comes in any more, and all who did are answered. */
  close(app: App): Promise<unknown>
}

export const createFront = (deps: {
  config: Config
  roles: readonly ServerRole[]
  adminToken: Secret
  clock: Clock
  log: Log
}): Front => {
  const { config, roles } = deps
  if (config.COLLECT_WORKERS === 1 || !roles.includes('collect'))
    return {
      ...{ ownRoles: roles, trustProxy: config.TRUST_PROXY, routes() {} },
      listen: (app) => listen(app, config),
      close: (app) => app.close(),
    }
  const fleet = createCollectFleet(config.COLLECT_WORKERS, deps)
  return {
    ownRoles: roles.filter((role) => role !== 'collect'),
    // The collectors on this machine say for whom they ask.
    trustProxy: 'loopback',
    routes: fleetMetricsRoutes({ ...deps, collectors: () => fleet.collectors() }),
    async listen(app, databaseUrl) {
      const upstream = await app.listen({ host: '127.0.0.1', port: 0 })
      return fleet.start({ databaseUrl, upstream })
    },
    close: (app) => Promise.all([fleet.close(), app.close()]),
  }
}
