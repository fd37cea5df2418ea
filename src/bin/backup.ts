import path from 'node:path'
import { backupCommand } from '../appliance/backup-command.ts'
import { statusKey } from '../appliance/backup-manifest.ts'
import { examine } from '../appliance/doctor.ts'
import { putText } from '../appliance/make-backup.ts'
import { applianceIo } from './appliance-io.ts'

export const runBackup = (args: string[]): Promise<number> =>
  backupCommand(args, {
    ...applianceIo(),
    // So that a fleet sees from its bucket alone how each machine is.
    async afterBackup({ config, clock, db, backup }) {
      const found = await examine({ config, clock, db, destinations: [backup] })
      const staging = path.join(path.resolve(config.DATA_DIR), 'staging')
      await putText(backup, staging, statusKey(config.NODE_ID), JSON.stringify(found, null, 2))
    },
  })
