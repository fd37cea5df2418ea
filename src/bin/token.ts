import { tokenCommand } from '../access/token-command.ts'
import { loadConfig } from '../config.ts'

export const runToken = (args: string[]): Promise<number> =>
  tokenCommand(args, { config: loadConfig, stdout: process.stdout, stderr: process.stderr })
