import { once } from 'node:events'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { systemClock } from '../../src/clock.ts'
import { createTestDatabase } from '../support/database.ts'
import { createServer, eventsOf } from './server.ts'
import { until } from './until.ts'

t.test('an event has arrived when the last byte of its request has', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  let nowMs = Date.parse('2026-11-20T12:00:00Z')
  const server = await createServer(db, { clock: { ...systemClock, now: () => nowMs } })
  t.teardown(() => server.close())
  await server.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = server.app.server.address() as AddressInfo
  const body = '{"eventType":"slow"}'
  const sending = request({ host: '127.0.0.1', port, path: '/collect', method: 'POST' })
  sending.setHeader('content-length', body.length)
  sending.write(body.slice(0, 5))
  await until('the first bytes', () => server.collector.health().queue.bytes === 5)
  nowMs += 25_000
  sending.end(body.slice(5))
  const [answer] = await once(sending, 'response')
  answer.resume()
  t.equal(answer.statusCode, 200)
  const [row] = await eventsOf(db, 'slow')
  t.equal(row?.created_at.toISOString(), '2026-11-20T12:00:25.000Z')
})
