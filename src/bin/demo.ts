import { demoTraffic } from '../demo/command.ts'
import { AppError } from '../errors.ts'

export const runDemo = async (args: string[]): Promise<number> => {
  const [what, ...rest] = args
  if (what !== 'traffic') throw new AppError('usage_invalid', 'Usage: evothesis demo traffic [options]; see --help.')
  return demoTraffic(rest, { stdout: process.stdout, stderr: process.stderr })
}
