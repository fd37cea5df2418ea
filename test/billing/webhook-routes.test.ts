import t from 'tap'
import { createApp } from '../../src/http.ts'
import { silentLog } from '../../src/log.ts'
import { insertOutbox } from '../../src/outbox.ts'
import { until } from '../support/until.ts'
import { createBillingLab } from './lab.ts'
import { openReceiver } from './receiver.ts'

type Method = 'GET' | 'POST' | 'DELETE'

t.test('webhooks are managed over HTTP, for the admin token only', async (t) => {
  const lab = await createBillingLab(t, { WEBHOOK_ALLOW_PRIVATE: 'true' })
  const app = createApp({ log: silentLog, trustProxy: false })
  lab.billing.routes(app)
  t.teardown(() => app.close())
  const ask = async (method: Method, url: string, payload?: object, token = 'token') => {
    const answer = await app.inject({
      ...{ method, url, headers: { authorization: `Bearer ${token}` } },
      ...(payload && { payload }),
    })
    return { status: answer.statusCode, headers: answer.headers, body: answer.json() as Record<string, unknown> }
  }
  const receiver = await openReceiver([])
  t.teardown(receiver.close)

  const routes: [Method, string, object?][] = [
    ['GET', '/webhooks'],
    ['POST', '/webhooks', { name: 'a', url: receiver.url }],
    ['POST', '/webhooks/replay', { from: '2026-11-01', to: '2026-11-02' }],
    ['DELETE', '/webhooks/meter'],
    ['GET', '/webhooks/meter/attempts'],
    ...(['enable', 'disable', 'rotate', 'send-test'] as const).map((verb): [Method, string] => [
      'POST',
      `/webhooks/meter/${verb}`,
    ]),
  ]
  for (const [method, url, payload] of routes)
    t.match(
      await ask(method, url, payload, 'wrong'),
      { status: 401, body: { code: 'unauthorized' } },
      `${method} ${url}`,
    )
  for (const [method, url] of routes.slice(3))
    t.match(await ask(method, url), { status: 404, body: { code: 'not_found' } }, `${method} ${url}`)
  t.match(await ask('GET', '/webhooks'), { status: 200, body: { endpoints: [], event_types: /period\.closed/ } })

  const added = await ask('POST', '/webhooks', { name: 'meter', url: receiver.url, event_types: ['period.closed'] })
  t.match(added, { status: 201, headers: { 'cache-control': 'no-store' }, body: { name: 'meter', secret: /^whsec_/ } })
  receiver.secrets = [String(added.body.secret)]
  for (const wrong of [
    {},
    { name: 'x' },
    { name: 'x', url: 'x' },
    { name: 'x', url: receiver.url, event_types: ['no'] },
    { name: 'x', url: receiver.url, event_types: [] },
  ])
    t.match(
      await ask('POST', '/webhooks', wrong),
      { status: 400, body: { code: 'request_invalid' } },
      JSON.stringify(wrong),
    )
  t.match(await ask('POST', '/webhooks', { name: 'x', url: 'ftp://x' }), { status: 403, body: { code: 'forbidden' } })
  t.match(await ask('POST', '/webhooks', { name: 'meter', url: receiver.url }), { status: 409 })

  t.match(await ask('POST', '/webhooks/meter/send-test'), { status: 200, body: { status: 200, error: null } })
  receiver.behave = () => ({ status: 500 })
  t.match(await ask('POST', '/webhooks/meter/send-test'), { status: 200, body: { status: 500, error: 'answered 500' } })
  receiver.behave = () => 'accept'
  t.match((await ask('GET', '/webhooks/meter/attempts')).body, {
    attempts: [
      { type: 'webhook.test', status: 500, error: 'answered 500', state: 'exhausted', next_attempt_at: null },
      { type: 'webhook.test', status: 200, error: null, state: 'delivered' },
    ],
  })
  t.match((await ask('GET', '/webhooks/meter/attempts?failed=true&limit=1')).body, { attempts: [{ status: 500 }] })
  t.match(await ask('GET', '/webhooks/meter/attempts?limit=0'), { status: 400 })

  const rotated = await ask('POST', '/webhooks/meter/rotate')
  t.match(rotated, { status: 200, headers: { 'cache-control': 'no-store' }, body: { secret: /^whsec_/ } })
  t.match(await ask('POST', '/webhooks/meter/rotate'), { status: 409, body: { code: 'conflict' } })
  t.match(await ask('POST', '/webhooks/meter/rotate?force=true'), { status: 200 })

  const when = Date.parse('2026-11-10T12:00:00Z')
  lab.clock.set(when)
  await lab.db.transaction((tx) =>
    insertOutbox(tx, { clientId: 'acme', nodeId: 'n1', type: 'period.closed', key: 'one', data: {}, occurredMs: when }),
  )
  receiver.secrets = []
  await lab.billing.sendWebhooks()
  const taken = receiver.taken.length
  const range = { from: '2026-11-10', to: '2026-11-11T00:00:00+01:00' }
  t.match((await ask('POST', '/webhooks/replay', { ...range, endpoint: 'meter' })).body, { deliveries: 1 })
  await lab.billing.sendWebhooks()
  t.equal(receiver.taken.length, taken + 1)
  t.equal(receiver.taken.at(-1)?.id, receiver.taken.at(-2)?.id, 'the same id')
  t.match(await ask('POST', '/webhooks/replay', { ...range, endpoint: 'no' }), { status: 404 })
  t.match(await ask('POST', '/webhooks/replay', { ...range, event_types: ['no'] }), { status: 400 })
  for (const wrong of [{}, { from: 'soon', to: 'later' }, { from: range.to, to: range.from }])
    t.match(await ask('POST', '/webhooks/replay', wrong), { status: 400, body: { code: 'request_invalid' } })

  t.match(await ask('POST', '/webhooks/meter/disable'), { status: 200, body: { state: 'disabled' } })
  t.match((await ask('GET', '/webhooks')).body, {
    endpoints: [{ name: 'meter', state: 'disabled', disabled_reason: 'by admin API', origin: 'added', pending: 0 }],
  })
  t.match(await ask('POST', '/webhooks/meter/send-test'), { status: 409 })
  t.match(await ask('POST', '/webhooks/meter/enable'), { status: 200, body: { state: 'active' } })
  const alerts = await lab.db.query<{ body: string }>(`select body from outbox where type = 'alert.cleared'`)
  t.match(
    alerts.map((one) => JSON.parse(one.body)),
    [{ data: { alert: 'webhook_disabled', endpoint: 'meter' } }],
  )
  t.notMatch(JSON.stringify((await ask('GET', '/webhooks')).body), 'whsec_', 'a list shows no secret')
  t.match(await ask('DELETE', '/webhooks/meter'), { status: 200 })
  t.strictSame((await ask('GET', '/webhooks')).body.endpoints, [])
  const audit = await lab.db.query<{ actor: string; action: string; subject: string }>(
    'select actor, action, subject from audit_log order by audit_id',
  )
  t.strictSame(
    audit.map((one) => `${one.actor}: ${one.action} ${one.subject}`),
    [...['added', 'tested', 'tested', 'rotated', 'rotated', 'replayed', 'disabled', 'enabled', 'removed']].map(
      (what) => `admin API: webhook.${what} meter`,
    ),
  )
})

