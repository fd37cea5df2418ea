import path from 'node:path'
import { createAgentsService } from '../agents/service.ts'
import { createBillingService } from '../billing/service.ts'
import { createRejectsDelivery } from '../collect/deliver-rejects.ts'
import { createForgetting } from '../collect/forget.ts'
import { createExportService } from '../export/service.ts'
import { createPrivacyService } from '../privacy/service.ts'
import type { Services, ServicesDeps } from './services.ts'

/** Everything behind the buffer: export, billing, webhooks, and what was rejected. */
export const createWorkerServices = ({ buffer, config, clock, log, hashKey, adminToken }: ServicesDeps): Services => {
  const { db } = buffer
  const token = adminToken.reveal()
  const exporting = createExportService({ db, config, clock, log, adminToken: token })
  const { destinations } = exporting
  const billing = createBillingService({ db, config, clock, log, adminToken: token, destinations })
  const stagingFolder = path.join(path.resolve(config.DATA_DIR), 'staging')
  const rejects = destinations
    .filter((one) => one.name === 'backup')
    .map((destination) => createRejectsDelivery({ db, clock, log, nodeId: config.NODE_ID, destination, stagingFolder }))
  const privacy = createPrivacyService({ db, config, clock, hashKey, adminToken: token, destinations })
  const forgetting = createForgetting({
    ...{ db, clock, log, nodeId: config.NODE_ID, stagingFolder },
    spoolRoot: path.join(config.DATA_DIR, 'spool'),
    backup: destinations.find((one) => one.name === 'backup'),
  })
  const agents = createAgentsService({ db, config, clock, log, adminToken: token })
  let stopping = false
  return {
    routes(app) {
      for (const room of [exporting, billing, privacy, agents]) room.routes(app)
    },
    prepare: async () => {},
    startWorking() {
      if (stopping) return
      for (const room of [exporting, billing, forgetting, agents, ...rejects]) room.start()
    },
    async finishRequests() {
      stopping = true
      await exporting.exporter.close()
    },
    // Billing and the rejected events use destinations that the exporter closes.
    closers: [agents, forgetting, ...rejects, billing, exporting].map((room) => () => room.close()),
  }
}
