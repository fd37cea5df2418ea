import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import t from 'tap'
import { createToken } from '../../src/access/tokens.ts'
import { describedRoutes } from '../../src/console/openapi-routes.ts'
import { generateTraffic } from '../../src/demo/generate.ts'
import { mayActAs, type Role, roles } from '../../src/roles.ts'
import { engineOn, storeTraffic } from '../agents/lab.ts'
import { adminToken, ours } from './console.ts'
import { createWholeApp } from './whole-app.ts'

type Operation = {
  operationId: string
  'x-role': string
  parameters: { name: string; in: string; schema: object }[]
  requestBody?: { content: Record<string, { schema: object }> }
  responses: Record<string, { content?: Record<string, { schema: object }> }>
}
type Document = {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, object> }
}

const day = '2026-11-20'
/** What a request needs so that its answer says something. */
const queries: Record<string, string> = {
  '/api/hours': `from=2026-11-01T00:00:00Z&to=${day}T00:00:00Z`,
  '/api/traffic': `from=2026-11-01T00:00:00Z&to=${day}T00:00:00Z`,
  '/api/journeys': `site=harbor-tea.example&from=2026-11-01T00:00:00Z&to=${day}T00:00:00Z`,
  '/api/funnel': `site=harbor-tea.example&from=2026-11-01T00:00:00Z&to=${day}T00:00:00Z&step=event:pageview&step=page:/cart`,
  '/agents/days': `from=${day}&to=${day}`,
  '/agents/journeys': `site=harbor-tea.example&from=${day}&to=${day}`,
}

t.test('the document is the server', async (t) => {
  const { app, db, routes } = await createWholeApp(t)
  const answer = await app.inject({ url: '/openapi.json' })
  t.equal(answer.statusCode, 200, 'open to all')
  const document = answer.json() as Document
  t.equal(document.openapi, '3.1.0')

  await t.test('every route of the server is in it, and no other', (t) => {
    const isFile = (url: string) => /^\/(js\/|console\/$|console\/[^/]*\.\w+$)/.test(url)
    const there = routes.filter(({ method, url }) => !['HEAD', 'OPTIONS'].includes(method) && !isFile(url))
    const spelled = there.map(
      ({ method, url }) => `${method} ${url.replaceAll(/:(\w+)/g, '{$1}').replace(/\*$/, '{path}')}`,
    )
    const described = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    )
    t.strictSame([...new Set(spelled)].sort(), described.sort())
    const ids = Object.values(document.paths).flatMap((one) => Object.values(one).map(({ operationId }) => operationId))
    t.equal(new Set(ids).size, ids.length, 'ids are unique')
    t.end()
  })

  const ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats.default(ajv)
  await t.test('its schemas are schemas', (t) => {
    for (const [path, operations] of Object.entries(document.paths))
      for (const { parameters, requestBody, responses } of Object.values(operations)) {
        const bodies = [requestBody, ...Object.values(responses)].flatMap((one) => Object.values(one?.content ?? {}))
        for (const { schema } of [...parameters, ...bodies])
          if (!('$ref' in schema)) t.doesNotThrow(() => ajv.compile(schema), path)
      }
    t.end()
  })

  const traffic = generateTraffic({
    events: 3_000,
    sites: 2,
    days: 14,
    untilMs: Date.parse(`${day}T00:00:00Z`),
    seed: 5,
    anomaly: {},
  })
  await storeTraffic(db, traffic.requests, Date.parse(`${day}T00:00:00Z`))
  await engineOn(db).run({ kind: 'nightly' })
  const bearer = { authorization: `Bearer ${adminToken.reveal()}` }
  const post = async (url: string, payload?: object) =>
    app.inject({ method: 'POST', url, headers: bearer, ...(payload && { payload }) })
  t.equal((await post('/webhooks', { name: 'audit', url: 'https://hooks.example.com/x' })).statusCode, 201)
  t.equal((await post('/export/run?wait=true')).statusCode, 200)
  t.equal((await post('/privacy/forget', { visitor: 'nobody' })).statusCode, 202)

  await t.test('answers are as it says', async (t) => {
    for (const [path, { get }] of Object.entries(document.paths)) {
      const schema = get?.responses['200']?.content?.['application/json']?.schema
      if (!get || !schema || path.includes('{')) continue
      if (path === '/sourceConfig') continue
      const url = queries[path] ? `${path}?${queries[path]}` : path
      const found = await app.inject({ url, headers: bearer })
      t.equal(found.statusCode, 200, `${path} ${found.statusCode === 200 ? '' : found.body}`)
      const check = ajv.compile(schema)
      t.ok(check(found.json()), `${path}: ${JSON.stringify(check.errors?.slice(0, 3))}`)
    }
    const [erasure] = (await app.inject({ url: '/privacy/erasures', headers: bearer })).json().erasures
    const one =
      document.paths['/privacy/erasures/{id}']?.get?.responses['200']?.content?.['application/json']?.schema ?? {}
    t.ok(
      ajv.validate(one, (await app.inject({ url: `/privacy/erasures/${erasure.erasure_id}`, headers: bearer })).json()),
    )
  })

  await t.test('who may call what: each route with each role, by token and by session', async (t) => {
    const tokens = new Map<Role, string>()
    const cookies = new Map<Role, string>()
    const nowMs = Date.now()
    for (const role of roles) {
      const { token } = await createToken(db, { name: role, role, expiresMs: nowMs + 3_600_000, nowMs, by: 'a test' })
      tokens.set(role, token)
      const login = await app.inject({ method: 'POST', url: '/console/login', headers: ours, payload: { token } })
      cookies.set(role, `${login.headers['set-cookie']}`.split(';')[0] ?? '')
    }
    const tables = `select (select count(*) from webhook_endpoints) as endpoints, (select count(*) from domains) as domains,
      (select count(*) from erasures) as erasures, (select count(*) from export_parts) as parts,
      (select count(*) from audit_log) as audited, (select count(*) from access_tokens where totp_nonce is not null) as codes`
    const before = await db.query(tables)
    let refused = 0
    for (const { method, path, role: needed } of describedRoutes) {
      if (needed === 'anyone' || needed === 'sender' || needed === 'local') continue
      const url = path.replaceAll(/:(\w+)/g, 'x').replace('*', 'x.md')
      t.equal((await app.inject({ method, url })).statusCode, 401, `nobody may ${method} ${path}`)
      for (const role of roles.filter((one) => !mayActAs(one, needed)))
        for (const headers of [
          { authorization: `Bearer ${tokens.get(role)}` },
          { ...ours, cookie: cookies.get(role) ?? '' },
        ]) {
          refused++
          t.equal((await app.inject({ method, url, headers })).statusCode, 403, `a ${role} may not ${method} ${path}`)
        }
      // A stream never ends; who may listen has a test of its own.
      if (path === '/events/stream' || path === '/ws/events') continue
      if (method === 'GET')
        for (const role of roles.filter((one) => mayActAs(one, needed))) {
          const { statusCode } = await app.inject({ url, headers: { cookie: cookies.get(role) ?? '' } })
          t.notOk([401, 403].includes(statusCode), `a ${role} may ${path}: ${statusCode}`)
        }
      else t.not(needed, 'viewer', `a viewer changes nothing: ${method} ${path}`)
    }
    t.ok(refused >= 60, `${refused} refusals`)
    t.same(await db.query(tables), before, 'and nothing was changed')
  })
})
