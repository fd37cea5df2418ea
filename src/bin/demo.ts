import { loadConfig } from '../config.ts'
import { demoTraffic } from '../demo/command.ts'
import { AppError } from '../errors.ts'
import { findServer } from '../server-file.ts'

export const runDemo = async (args: string[]): Promise<number> => {
  const [what, ...rest] = args
  if (what !== 'traffic') throw new AppError('usage_invalid', 'Usage: evothesis demo traffic [options]; see --help.')
  const config = loadConfig()
  const url = findServer(config.DATA_DIR)?.address ?? `http://localhost:${config.PORT}`
  return demoTraffic(rest, { stdout: process.stdout, stderr: process.stderr, url })
}
