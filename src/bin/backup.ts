import { backupCommand } from '../appliance/backup-command.ts'
import { applianceIo } from './appliance-io.ts'

export const runBackup = (args: string[]): Promise<number> => backupCommand(args, applianceIo())
