import { createSender } from '../../src/billing/send-webhook.ts'
import { createWebhookWorker } from '../../src/billing/webhook-worker.ts'
import { systemClock as clock } from '../../src/clock.ts'
import { createDb } from '../../src/db.ts'
import { silentLog as log } from '../../src/log.ts'

// A delivery worker as a process of its own, to be killed. Delays are short, and a lease ends soon after a kill.
const db = createDb({ url: process.argv[2] ?? '', applicationName: 'worker', connectionsMax: 4, clock })
createWebhookWorker({
  ...{ db, clock, log, clientId: 'acme', nodeId: 'n1', settingsSecrets: () => [] },
  send: createSender({ clock, allowPrivate: true, answerMsMax: 200 }),
  ...{ retryDelaysMs: Array.from({ length: 200 }, () => 10), leaseMs: 400, lookMs: 10 },
}).start()
process.stdout.write('started\n')
