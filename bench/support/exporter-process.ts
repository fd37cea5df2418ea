import { once } from 'node:events'
import { systemClock } from '../../src/clock.ts'
import { createDb } from '../../src/db.ts'
import { createTestExporter } from '../../test/support/exporter.ts'

/**
 * Exports all that waits, once, in a process of its own, as a worker does beside a collector: says that it is up, begins
 * when it is told to, and sends the number of events.
 */
const { DATABASE_URL: url = '', DATA_DIR = '', EXPORT_FORMAT = 'json' } = process.env
const db = createDb({ url, applicationName: 'bench export', connectionsMax: 6, clock: systemClock })
const service = createTestExporter(db, { DATA_DIR, EXPORT_FORMAT })
process.send?.('up')
await once(process, 'message')
const { events } = await service.exporter.run()
process.send?.({ events })
await service.close()
await db.close()
process.disconnect()
