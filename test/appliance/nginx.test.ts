import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import http, { type IncomingHttpHeaders } from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import path from 'node:path'
import tls from 'node:tls'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import t from 'tap'
import { parse } from 'yaml'
import { parseClient } from '../../src/provisioning/client-file.ts'
import type { Client } from '../../src/provisioning/client-schema.ts'
import { renderNginx } from '../../src/provisioning/render-nginx.ts'
import { type ClientName, clientTexts, testClient } from '../provisioning/clients.ts'
import { serverDatabase } from '../support/database.ts'
import { tempFolder } from '../support/exporter.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { countingProxy } from './counting-proxy.ts'
import { makeCertificate, type Nginx, placed, startNginx, withoutNginx } from './nginx-server.ts'

const host = 'events.corner-shop.example'
const clientWith = (more: object): Client =>
  parseClient(JSON.stringify({ ...parse(clientTexts.small), ...more }), 'client.yaml')

type Answer = { status: number; headers: IncomingHttpHeaders; body: Buffer }
type Ask = {
  method?: string
  headers?: Record<string, string>
  body?: string | Buffer
  /** Loopback is a whole range: the visitor's address. */
  from?: string
  agent?: https.Agent
}
const ask = (nginx: Nginx, place: string, options: Ask = {}): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { method = options.body === undefined ? 'GET' : 'POST', headers, from = '127.0.0.1', agent } = options
    const request = https.request(
      {
        ...{ host: '127.0.0.1', port: nginx.https, servername: host, path: place, method, ca: nginx.ca },
        ...{ localAddress: from, headers: { host, ...headers }, agent: agent ?? false },
      },
      (answer) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }),
        )
        answer.on('error', reject)
      },
    )
    request.on('error', reject)
    request.end(options.body)
  })

const pageview = (more: object = {}): string => JSON.stringify({ eventType: 'pageview', visitorId: 'v', ...more })

/** The whole program behind a proxy that counts connections, and nginx in front. */
const stand = async (
  t: { teardown(fn: () => unknown): void },
  client: Client,
): Promise<{ nginx: Nginx; server: TestServer; connections: () => number }> => {
  const [dataDir, folder] = [await tempFolder(t), await tempFolder(t)]
  const env = { ...(await serverDatabase(t)), TRUST_PROXY: '127.0.0.1', IP_ADDRESS: 'full', RATE_LIMIT_COLLECT: '0' }
  const server = await startServer(dataDir, env)
  t.teardown(async () => {
    server.process.kill('SIGTERM')
    await server.exited
  })
  const port = Number(new URL(server.address).port)
  const proxy = await countingProxy(t, port)
  const nginx = await startNginx(t, folder, client, { collect: proxy.port, worker: port })
  return { nginx, server, connections: proxy.connections }
}

t.test('every rendered configuration is one that nginx takes', { skip: withoutNginx }, async (t) => {
  for (const name of Object.keys(clientTexts) as ClientName[]) {
    for (const mode of ['letsencrypt', 'own', 'none'] as const) {
      const client: Client = { ...testClient(name), tls: { mode, staging: false } }
      const folder = await tempFolder(t)
      makeCertificate(folder, client.domain)
      const places = { folder, http: 8080, https: 8443, upstreams: { collect: 8001, worker: 8002 } }
      writeFileSync(path.join(folder, 'nginx.conf'), placed(renderNginx(client), client, places))
      t.doesNotThrow(
        () => execFileSync('nginx', ['-t', '-c', path.join(folder, 'nginx.conf')], { stdio: 'pipe' }),
        `${name}, ${mode}`,
      )
    }
  }
})

