import { get } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { buildConsole } from '../../console/build.ts'
import { createToken } from '../../src/access/tokens.ts'
import { describedRoutes } from '../../src/console/openapi-routes.ts'
import { ours } from './console.ts'
import { createWholeApp } from './whole-app.ts'

/** What was tried by hand once, and is tried again each time; each line is an attack that must not work. */
t.test('attacks', async (t) => {
  await buildConsole()
  const { app, db } = await createWholeApp(t)
  const nowMs = Date.now()
  const { token } = await createToken(db, {
    name: 'jane',
    role: 'operator',
    expiresMs: nowMs + 3_600_000,
    nowMs,
    by: 'x',
  })
  const login = await app.inject({ method: 'POST', url: '/console/login', headers: ours, payload: { token } })
  const cookie = `${login.headers['set-cookie']}`.split(';')[0] ?? ''

  await t.test('clickjacking, foreign scripts, sniffing: every file of the page says what it may do', async (t) => {
    const page = await app.inject({ url: '/console/' })
    t.equal(page.statusCode, 200)
    const names = [
      '/console/',
      ...[...page.body.matchAll(/(?:src|href)="(\/console\/[^"]+)"/g)].map(([, name]) => name ?? ''),
    ]
    t.ok(names.length >= 4)
    for (const url of names) {
      const { headers } = await app.inject({ url })
      const policy = `${headers['content-security-policy']}`
      for (const rule of [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
      ])
        t.match(policy, rule, `${url}: ${rule}`)
      t.notMatch(policy, /unsafe|\*|https?:/)
      t.match(headers, {
        'x-frame-options': 'DENY',
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-opener-policy': 'same-origin',
      })
    }
    t.notMatch(page.body, /<script(?![^>]*src=)|<style|\son\w+=|style=/, 'nothing inline')
    t.notMatch(page.body, /https?:\/\//, 'nothing from elsewhere')
  })

  await t.test('CSRF: no change is made for another site, in any of its ways', async (t) => {
    const changes = describedRoutes.filter(
      ({ method, role }) => method !== 'GET' && ['client', 'operator'].includes(role),
    )
    t.ok(changes.length > 15)
    const ways: Record<string, string>[] = [
      { 'sec-fetch-site': 'cross-site', 'content-type': 'text/plain' },
      { 'sec-fetch-site': 'cross-site', 'content-type': 'application/x-www-form-urlencoded' },
      { 'sec-fetch-site': 'cross-site', 'x-evothesis-console': '1' },
      { 'sec-fetch-site': 'same-site', 'x-evothesis-console': '1' },
      { origin: 'https://evil.example', 'x-evothesis-console': '1' },
      { origin: 'null', 'x-evothesis-console': '1' },
      // A form of an old browser, which says nothing of where it comes from.
      { 'content-type': 'application/x-www-form-urlencoded' },
    ]
    for (const { method, path } of changes)
      for (const headers of ways) {
        const url = path.replaceAll(/:(\w+)/g, 'x')
        const answer = await app.inject({ method, url, headers: { cookie, ...headers } })
        t.equal(answer.statusCode, 403, `${method} ${path} ${JSON.stringify(headers)}`)
      }
    const preflight = await app.inject({
      method: 'OPTIONS',
      url: '/export/run',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    })
    t.notOk(preflight.headers['access-control-allow-origin'], 'and no other site is let in')
    t.same(await db.query('select 1 from export_parts'), [])
  })

  await t.test("a session is in nobody's hands but its own", async (t) => {
    for (const forged of [
      'evothesis_console=',
      'evothesis_console=x',
      `evothesis_console=${'a'.repeat(43)}`,
      `${cookie}x`,
      cookie.slice(0, -1),
      `evothesis_console=${token}`,
      '__Host-evothesis=x',
      `x${cookie}`,
      `a=b; evothesis_console="${cookie.split('=')[1]}"`,
    ])
      t.equal(
        (await app.inject({ url: '/export/status', headers: { cookie: forged } })).statusCode,
        401,
        forged.slice(0, 30),
      )
    t.equal((await app.inject({ url: '/export/status', headers: { cookie: `a=b; ${cookie}; c=d` } })).statusCode, 200)
    t.equal((await app.inject({ url: `/export/status?${cookie}&token=${token}` })).statusCode, 401, 'not in an address')
    t.equal(
      (await app.inject({ url: '/export/status', headers: { authorization: `Bearer ${cookie.split('=')[1]}` } }))
        .statusCode,
      401,
      'nor as a token',
    )
    t.equal(
      (await app.inject({ url: '/export/status', headers: { cookie, authorization: 'Bearer wrong' } })).statusCode,
      401,
      'a wrong token is no session',
    )
  })

  await t.test("path traversal: the page's files are a list, not a folder", async (t) => {
    for (const url of [
      '/console/../package.json',
      '/console/..%2f..%2fpackage.json',
      '/console/%2e%2e/%2e%2e/package.json',
      '/console/....//package.json',
      '/console//etc/passwd',
      '/console/app.js/../../../package.json',
      '/console/app.js%00',
      '/console/%5c..%5cpackage.json',
    ])
      t.equal((await app.inject({ url, headers: { cookie } })).statusCode, 404, url)
  })

  await t.test('open redirect: nothing here leads elsewhere', async (t) => {
    for (const url of [
      '/console//evil.example',
      '//evil.example/console/',
      '/console/?next=https://evil.example',
      '/console/login?redirect=//evil.example',
      '/console',
      '/https://evil.example',
    ]) {
      const { headers, statusCode } = await app.inject({ url, headers: { host: 'evil.example' } })
      t.notOk(headers.location, url)
      t.ok(statusCode === 200 || statusCode === 404, `${url}: ${statusCode}`)
    }
  })

  await t.test('oversize and twisted queries are refused, and cost nothing', async (t) => {
    const day = '2026-11-20T00:00:00Z'
    const long = 'x'.repeat(3_000)
    for (const url of [
      ...[
        '/api/hours?from=0001-01-01T00:00:00Z&to=9999-01-01T00:00:00Z',
        `/api/traffic?from=${day}&to=${day}`,
        '/api/traffic?from=x&to=y',
      ],
      ...[
        '/api/parts?limit=100000',
        '/api/parts?limit=-1',
        '/api/parts?after=x',
        '/api/parts?after=WyIxIG9yIDE9MSJd',
        '/api/parts?open=maybe',
      ],
      ...[
        `/api/journeys?site=${long}&from=${day}&to=2026-11-21T00:00:00Z`,
        `/api/journeys?site=x&from=${day}&to=2026-11-21T00:00:00Z&steps=1000`,
      ],
      ...[
        `/api/funnel?site=x&from=${day}&to=2026-11-21T00:00:00Z&${'step=event:a&'.repeat(100)}`,
        `/api/funnel?site=x&from=${day}&to=2026-11-21T00:00:00Z&step=event:a'--`,
      ],
      ...[
        `/api/insights?site=${long}`,
        '/api/customers?after=bm9wZQ',
        '/api/consent?days=100000',
        '/api/notes?limit=0',
        '/api/sites?x=1',
        `/api/audit?action=${long}`,
      ],
      ...[
        '/api/parts?limit=1&limit=2',
        '/api/notes?folder[]=x',
        '/api/hours?from[$gt]=1&to=2',
        `/events/stream?site=${long}`,
      ],
    ]) {
      const answer = await app.inject({ url, headers: { cookie } })
      t.equal(answer.statusCode, 400, `${url.slice(0, 70)}: ${answer.statusCode}`)
      t.notMatch(answer.body, /stack|postgres|select |node_modules/i)
    }
    const injected = `x' or '1'='1`
    const range = `from=${day}&to=2026-11-21T00:00:00Z`
    t.equal(
      (
        await app.inject({ url: `/api/traffic?${range}&site=${encodeURIComponent(injected)}`, headers: { cookie } })
      ).json().totals.events,
      0,
    )
    t.equal(
      (
        await app.inject({
          url: `/api/funnel?site=x&${range}&step=${encodeURIComponent("page:' union select 1 --")}`,
          headers: { cookie },
        })
      ).statusCode,
      200,
    )
    const big = await app.inject({
      method: 'POST',
      url: '/console/login',
      headers: ours,
      payload: { token: 'x'.repeat(2_000_000) },
    })
    t.equal(big.statusCode, 413)
    const deep = await app.inject({
      method: 'POST',
      url: '/console/login',
      headers: { ...ours, 'content-type': 'application/json' },
      payload: `${'['.repeat(50_000)}${']'.repeat(50_000)}`,
    })
    t.equal(deep.statusCode, 400)
    const polluted = await app.inject({
      method: 'POST',
      url: '/console/login',
      headers: { ...ours, 'content-type': 'application/json' },
      payload: '{"__proto__":{"role":"operator"},"token":"x"}',
    })
    t.equal(polluted.statusCode, 400)
  })

  await t.test('questions that cost much wait in a line that ends', async (t) => {
    const range = 'from=2026-11-20T00:00:00Z&to=2026-11-21T00:00:00Z'
    const statuses = await Promise.all(
      Array.from({ length: 40 }, async (_, n) => {
        const question = n % 2 === 0 ? 'journeys?' : 'funnel?step=event:a&'
        return (await app.inject({ url: `/api/${question}site=x&${range}`, headers: { cookie } })).statusCode
      }),
    )
    t.ok(statuses.includes(200) && statuses.includes(429), statuses.join(' '))
    t.equal((await app.inject({ url: `/api/journeys?site=x&${range}`, headers: { cookie } })).statusCode, 200)
  })

  await t.test('a header that is too long is refused by the server itself', async (t) => {
    await app.listen({ host: '127.0.0.1', port: 0 })
    const { port } = app.server.address() as AddressInfo
    const status = await new Promise((resolve) => {
      get(
        { port, path: '/api/sites', agent: false, headers: { cookie: `evothesis_console=${'x'.repeat(20_000)}` } },
        (answer) => {
          answer.resume()
          resolve(answer.statusCode)
        },
      ).on('error', () => resolve('cut'))
    })
    t.match(status, /431|cut/)
  })
})
