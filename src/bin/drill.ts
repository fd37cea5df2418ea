import { drillCommand } from '../appliance/drill-command.ts'
import { rederiveStatement } from '../billing/rederive-statement.ts'
import { rederivePart } from '../export/rederive.ts'
import { applianceIo } from './appliance-io.ts'

export const runDrill = (args: string[]): Promise<number> =>
  drillCommand(args, {
    ...applianceIo(),
    rederive: (io, config) => ({
      rederivePart: (db, folder) => rederivePart({ config, clock: io.clock, log: io.log(config) }, db, folder),
      rederiveStatement: (db) => rederiveStatement(db, { clientId: config.CLIENT_ID, nodeId: config.NODE_ID }),
    }),
  })
