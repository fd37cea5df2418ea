import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import t from 'tap'
import { loadConfig } from '../../src/config.ts'
import type { Db } from '../../src/db.ts'
import { createApp } from '../../src/http.ts'
import { silentLog } from '../../src/log.ts'
import { createPixelRoutes } from '../../src/pixel/routes.ts'
import { secret } from '../../src/secret.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'evothesis-static-'))
t.teardown(() => rmSync(folder, { recursive: true }))
const files = {
  'js/tracking.js': 'pixel();'.repeat(100),
  'js/v1.2.3/tracking.js': 'pixel();'.repeat(100),
  'demo/index.html': '<h1>Shop</h1>',
  'demo/cart.html': '<h1>Cart</h1>',
  'demo/film.webm': '0123456789',
}
for (const [name, text] of Object.entries(files)) {
  mkdirSync(path.join(folder, path.dirname(name)), { recursive: true })
  writeFileSync(path.join(folder, name), text)
}

/** These routes ask no database. */
const db = {} as Db
const appWith = (env: NodeJS.ProcessEnv) => {
  const app = createApp({ log: silentLog, trustProxy: false })
  createPixelRoutes({ config: loadConfig(env, '/dev/null'), db, adminToken: secret('token'), folder }).routes(app)
  return app
}

t.test('the pixel is served to every site, compressed, and for ever under its version', async (t) => {
  const app = appWith({})
  const newest = await app.inject({ url: '/js/tracking.js', headers: { 'accept-encoding': 'gzip, br' } })
  t.match(newest.headers, {
    'content-type': 'text/javascript; charset=utf-8',
    'content-encoding': 'br',
    'access-control-allow-origin': '*',
    'cross-origin-resource-policy': 'cross-origin',
    'x-content-type-options': 'nosniff',
    'cache-control': /max-age=3600/,
    vary: 'Accept-Encoding',
  })
  t.equal(brotliDecompressSync(newest.rawPayload).toString(), files['js/tracking.js'])
  const gzipped = await app.inject({ url: '/js/tracking.js', headers: { 'accept-encoding': 'gzip, br;q=0' } })
  t.equal(gunzipSync(gzipped.rawPayload).toString(), files['js/tracking.js'])
  const plain = await app.inject({ url: '/js/tracking.js' })
  t.equal(plain.body, files['js/tracking.js'])
  t.equal(plain.headers['content-encoding'], undefined)

  const pinned = await app.inject({ url: '/js/v1.2.3/tracking.js' })
  t.match(pinned.headers['cache-control'], /immutable/)
  t.equal(pinned.body, plain.body)
  const unchanged = await app.inject({ url: '/js/tracking.js', headers: { 'if-none-match': `${plain.headers.etag}` } })
  t.same([unchanged.statusCode, unchanged.body], [304, ''])
})

t.test('the demo shop is on without a database of one’s own, and off with one', async (t) => {
  const cases: [env: NodeJS.ProcessEnv, status: number][] = [
    [{}, 200],
    [{ DEMO: 'false' }, 404],
    [{ DATABASE_URL: 'postgres://localhost/x' }, 404],
    [{ DATABASE_URL: 'postgres://localhost/x', DEMO: 'true' }, 200],
  ]
  for (const [env, status] of cases) {
    const app = appWith(env)
    for (const url of ['/', '/cart'])
      t.equal((await app.inject({ url })).statusCode, status, `${url} ${JSON.stringify(env)}`)
    t.equal((await app.inject({ url: '/demo/files' })).statusCode, status === 200 ? 401 : 404)
    t.equal((await app.inject({ url: '/js/tracking.js' })).statusCode, 200)
  }
})

t.test('the shop allows itself nothing that is not its own, and films are given by range', async (t) => {
  const app = appWith({})
  const home = await app.inject({ url: '/' })
  t.match(home.headers['content-security-policy'], /default-src 'none'; script-src 'self'/)
  t.notMatch(home.headers['content-security-policy'], /unsafe/)
  const part = await app.inject({ url: '/demo/film.webm', headers: { range: 'bytes=2-4' } })
  t.same([part.statusCode, part.body, part.headers['content-range']], [206, '234', 'bytes 2-4/10'])
  const rest = await app.inject({ url: '/demo/film.webm', headers: { range: 'bytes=8-' } })
  t.same([rest.statusCode, rest.body], [206, '89'])
  t.equal((await app.inject({ url: '/demo/film.webm', headers: { range: 'bytes=10-' } })).statusCode, 416)
})
