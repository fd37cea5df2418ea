import t from 'tap'
import { systemClock } from '../../src/clock.ts'
import { createDb } from '../../src/db.ts'
import { createTestDatabase } from '../support/database.ts'
import { createTcpProxy } from '../support/tcp-proxy.ts'
import { createServer, post } from './server.ts'
import { until } from './until.ts'

/** As many events as an hour brings at 500 a second; a minute's worth in the short run. */
const events = 500 * (process.env.STORM === '1' ? 3_600 : 60)
const eventsOfRequest = 100
const senders = 16
const drainMsMax = 1_800_000
t.setTimeout(2 * drainMsMax)

t.test(
  `a database that is away from the start, while ${events} events come: all are taken, then stored once`,
  async (t) => {
    const database = await createTestDatabase()
    const target = new URL(database.url)
    const proxy = await createTcpProxy({ host: target.hostname, port: Number(target.port) })
    proxy.cut()
    const url = Object.assign(new URL(database.url), { hostname: '127.0.0.1', port: String(proxy.port) }).href
    const db = createDb({ url, applicationName: 'collect', connectionsMax: 6, clock: systemClock })
    const server = await createServer(db, { env: { RATE_LIMIT_COLLECT: '0' } })
    t.teardown(async () => {
      proxy.mend()
      await server.close()
      await db.close()
      await proxy.close()
      await database.close()
    })

    let sent = 0
    const note = 'x'.repeat(500)
    const send = async (): Promise<void> => {
      while (sent < events) {
        const first = sent
        sent += eventsOfRequest
        const body = {
          batchId: `b${first}`,
          events: Array.from({ length: eventsOfRequest }, (_, i) => ({ eventType: 'outage', n: first + i, note })),
        }
        const { status } = await post(server, body)
        if (status !== 200) throw new Error(`answered ${status}`)
      }
    }
    await Promise.all(Array.from({ length: senders }, send))
    const { spool, status } = server.collector.health()
    t.equal(status, 'degraded')
    t.ok(spool.bytes > events * note.length)
    t.equal((await server.app.inject({ url: '/health' })).statusCode, 200)
    t.same(await database.db.query('select count(*)::int as events from events_log'), [{ events: 0 }])

    const startedMs = Date.now()
    proxy.mend()
    await until('the spool to be stored', () => server.collector.health().status === 'healthy', drainMsMax)
    const seconds = (Date.now() - startedMs) / 1000
    const [stored] = await database.db.query(
      `select count(*)::int as events, count(distinct (raw_event_data ->> 'n')::int)::int as numbers,
            (select sum(events)::int from batches) as ledger from events_log`,
    )
    t.same(stored, { events, numbers: events, ledger: events })
    t.comment(`${events} events spooled in ${Math.round(spool.bytes / 1e6)} MB, stored in ${seconds.toFixed(0)} s`)
  },
)
