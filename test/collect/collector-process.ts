import type { AddressInfo } from 'node:net'
import { systemClock } from '../../src/clock.ts'
import { createCollector } from '../../src/collect/collector.ts'
import { loadConfig } from '../../src/config.ts'
import { createDb } from '../../src/db.ts'
import { createApp } from '../../src/http.ts'
import { createLog } from '../../src/log.ts'
import { secret } from '../../src/secret.ts'

/** A collector in a process of its own, to be killed. Sends `{port}` to its parent when it listens. */
const config = loadConfig(process.env, '/nonexistent')
const log = createLog(config.LOG_LEVEL)
const db = createDb({
  ...{ url: config.DATABASE_URL?.reveal() ?? '', applicationName: 'collect', connectionsMax: 4, clock: systemClock },
  answerTimeoutMs: 5_000,
})
const hashKey = secret('test-hash-key')
const collector = createCollector({
  db,
  config,
  clock: systemClock,
  log,
  hashKey,
  adminToken: hashKey,
  commitMsMax: 1_000,
})
const app = createApp({ log, trustProxy: false })
collector.routes(app)
await collector.start()
await app.listen({ port: 0, host: '127.0.0.1' })
process.send?.({ port: (app.server.address() as AddressInfo).port })
process.once('SIGTERM', async () => {
  await app.close()
  await collector.close()
  await db.close()
  process.disconnect()
})
