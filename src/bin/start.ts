import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { openBuffer } from '../buffer.ts'
import { systemClock as clock } from '../clock.ts'
import { loadConfig } from '../config.ts'
import { AppError } from '../errors.ts'
import { createApp } from '../http.ts'
import { createLog } from '../log.ts'
import { ensureSecret } from '../secrets.ts'
import { claimServerFile, refuseSecondServer } from '../server-file.ts'
import { banner } from './banner.ts'
import { closeAll } from './close-all.ts'
import { listen, probePort } from './listen.ts'
import { printsHelp } from './plain-command.ts'
import { createServices } from './services.ts'
import { stopRequested } from './signals.ts'

const help = `Usage: evothesis start

  Runs the collector, the exporter, billing and, where DATABASE_URL is not set, a PostgreSQL in DATA_DIR, until Ctrl-C or
  SIGTERM. Settings come from the environment and .env; .env.example lists them.

Exit code: 0 stopped in order, 1 failed, 2 wrong usage.
`

/** Everything in one process: database, collector, exporter, billing. Stops in reverse order on a signal. */
export const runStart = async (args: string[]): Promise<number> => {
  if (printsHelp(args, help)) return 0
  const config = loadConfig()
  const log = createLog(config.LOG_LEVEL)
  const dataDir = path.resolve(config.DATA_DIR)
  mkdirSync(dataDir, { recursive: true })
  refuseSecondServer(dataDir)
  await probePort(config)
  const stop = stopRequested()
  const hashKey = ensureSecret(config.HASH_KEY, path.join(dataDir, 'secrets', 'hash-key'))
  const adminToken = ensureSecret(config.ADMIN_TOKEN, path.join(dataDir, 'admin-token'))

  // Closed in reverse order, however far the start has come.
  const closers: (() => unknown)[] = []
  let inOrder = true
  try {
    const buffer = await openBuffer(config, { clock, log, applicationName: 'evothesis', owner: true })
    closers.unshift(() => buffer.close())
    const services = createServices({ buffer, config, clock, log, hashKey, adminToken })
    closers.unshift(...services.closers)
    const app = createApp({ log, trustProxy: config.TRUST_PROXY })
    // Both at once: nobody comes in while a run ends, and the requests that wait for the run are answered.
    closers.unshift(() => Promise.all([app.close(), services.stopExports()]))
    services.routes(app)
    await services.startCollecting()
    const address = await listen(app, config)
    const serverFile = claimServerFile(dataDir, address)
    closers.push(() => serverFile.remove())
    void buffer.ready
      .then((isReady) => {
        if (isReady) services.startWorking()
      })
      .catch((error: unknown) => log.error({ err: error }, 'exports and billing could not be started'))
    process.stdout.write(banner({ config, dataDir, address, database: buffer.describe }))
    await stop
    process.stdout.write('Stopping: finishing what was accepted …\n')
  } finally {
    inOrder = await closeAll(closers, log)
  }
  // An error, not only an exit code: it ends the process whatever was left open.
  if (!inOrder) throw new AppError('internal', 'The server could not be stopped in order; its log says why.')
  process.stdout.write('Stopped.\n')
  return 0
}
