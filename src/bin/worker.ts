import { printsHelp } from './plain-command.ts'
import { serve } from './serve.ts'

const help = `Usage: evothesis worker

  Runs what lies behind the buffer, until Ctrl-C or SIGTERM: export, billing, webhooks and their admin API on PORT. Beside it
  runs evothesis collect, with the same settings, another PORT and the same DATA_DIR; evothesis start is both in one process.

Exit code: 0 stopped in order, 1 failed, 2 wrong usage.
`

export const runWorker = async (args: string[]): Promise<number> => (printsHelp(args, help) ? 0 : serve('worker'))
