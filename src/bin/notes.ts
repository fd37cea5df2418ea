import { notesCommand } from '../agents/notes-command.ts'
import { loadConfig } from '../config.ts'
import { clientSites } from '../export/client-sites.ts'

export const runNotes = (args: string[]): Promise<number> =>
  notesCommand(args, { config: loadConfig, clientSites, stdout: process.stdout, stderr: process.stderr })
