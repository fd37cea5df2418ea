import { loadConfig } from '../config.ts'
import { exportCommand } from '../export/command.ts'
import { verifyCommand } from '../export/verify-command.ts'
import { warehouseCommand } from '../export/warehouse-command.ts'

export const runExport = (args: string[]): Promise<number> =>
  exportCommand(args, { config: loadConfig, stdout: process.stdout, stderr: process.stderr })

export const runVerify = (args: string[]): Promise<number> =>
  verifyCommand(args, { config: loadConfig, stdout: process.stdout, stderr: process.stderr }, 'place')

export const runWarehouse = async (args: string[]): Promise<number> =>
  warehouseCommand(args, { config: loadConfig, stdout: process.stdout })
