import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { createToken } from '../../src/access/tokens.ts'
import { ours } from './console.ts'
import { createWholeApp } from './whole-app.ts'

t.test('every change is in the audit log, by the name of the token', async (t) => {
  const { app, db } = await createWholeApp(t, { env: { WEBHOOK_ALLOW_PRIVATE: 'true' } })
  const receiver = createServer((_request, answer) => void answer.writeHead(204).end())
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  t.teardown(() => receiver.close())
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`
  const nowMs = Date.now()
  const { token } = await createToken(db, {
    ...{ name: 'Olga', role: 'operator', expiresMs: nowMs + 3_600_000, nowMs, by: 'a test' },
  })
  const login = await app.inject({ method: 'POST', url: '/console/login', headers: ours, payload: { token } })
  const cookie = `${login.headers['set-cookie']}`.split(';')[0] ?? ''
  await db.execute(
    `insert into domains (domain, state, first_seen, last_seen, events, pageviews, visitors, addresses, suspicions)
     values ('new-shop.com', 'pending', now(), now(), 1, 1, 1, 1, '{}')`,
  )
  const day = { from: '2026-11-01', to: '2026-11-02' }
  const changes: [action: string, method: 'POST' | 'DELETE', url: string, payload?: object][] = [
    ['export.run', 'POST', '/export/run?wait=true'],
    ['export.replay', 'POST', `/export/replay?from=${day.from}&to=${day.to}`],
    ['export.verify', 'POST', '/export/verify'],
    ['export.adopt', 'POST', '/export/adopt'],
    ['webhook.added', 'POST', '/webhooks', { name: 'a', url }],
    ['webhook.tested', 'POST', '/webhooks/a/send-test'],
    ['webhook.replayed', 'POST', '/webhooks/replay', day],
    ['webhook.rotated', 'POST', '/webhooks/a/rotate'],
    ['webhook.disabled', 'POST', '/webhooks/a/disable'],
    ['webhook.enabled', 'POST', '/webhooks/a/enable'],
    ['webhook.removed', 'DELETE', '/webhooks/a'],
    ['domain.approved', 'POST', '/billing/domains/new-shop.com/approve'],
    ['domain.blocked', 'POST', '/billing/domains/new-shop.com/block'],
    ['privacy.forget', 'POST', '/privacy/forget', { visitor: 'v' }],
    ['privacy.export', 'POST', '/privacy/export', { visitor: 'v' }],
  ]
  for (const [action, method, path, payload] of changes) {
    const answer = await app.inject({ method, url: path, headers: { ...ours, cookie }, ...(payload && { payload }) })
    t.ok(answer.statusCode < 300, `${method} ${path}: ${answer.statusCode} ${answer.body.slice(0, 200)}`)
    const [last] = await db.query('select actor, action from audit_log order by audit_id desc limit 1')
    t.same(last, { actor: 'Olga', action }, action)
  }
})
