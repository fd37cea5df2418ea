import { loadConfig } from '../config.ts'
import { exportCommand } from '../export/command.ts'
import { verifyCommand } from '../export/verify-command.ts'

export const runExport = (args: string[]): Promise<number> =>
  exportCommand(args, { config: loadConfig, stdout: process.stdout, stderr: process.stderr })

export const runVerify = (args: string[]): Promise<number> =>
  verifyCommand(args, { config: loadConfig, stdout: process.stdout, stderr: process.stderr }, 'place')
