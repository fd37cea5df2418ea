import { openBuffer } from '../buffer.ts'
import { systemClock } from '../clock.ts'
import { loadConfig } from '../config.ts'
import { createLog } from '../log.ts'
import { printsHelp } from './plain-command.ts'

const help = `Usage: evothesis migrate

  Brings the database of DATABASE_URL to the version of this program; without one, the embedded PostgreSQL of DATA_DIR.
  A server may run meanwhile. evothesis start does the same at its beginning.

Exit code: 0 up to date, 1 failed, 2 wrong usage.
`

export const runMigrate = async (args: string[]): Promise<number> => {
  if (printsHelp(args, help)) return 0
  const config = loadConfig()
  const buffer = await openBuffer(config, {
    clock: systemClock,
    log: createLog(config.LOG_LEVEL),
    applicationName: 'evothesis migrate',
  })
  try {
    await buffer.ready
    process.stdout.write(`${buffer.describe} is up to date.\n`)
    return 0
  } finally {
    await buffer.close()
  }
}
