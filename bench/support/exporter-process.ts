import { systemClock } from '../../src/clock.ts'
import { createDb } from '../../src/db.ts'
import { createTestExporter } from '../../test/support/exporter.ts'

/** Exports all that waits, once, in a process of its own, as a worker does beside a collector. Sends the number of events. */
const { DATABASE_URL: url = '', DATA_DIR = '', EXPORT_FORMAT = 'json' } = process.env
const db = createDb({ url, applicationName: 'bench export', connectionsMax: 6, clock: systemClock })
const service = createTestExporter(db, { DATA_DIR, EXPORT_FORMAT })
const { events } = await service.exporter.run()
process.send?.({ events })
await service.close()
await db.close()
process.disconnect()
