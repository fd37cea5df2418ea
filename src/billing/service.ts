import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Db } from '../db.ts'
import { messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { createSender } from './send-webhook.ts'
import { applySettingsEndpoints, settingsSecrets } from './settings-endpoints.ts'
import { createWebhookWorker } from './webhook-worker.ts'

export type BillingDeps = { db: Db; config: Config; clock: Clock; log: Log }

export type BillingService = {
  /** Call it when the schema is up to date. */
  start(): void
  close(): Promise<void>
}

/** Metering and webhooks, as the settings say. */
export const createBillingService = ({ db, config, clock, log }: BillingDeps): BillingService => {
  const { CLIENT_ID: clientId, NODE_ID: nodeId } = config
  const worker = createWebhookWorker({
    ...{ db, clock, log, clientId, nodeId },
    send: createSender({ clock, allowPrivate: config.WEBHOOK_ALLOW_PRIVATE }),
    settingsSecrets: (name) => settingsSecrets(config, name),
  })
  return {
    start() {
      applySettingsEndpoints(db, config, clock.now()).then(
        () => worker.start(),
        (error: unknown) => log.error({ err: error }, `webhooks cannot be sent: ${messageOf(error)}`),
      )
    },
    close: () => worker.close(),
  }
}