t.test('nginx in front', { skip: withoutNginx }, async (t) => {
  const { nginx, server, connections } = await stand(t, clientWith({ tls: { mode: 'own' } }))
  const recent = async (limit = 1) =>
    (await server.admin<{ events: { ip_address: string; event_id: string }[] }>('GET', `/events/recent?limit=${limit}`))
      .events

  t.test('TLS: the own certificate, 1.2 and 1.3, HTTP/2, and nothing for a stranger', async (t) => {
    const answer = await ask(nginx, '/collect', { body: pageview() })
    t.equal(answer.status, 200)
    t.match(answer.headers, { 'strict-transport-security': /max-age=31536000/, 'x-content-type-options': 'nosniff' })
    t.notMatch(answer.headers.server, /\d/, 'no version')
    const handshake = (options: tls.ConnectionOptions) =>
      new Promise<string>((resolve) => {
        const socket = tls.connect(
          { host: '127.0.0.1', port: nginx.https, ca: nginx.ca, servername: host, ...options },
          () => {
            resolve(`${socket.getProtocol()} ${socket.alpnProtocol}`)
            socket.end()
          },
        )
        socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
      })
    t.equal(await handshake({ ALPNProtocols: ['h2'] }), 'TLSv1.3 h2')
    t.match(await handshake({ maxVersion: 'TLSv1.2' }), 'TLSv1.2')
    t.match(
      await handshake({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
      /ERR_SSL|ECONNRESET/,
    )
    t.match(await handshake({ servername: 'other.example' }), /ERR_SSL|ECONNRESET/)
    const session = http2.connect(`https://127.0.0.1:${nginx.https}`, { ca: nginx.ca, servername: host })
    const stream = session.request({ ':method': 'POST', ':path': '/collect', ':authority': host })
    const status = new Promise((resolve) => stream.on('response', (headers) => resolve(headers[':status'])))
    stream.end(pageview())
    t.equal(await status, 200)
    session.close()
  })

  t.test('plain HTTP is sent to HTTPS with its method, and an unknown host gets nothing', async (t) => {
    const plain = (headers: Record<string, string>) =>
      new Promise<{ status: number; location?: string } | string>((resolve) => {
        const request = http.request(
          { host: '127.0.0.1', port: nginx.http, path: '/collect?a=1', method: 'POST', headers },
          (answer) => {
            answer.resume()
            const { location } = answer.headers
            resolve({ status: answer.statusCode ?? 0, ...(location !== undefined && { location }) })
          },
        )
        request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'failed'))
        request.end()
      })
    t.strictSame(await plain({ host }), { status: 308, location: `https://${host}/collect?a=1` })
    t.equal(await plain({ host: 'other.example' }), 'ECONNRESET')
  })

  t.test("a visitor's address is the one it connects from, whatever it says", async (t) => {
    await ask(nginx, '/collect', {
      body: pageview(),
      from: '127.0.0.2',
      headers: { 'x-forwarded-for': '203.0.113.9', 'x-real-ip': '203.0.113.9' },
    })
    t.equal((await recent())[0]?.ip_address, '127.0.0.2')
  })

  t.test('bodies: as large as the collector takes, and no larger', async (t) => {
    const large = JSON.stringify({
      eventType: 'batch',
      events: Array.from({ length: 200 }, () => ({ eventType: 'a', text: 'x'.repeat(20_000) })),
    })
    t.equal((await ask(nginx, '/collect', { body: large })).status, 200)
    t.equal((await ask(nginx, '/collect', { body: Buffer.alloc(8_500_000, 32) })).status, 413, 'by the collector')
    const refused = await ask(nginx, '/collect', { body: Buffer.alloc(10_000_000, 32) }).catch(
      (error: NodeJS.ErrnoException) => error.code,
    )
    t.ok(refused === 'EPIPE' || refused === 'ECONNRESET' || (refused as Answer).status === 413, 'by nginx')
  })

  t.test('connections to the collector are kept', async (t) => {
    const before = connections()
    for (let n = 0; n < 200; n++) t.equal((await ask(nginx, '/collect', { body: pageview() })).status, 200)
    t.ok(
      connections() - before <= 4,
      `${connections() - before} connections for 200 requests, each on a connection of its own`,
    )
  })

  t.test('the pixel comes compressed as it was built, and may be loaded by any site', async (t) => {
    const plain = await ask(nginx, '/js/tracking.js')
    t.equal(plain.status, 200)
    t.match(plain.headers, {
      'content-type': 'text/javascript; charset=utf-8',
      'access-control-allow-origin': '*',
      'cross-origin-resource-policy': 'cross-origin',
      'cache-control': /max-age=3600/,
      vary: 'Accept-Encoding',
    })
    t.notOk(plain.headers['content-encoding'])
    for (const [accept, encoding, decode] of [
      ['gzip, deflate, br', 'br', brotliDecompressSync],
      ['gzip, deflate', 'gzip', gunzipSync],
      ['br;q=0, gzip', 'gzip', gunzipSync],
    ] as const) {
      const answer = await ask(nginx, '/js/tracking.js', { headers: { 'accept-encoding': accept } })
      t.equal(answer.headers['content-encoding'], encoding, accept)
      t.ok(decode(answer.body).equals(plain.body))
      t.ok(answer.body.length < plain.body.length)
    }
    const direct = Buffer.from(await (await fetch(`${server.address}/js/tracking.js`)).arrayBuffer())
    t.ok(direct.equals(plain.body), 'the same bytes as from the collector itself')
    const [, version = ''] = /"version": "([\d.]+)"/.exec((await ask(nginx, '/js/versions.json')).body.toString()) ?? []
    t.match((await ask(nginx, `/js/v${version}/tracking.js`)).headers['cache-control'], /immutable/)
    for (const address of [
      '/js/',
      '/js/tracking.js.br',
      '/js/..%2f..%2fnginx.conf',
      '/js/../../nginx.conf',
      '/js/none.js',
    ])
      t.match(String((await ask(nginx, address)).status), /^40[04]$/, address)
  })

  t.test('the admin API needs its token, is asked at its own rate, and is the worker', async (t) => {
    t.equal((await ask(nginx, '/export/status')).status, 401)
    const answer = await ask(nginx, '/export/status', { headers: { authorization: `Bearer ${server.adminToken}` } })
    t.equal(answer.status, 200)
    t.equal((await ask(nginx, '/metrics')).status, 401, 'nginx stands on the same machine, and is no local visitor')
    t.equal((await ask(nginx, '/health')).status, 200)
    const statuses = await Promise.all(
      Array.from({ length: 200 }, () => ask(nginx, '/export/status', { from: '127.0.0.5' }).then((one) => one.status)),
    )
    t.ok(statuses.includes(429))
    t.equal((await ask(nginx, '/export/status')).status, 401, 'another address is served')
  })

  t.test('a reload under load loses no request, and stores none twice', async (t) => {
    const sent = new Set<string>()
    let stop = false
    let failures = 0
    let retried = 0
    const send = async (batchId: string, agent?: https.Agent): Promise<void> => {
      const body = JSON.stringify({
        eventType: 'batch',
        batchId,
        siteId: 'reload.example',
        visitorId: 'v',
        sessionId: 's',
        events: [{ eventType: 'reload' }],
      })
      for (let attempt = 0; attempt < 5; attempt++) {
        const status = await ask(nginx, '/collect', { body, ...(agent && { agent }) }).then(
          (one) => one.status,
          () => 0,
        )
        if (status === 200) return void sent.add(batchId)
        // A connection that was idle may be closed while a request is on its way: pixels send it again. A new one never is.
        if (agent && status === 0) retried++
        else failures++
      }
    }
    const visitors = Array.from({ length: 6 }, async (_, n) => {
      const agent = n < 3 ? new https.Agent({ keepAlive: true, maxSockets: 1 }) : undefined
      while (!stop) await send(randomUUID(), agent)
      agent?.destroy()
    })
    const before = nginx.workers()
    for (let n = 0; n < 4; n++) {
      const workers = nginx.workers()
      const count = sent.size
      nginx.reload()
      while (sent.size < count + 100 || nginx.workers().every((pid) => workers.includes(pid)))
        await new Promise((resolve) => setTimeout(resolve, 20))
    }
    stop = true
    await Promise.all(visitors)
    t.ok(
      nginx.workers().every((pid) => !before.includes(pid)),
      'all workers are new',
    )
    t.equal(failures, 0)
    t.comment(`${sent.size} batches, ${retried} sent again`)
    const stored = await server.admin<{ total_events: number }>('GET', '/events/count')
    const others = 1 + 1 + 1 + 200 + 200
    t.equal(stored.total_events, sent.size + others, 'each batch is there once')
  })
})

