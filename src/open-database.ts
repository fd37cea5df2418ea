import { findBufferUrl, openBuffer } from './buffer.ts'
import { systemClock as clock } from './clock.ts'
import type { Config } from './config.ts'
import { createDb, type Db } from './db.ts'
import type { Log } from './log.ts'
import { migrate } from './migrate.ts'

/** Commands ask one thing at a time. */
const connectionsMax = 4

/** The database for a command: that of the server which runs on this DATA_DIR or is set, else the embedded one, started. */
export const openDatabase = async (
  config: Config,
  deps: { log: Log; applicationName: string },
): Promise<{ db: Db; close(): Promise<void> }> => {
  const url = await findBufferUrl(config)
  if (url === undefined) {
    const buffer = await openBuffer(config, { clock, ...deps })
    await buffer.ready
    return { db: buffer.db, close: () => buffer.close() }
  }
  const db = createDb({ url, applicationName: deps.applicationName, connectionsMax, clock })
  try {
    await migrate(db, deps.log, { compressAfterDays: config.COMPRESS_AFTER_DAYS })
    return { db, close: () => db.close() }
  } catch (error) {
    await db.close()
    throw error
  }
}
