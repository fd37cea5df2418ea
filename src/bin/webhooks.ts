import { webhooksCommand } from '../billing/webhooks-command.ts'
import { loadConfig } from '../config.ts'

export const runWebhooks = (args: string[]): Promise<number> =>
  webhooksCommand(args, { config: loadConfig, stdout: process.stdout, stderr: process.stderr })
