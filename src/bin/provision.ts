import { provisionCommand } from '../provisioning/command.ts'

export const runProvision = (args: string[]): Promise<number> => provisionCommand(args, { stdout: process.stdout })
