import { loadConfig } from '../config.ts'
import { demoTraffic } from '../demo/command.ts'
import { AppError } from '../errors.ts'
import { findServer } from '../server-file.ts'

const help = `Usage: evothesis demo traffic [options]

  traffic   Sends visits of a made-up shop to a collector; see evothesis demo traffic --help.
`

export const runDemo = async (args: string[]): Promise<number> => {
  const [what, ...rest] = args
  if (what === '--help' || what === '-h') {
    process.stdout.write(help)
    return 0
  }
  if (what !== 'traffic') throw new AppError('usage_invalid', help)
  const config = loadConfig()
  const url = findServer(config.DATA_DIR, 'collect')?.address ?? `http://localhost:${config.PORT}`
  return demoTraffic(rest, { stdout: process.stdout, stderr: process.stderr, url })
}
