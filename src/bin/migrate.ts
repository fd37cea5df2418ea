import { openBuffer } from '../buffer.ts'
import { systemClock } from '../clock.ts'
import { loadConfig } from '../config.ts'
import { createLog } from '../log.ts'

export const runMigrate = async (): Promise<number> => {
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
