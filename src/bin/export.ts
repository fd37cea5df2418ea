import { loadConfig } from '../config.ts'
import { exportCommand } from '../export/command.ts'

export const runExport = (args: string[]): Promise<number> =>
  exportCommand(args, { config: loadConfig, stdout: process.stdout, stderr: process.stderr })
