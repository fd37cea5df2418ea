import path from 'node:path'
import { createAgentsService } from '../agents/service.ts'
import { createAlerts } from '../alerts/watch.ts'
import { latestBackupMs } from '../appliance/backups.ts'
import { createBillingService } from '../billing/service.ts'
import { createRejectsDelivery } from '../collect/deliver-rejects.ts'
import { createForgetting } from '../collect/forget.ts'
import { spooledOnDisk } from '../collect/spool.ts'
import { createConsole } from '../console/service.ts'
import { clientSites } from '../export/client-sites.ts'
import { createExportService } from '../export/service.ts'
import { createPrivacyService } from '../privacy/service.ts'
import type { Services, ServicesDeps } from './services.ts'

/** Everything behind the buffer: export, billing, webhooks, and what was rejected. */
export const createWorkerServices = ({ buffer, config, clock, log, hashKey, adminToken }: ServicesDeps): Services => {
  const { db } = buffer
  const token = adminToken.reveal()
  const exporting = createExportService({ db, config, clock, log, adminToken: token })
  const { destinations } = exporting
  const backup = destinations.find((one) => one.name === 'backup')
  const billing = createBillingService({ db, config, clock, log, adminToken: token, destinations })
  const stagingFolder = path.join(path.resolve(config.DATA_DIR), 'staging')
  const rejects = (backup ? [backup] : []).map((destination) =>
    createRejectsDelivery({ db, clock, log, nodeId: config.NODE_ID, destination, stagingFolder }),
  )
  const privacy = createPrivacyService({ db, config, clock, hashKey, adminToken: token, destinations })
  const forgetting = createForgetting({
    ...{ db, clock, log, nodeId: config.NODE_ID, stagingFolder },
    spoolRoot: path.join(config.DATA_DIR, 'spool'),
    backup,
  })
  const isForClient = clientSites(config)
  const agents = createAgentsService({ db, config, clock, log, adminToken: token, destinations, isForClient })
  const console = createConsole({ db, config, clock, log, hashKey, adminToken })
  const alerts = createAlerts({
    ...{ db, config, clock, log, adminToken: token },
    spooled: () => spooledOnDisk(path.join(config.DATA_DIR, 'spool')),
    latestBackupMs: backup && (() => latestBackupMs(backup, config.NODE_ID)),
  })
  let stopping = false
  return {
    routes(app) {
      for (const room of [exporting, billing, privacy, agents, alerts, console]) room.routes(app)
    },
    prepare: async () => {},
    startWorking() {
      if (stopping) return
      for (const room of [exporting, billing, privacy, forgetting, agents, alerts, ...rejects]) room.start()
    },
    async finishRequests() {
      stopping = true
      await Promise.all([exporting.exporter.close(), console.close()])
    },
    // Billing and the rejected events use destinations that the exporter closes.
    closers: [alerts, agents, forgetting, ...rejects, billing, exporting].map((room) => () => room.close()),
  }
}