t.test('an endpoint that the settings name can be disabled and enabled, but not removed or rotated', async (t) => {
  const receiver = await openReceiver([])
  t.teardown(receiver.close)
  const lab = await createBillingLab(t, { WEBHOOK_ALLOW_PRIVATE: 'true', BILLING_WEBHOOK_URL: receiver.url })
  lab.billing.start()
  const app = createApp({ log: silentLog, trustProxy: false })
  lab.billing.routes(app)
  t.teardown(() => app.close())
  const ask = (method: Method, url: string) => app.inject({ method, url, headers: { authorization: 'Bearer token' } })
  const list = async () => ((await ask('GET', '/webhooks')).json() as { endpoints: { name: string }[] }).endpoints
  await until('the endpoint of the settings', async () => (await list()).length > 0)
  t.match(await list(), [{ name: 'billing', origin: 'settings', state: 'active' }])
  t.equal((await ask('POST', '/webhooks/billing/rotate')).statusCode, 409)
  t.equal((await ask('DELETE', '/webhooks/billing')).statusCode, 409)
  t.equal((await ask('POST', '/webhooks/billing/disable')).statusCode, 200)
  t.equal((await ask('POST', '/webhooks/billing/enable')).statusCode, 200)
  t.match((await ask('POST', '/webhooks/billing/send-test')).json(), { status: 200 })
})
