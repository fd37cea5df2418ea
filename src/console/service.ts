import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Db } from '../db.ts'
import type { App } from '../http.ts'
import { createKeyedHash } from '../keyed-hash.ts'
import type { Log } from '../log.ts'
import type { Secret } from '../secret.ts'
import { builtFolder } from '../static-files.ts'
import { loginRoutes } from './login-routes.ts'
import { openApiRoutes } from './openapi-routes.ts'
import { pageRoutes } from './page-routes.ts'
import { pictureRoutes } from './picture-routes.ts'
import { registerReads } from './read-route.ts'
import { readRoutes } from './reads/all.ts'
import { createHub } from './stream/hub.ts'
import { streamRoutes } from './stream/stream-routes.ts'

export type ConsoleDeps = {
  db: Db
  config: Config
  clock: Clock
  log: Log
  hashKey: Secret
  adminToken: Secret
  /** Where the build lies. */
  folder?: string
}

/** What people look at: the page at /console/, its logins, and what it reads. */
export const createConsole = (deps: ConsoleDeps) => {
  const { config } = deps
  const hub = createHub(deps)
  return {
    routes(app: App): void {
      pageRoutes(app, deps.folder ?? builtFolder('console-page'))
      openApiRoutes(app)
      pictureRoutes(app, { config, adminToken: deps.adminToken.reveal() })
      streamRoutes(app, { hub, adminToken: deps.adminToken.reveal() })
      registerReads(app, { ...deps, adminToken: deps.adminToken.reveal() }, readRoutes)
      loginRoutes(app, {
        ...{ ...deps, keyedHash: createKeyedHash(deps.hashKey) },
        ...{ clientId: config.CLIENT_ID, nodeId: config.NODE_ID },
      })
    },
    hub,
    /** Ends the streams: a server that stops waits for its requests. */
    close: () => hub.close(),
  }
}
