import { billingCommand } from '../billing/billing-command.ts'
import { loadConfig } from '../config.ts'

export const runBilling = (args: string[]): Promise<number> =>
  billingCommand(args, { config: loadConfig, stdout: process.stdout })
