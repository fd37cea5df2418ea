import { systemClock } from '../../src/clock.ts'
import { createDb } from '../../src/db.ts'
import { createTestExporter } from '../../test/support/exporter.ts'

/**
 * An exporter in a process of its own, as a worker is beside a collector: says that it is up, exports all that waits whenever
 * it is asked to, and answers with the number of events. Ends with its parent's connection.
 */
const { DATABASE_URL: url = '', DATA_DIR = '', EXPORT_FORMAT = 'json' } = process.env
const db = createDb({ url, applicationName: 'bench export', connectionsMax: 6, clock: systemClock })
const service = createTestExporter(db, { DATA_DIR, EXPORT_FORMAT })
process.on('message', async () => {
  const { events } = await service.exporter.run()
  process.send?.(events)
})
process.once('disconnect', async () => {
  await service.close()
  await db.close()
})
process.send?.('up')
