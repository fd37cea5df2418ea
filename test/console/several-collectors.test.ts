import { once } from 'node:events'
import { get } from 'node:http'
import t from 'tap'
import { WebSocket } from 'ws'
import { serverDatabase } from '../support/database.ts'
import { tempFolder } from '../support/exporter.ts'
import { startServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { ours } from './console.ts'

t.test('behind several collectors on a port the console is the same', async (t) => {
  const dataDir = await tempFolder(t)
  const server = await startServer(dataDir, {
    ...{ COLLECT_WORKERS: '2', RATE_LIMIT_ADMIN: '0' },
    ...(await serverDatabase(t)),
  })
  t.teardown(() => server.process.kill('SIGKILL'))
  const { address, adminToken: token } = server
  const login = await fetch(`${address}/console/login`, {
    method: 'POST',
    headers: { ...ours, origin: address, 'content-type': 'application/json' },
    body: JSON.stringify({ token }),
  })
  t.equal(login.status, 200)
  const cookie = `${login.headers.get('set-cookie')}`.split(';')[0] ?? ''
  const ask = async (route: string, headers: Record<string, string> = {}) =>
    (await fetch(`${address}${route}`, { headers: { cookie, ...headers } })).status
  for (const route of ['/console/', '/openapi.json', '/api/sites', '/events/count', '/export/status'])
    t.equal(await ask(route), 200, route)
  t.equal(
    await ask('/events/count', { 'sec-fetch-site': 'cross-site' }),
    403,
    'a collector asks where it comes from, too',
  )
  t.equal(await ask('/api/sites', { origin: 'https://evil.example' }), 403)

  // More than may listen at a time: who has left leaves a place, on both sides of the collector.
  const statuses = new Set<number | undefined>()
  for (let n = 0; n < 120; n++)
    statuses.add(
      await new Promise((resolve, reject) => {
        const request = get(`${address}/events/stream`, { headers: { cookie }, agent: false }, (answer) => {
          answer.on('error', () => undefined)
          resolve(answer.statusCode)
          request.destroy()
        }).on('error', reject)
      }),
    )
  t.same([...statuses], [200])

  const socketAt = (headers: Record<string, string>) =>
    new WebSocket(`${address.replace('http', 'ws')}/ws/events`, { headers })
  const refused = socketAt({ cookie, origin: 'https://evil.example' })
  const [error] = (await once(refused, 'error')) as [Error]
  t.match(error.message, '403')
  const socket = socketAt({ cookie, origin: address })
  const types: string[] = []
  socket.on('message', (text) => types.push(JSON.parse(`${text}`).data.event_type))
  await once(socket, 'open')
  await until('an event comes', async () => {
    await fetch(`${address}/collect`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ eventType: 'search', siteId: 'a.example' }),
    })
    return types.length > 0
  })
  t.equal(types[0], 'search')
  const closed = once(socket, 'close')
  server.process.kill('SIGTERM')
  t.equal(await server.exited, 0, server.output())
  await closed
})
