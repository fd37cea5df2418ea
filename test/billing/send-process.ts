import { createSender } from '../../src/billing/send-webhook.ts'
import { systemClock as clock } from '../../src/clock.ts'
import { secret } from '../../src/secret.ts'

// Sends one webhook and prints the attempt: trusted authorities are read once, when a process starts.
const [url = '', key = '', body = ''] = process.argv.slice(2)
const send = createSender({ clock, allowPrivate: true, lookup: async () => [{ address: '127.0.0.1', family: 4 }] })
process.stdout.write(JSON.stringify(await send({ url, secrets: [secret(key)] }, { id: 'evt_1', body })))