t.test('rates are counted per address; a balancer is believed, and only it', { skip: withoutNginx }, async (t) => {
  const limits = { collect_per_second: 5, admin_per_second: 1 }
  const client = clientWith({ tls: { mode: 'own' }, limits, proxies: ['127.0.0.9'], admin_addresses: ['127.0.0.4'] })
  const { nginx, server } = await stand(t, client)
  const burst = (count: number, from: string, headers: Record<string, string> = {}) =>
    Promise.all(
      Array.from({ length: count }, () =>
        ask(nginx, '/collect', { body: pageview(), from, headers }).then((one) => one.status),
      ),
    )
  const flood = await burst(60, '127.0.0.2')
  t.ok(flood.filter((one) => one === 200).length >= 10, 'a burst is served')
  t.ok(flood.filter((one) => one === 429).length >= 30, 'a flood is not')
  t.strictSame(await burst(5, '127.0.0.3'), [200, 200, 200, 200, 200], 'nobody else is refused for it')
  t.equal((await ask(nginx, '/export/status')).status, 403, 'not an address of the admins')
  t.equal((await ask(nginx, '/export/status', { from: '127.0.0.4' })).status, 401)
  const visitor = { 'x-forwarded-for': '198.51.100.77' }
  t.strictSame(await burst(1, '127.0.0.9', visitor), [200])
  const { events } = await server.admin<{ events: { ip_address: string }[] }>('GET', '/events/recent?limit=1')
  t.equal(events[0]?.ip_address, '198.51.100.77')
})
