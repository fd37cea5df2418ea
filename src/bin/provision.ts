import { z } from 'zod'
import { rulesSchema } from '../export/rules.ts'
import { provisionCommand } from '../provisioning/command.ts'

export const runProvision = (args: string[]): Promise<number> =>
  provisionCommand(args, {
    stdout: process.stdout,
    rulesProblem(rules) {
      const checked = rulesSchema.safeParse(rules)
      return checked.success ? null : z.prettifyError(checked.error)
    },
  })
