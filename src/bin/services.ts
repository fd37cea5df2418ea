import type { Buffer } from '../buffer.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { App } from '../http.ts'
import type { Log } from '../log.ts'
import type { Secret } from '../secret.ts'

export type ServicesDeps = {
  buffer: Buffer
  config: Config
  clock: Clock
  log: Log
  hashKey: Secret
  adminToken: Secret
  /** True in one of several collectors on a port: their parent answers for all what is no collector's business. */
  isOneOfSeveral?: boolean
}

/** The rooms of one role in one process. */
export type Services = {
  routes(app: App): void
  /** Before anyone is let in. */
  prepare(): Promise<void>
  /** Work in the background, once the database is ready. Does nothing once the process stops: such a loop would never end. */
  startWorking(): void
  /**
   * Ends what a request may wait for, in good order, and the request is answered. Beside the closing of the HTTP server,
   * which waits for its requests.
   */
  finishRequests(): Promise<void>
  /** In this order. */
  closers: (() => unknown)[]
}
