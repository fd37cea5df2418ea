import { restoreCommand } from '../appliance/restore-command.ts'
import { createExportService } from '../export/service.ts'
import { applianceIo } from './appliance-io.ts'

export const runRestore = (args: string[]): Promise<number> => {
  const io = applianceIo()
  return restoreCommand(args, {
    ...io,
    adopt:
      ({ config, log }) =>
      async (db) => {
        const service = createExportService({ db, config, clock: io.clock, log, adminToken: '' })
        try {
          return await service.adopt()
        } finally {
          await service.close()
        }
      },
  })
}
