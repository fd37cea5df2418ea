import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { addEndpoint } from '../../src/billing/endpoints.ts'
import { countWaiting } from '../../src/billing/webhook-deliveries.ts'
import { insertOutbox } from '../../src/outbox.ts'
import { createTestDatabase } from '../support/database.ts'
import { createRandom, seedOf } from '../support/random.ts'
import { until } from '../support/until.ts'
import { type Behaviour, openReceiver } from './receiver.ts'

const program = fileURLToPath(new URL('./worker-process.ts', import.meta.url))
const kills = process.env.STORM ? 50 : 5
const eventsPerLife = 40

const startWorker = async (url: string): Promise<ChildProcess> => {
  const child = spawn(process.execPath, ['--import', 'tsx', program, url], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((resolve) => child.stdout?.once('data', resolve))
  return child
}
const kill = async (child: ChildProcess): Promise<void> => {
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await gone
}

t.test('killing the worker loses no event, and changes no id', async (t) => {
  const random = createRandom(seedOf(t))
  const { db, url, close } = await createTestDatabase()
  t.teardown(close)
  const { secret } = await addEndpoint(db, {
    ...{ name: 'main', url: 'http://x', eventTypes: null, nowMs: Date.now(), allowPrivate: true, by: 'test' },
  })
  const receiver = await openReceiver([secret])
  t.teardown(receiver.close)
  await db.execute('update webhook_endpoints set url = $1::text', [receiver.url])
  const faults: Behaviour[] = ['reset', 'accept-but-reset', { status: 500 }, { status: 404 }, 'slow-body', 'hang']
  receiver.behave = () => (random() < 0.3 ? (faults[Math.floor(random() * faults.length)] ?? 'accept') : 'accept')

  const sent: string[] = []
  for (let life = 0; life <= kills; life++) {
    await db.transaction(async (tx) => {
      for (let n = 0; n < eventsPerLife; n++)
        sent.push(
          await insertOutbox(tx, {
            ...{ clientId: 'acme', nodeId: 'n1', type: 'usage.recorded', key: `${life}/${n}` },
            ...{ occurredMs: Date.now(), data: { life, n } },
          }),
        )
    })
    const worker = await startWorker(url)
    t.teardown(() => worker.kill('SIGKILL'))
    if (life < kills) {
      const before = receiver.requests
      const share = Math.ceil(random() * eventsPerLife * 0.8)
      await until('the worker is in the midst of it', () => receiver.requests >= before + share)
      await kill(worker)
    } else {
      receiver.behave = () => 'accept'
      await until('the outbox is empty', async () => (await countWaiting(db)) === 0)
      await kill(worker)
    }
  }
  t.strictSame(receiver.refusals, [])
  t.strictSame([...new Set(receiver.taken.map((one) => one.id))].sort(), sent.sort())
  t.strictSame(await db.query('select distinct state from webhook_deliveries'), [{ state: 'delivered' }])
  t.comment(`${kills} kills, ${sent.length} events, ${receiver.requests} requests`)
})
