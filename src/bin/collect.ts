import { printsHelp } from './plain-command.ts'
import { serve } from './serve.ts'

const help = `Usage: evothesis collect

  Runs the collector alone, with the pixel and the Segment API, until Ctrl-C or SIGTERM. Beside it runs evothesis worker,
  with the same settings and the same DATA_DIR; evothesis start is both in one process.

Exit code: 0 stopped in order, 1 failed, 2 wrong usage.
`

export const runCollect = async (args: string[]): Promise<number> => (printsHelp(args, help) ? 0 : serve('collect'))
