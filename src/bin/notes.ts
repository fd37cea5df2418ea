import { notesCommand } from '../agents/notes-command.ts'
import { loadConfig } from '../config.ts'

export const runNotes = (args: string[]): Promise<number> =>
  notesCommand(args, { config: loadConfig, stdout: process.stdout, stderr: process.stderr })
