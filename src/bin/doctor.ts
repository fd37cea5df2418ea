import { doctorCommand } from '../appliance/doctor-command.ts'
import { applianceIo } from './appliance-io.ts'

export const runDoctor = (args: string[]): Promise<number> => doctorCommand(args, applianceIo())
