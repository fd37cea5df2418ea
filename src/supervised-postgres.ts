import type { Clock } from './clock.ts'
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.ts'
import { messageOf } from './errors.ts'
import type { Log } from './log.ts'
import { backoffMs } from './retry.ts'

const lookMs = 200
const restartDelays = { firstMs: 200, maxMs: 15_000 }
/** A server that ran so long ended for another reason than its restart. */
const steadyMs = 60_000

/**
 * The embedded PostgreSQL, kept running until `stop`: when it ends by itself (killed for its memory, by hand), it is
 * started again on the same port, where the pools look for it. Its process is looked at rather than waited for, because
 * an adopted one is not our child.
 */
export const superviseEmbeddedPostgres = async (
  dataDir: string,
  { clock, log }: { clock: Clock; log: Log },
): Promise<EmbeddedPostgres> => {
  let server = await startEmbeddedPostgres(dataDir)
  const { url, port, started } = server
  const stopping = new AbortController()

  const restart = async (): Promise<void> => {
    const next = await startEmbeddedPostgres(dataDir, port)
    // A command found none and started one of its own; our pools cannot know its port.
    if (next.port !== port) await next.stop()
    else server = next
  }
  const supervise = async (): Promise<void> => {
    let tries = 0
    let sinceMs = clock.now()
    while (!stopping.signal.aborted) {
      await clock.sleep(lookMs, stopping.signal)
      if (stopping.signal.aborted || server.isRunning()) continue
      if (clock.now() - sinceMs > steadyMs) tries = 0
      log.error({ tries }, 'the embedded PostgreSQL has ended; starting it again')
      await clock.sleep(backoffMs(tries++, restartDelays), stopping.signal)
      if (stopping.signal.aborted) return
      try {
        await restart()
      } catch (error) {
        log.error({ err: error }, `the embedded PostgreSQL could not be started again: ${messageOf(error)}`)
      }
      sinceMs = clock.now()
    }
  }
  const supervision = supervise()

  return {
    url,
    port,
    started,
    isRunning: () => server.isRunning(),
    async stop() {
      stopping.abort()
      await supervision
      await server.stop()
    },
  }
}
