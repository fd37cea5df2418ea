import { loadConfig } from '../config.ts'
import { forgetCommand, privacyCommand } from '../privacy/command.ts'

export const runForget = (args: string[]): Promise<number> =>
  forgetCommand(args, { config: loadConfig, stdout: process.stdout, stderr: process.stderr })

export const runPrivacy = (args: string[]): Promise<number> =>
  privacyCommand(args, { config: loadConfig, stdout: process.stdout, stderr: process.stderr })
