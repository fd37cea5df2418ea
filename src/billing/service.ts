import path from 'node:path'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Db } from '../db.ts'
import { messageOf } from '../errors.ts'
import type { App } from '../http.ts'
import type { Log } from '../log.ts'
import type { Destination } from '../storage/destination.ts'
import { createPeriodCloser } from './close-periods.ts'
import { loadPlans, termsOf } from './plans.ts'
import { createPublisher } from './publish.ts'
import { recordUsage } from './record-usage.ts'
import { billingRoutes } from './routes.ts'
import { scanDomains } from './scan-domains.ts'
import { createSender } from './send-webhook.ts'
import { applySettingsEndpoints, settingsSecrets } from './settings-endpoints.ts'
import { syncBackup } from './sync-backup.ts'
import { checkThresholds } from './thresholds.ts'
import { webhookRoutes } from './webhook-routes.ts'
import { createWebhookWorker } from './webhook-worker.ts'

export type BillingDeps = {
  db: Db
  config: Config
  clock: Clock
  log: Log
  adminToken: string
  destinations: readonly Destination[]
  /** Between two readings of the backup, in milliseconds. */
  syncMs?: number
}

export type BillingService = {
  routes(app: App): void
  /** Does once what is done again and again: records usage, scans domains, closes periods, reads and writes the backup. */
  runOnce(): Promise<void>
  /** Sends what is due to the webhooks now. */
  sendWebhooks(): Promise<void>
  /** Call it when the schema is up to date. */
  start(): void
  close(): Promise<void>
}

/** Between two looks at all of it. Nothing is lost by a longer one; events for the outside are a little later. */
const lookMs = 60_000
/** Listing a bucket costs a request for every 1,000 keys. */
const syncMs = 15 * 60_000
/** Another node's manifest bears the time it was made at, and may have waited this long for the bucket to be mended. */
const listedAgainMs = 40 * 24 * 3600_000

/** Metering, statements and webhooks, as the settings say. Throws `setting_invalid` for plans that cannot be read. */
export const createBillingService = (deps: BillingDeps): BillingService => {
  const { db, config, clock, log } = deps
  const { CLIENT_ID: clientId, NODE_ID: nodeId, BILLING_TIMEZONE: timeZone } = config
  const plans = loadPlans(config.DATA_DIR)
  const terms = termsOf(plans, config)
  const identity = { clientId, nodeId }
  const backup = deps.destinations.find((one) => one.name === 'backup')
  const stagingFolder = path.join(path.resolve(config.DATA_DIR), 'staging')
  const publisher = backup && createPublisher({ db, backup, stagingFolder, ...identity })
  let syncedMs: number | null = null
  const closePeriods = createPeriodCloser({
    ...{ db, clock, log, plans, terms, timeZone, ...identity },
    syncedMs: () => syncedMs,
  })
  const sending = {
    ...{ db, clock, send: createSender({ clock, allowPrivate: config.WEBHOOK_ALLOW_PRIVATE }) },
    settingsSecrets: (name: string) => settingsSecrets(config, name),
  }
  const worker = createWebhookWorker({ ...sending, log, ...identity })
  const ended = new AbortController()
  let loop: Promise<void> = Promise.resolve()

  /** In this order: what the backup knows comes before what is decided by it. */
  const steps: [string, () => Promise<unknown>][] = [
    ['usage could not be recorded', () => recordUsage({ db, ...identity, billUnapproved: terms.bill_unapproved })],
    ['domains could not be looked at', () => scanDomains({ db, clock, ...identity, rules: plans.domains })],
    [
      'the backup could not be read for billing',
      async () => {
        const atMs = clock.now()
        if (syncedMs !== null && atMs - syncedMs < (deps.syncMs ?? syncMs)) return
        const sinceMs = syncedMs === null ? null : syncedMs - listedAgainMs
        if (backup) await syncBackup({ db, backup, ...identity, sinceMs })
        syncedMs = atMs
      },
    ],
    ['periods could not be closed', closePeriods],
    [
      'thresholds could not be checked',
      () => checkThresholds({ db, plans, terms, timeZone, ...identity, nowMs: clock.now() }),
    ],
    ['statements could not be written to the backup', async () => publisher?.publish()],
  ]
  /** A step that fails does not keep the others from their work; it is tried again at the next look. */
  const runOnce = async (): Promise<void> => {
    for (const [failure, step] of steps) {
      if (ended.signal.aborted) return
      await step().catch((error: unknown) => log.error({ err: error }, `${failure}: ${messageOf(error)}`))
    }
  }
  const startLoop = async (): Promise<void> => {
    await applySettingsEndpoints(db, config, { nowMs: clock.now(), retires: true }).catch((error: unknown) =>
      log.error({ err: error }, `webhook endpoints could not be set: ${messageOf(error)}`),
    )
    worker.start()
    while (!ended.signal.aborted) {
      await runOnce()
      await clock.sleep(lookMs, ended.signal)
    }
  }

  return {
    routes(app) {
      const { adminToken } = deps
      billingRoutes(app, { db, clock, clientId, plans, terms, timeZone, adminToken })
      webhookRoutes(app, { ...sending, adminToken, client: identity, allowPrivate: config.WEBHOOK_ALLOW_PRIVATE })
    },
    runOnce,
    sendWebhooks: () => worker.drain(),
    start() {
      loop = startLoop()
    },
    async close() {
      ended.abort()
      await loop
      await worker.close()
    },
  }
}
