import { printsHelp } from './plain-command.ts'
import { serve } from './serve.ts'

const help = `Usage: evothesis start

  Runs the collector, the exporter, billing and, where DATABASE_URL is not set, a PostgreSQL in DATA_DIR, until Ctrl-C or
  SIGTERM. Settings come from the environment and .env; .env.example lists them.

Exit code: 0 stopped in order, 1 failed, 2 wrong usage.
`

/** Everything in one process: what collect and worker do in one each. */
export const runStart = async (args: string[]): Promise<number> =>
  printsHelp(args, help) ? 0 : serve('collect', 'worker')
