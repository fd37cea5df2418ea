import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { tempFolder } from '../support/exporter.ts'
import { collectOutput, exitOf, runProgram, startServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { openReceiver } from './receiver.ts'

const usesEmbedded = process.platform === 'linux'

t.test(
  'billing and webhooks are commanded beside a running server, on its database',
  { skip: !usesEmbedded },
  async (t) => {
    const DATA_DIR = await tempFolder(t)
    const receiver = await openReceiver([])
    const settings = await openReceiver([])
    t.teardown(() => Promise.all([receiver.close(), settings.close()]))
    const env = { CLIENT_ID: 'acme', WEBHOOK_ALLOW_PRIVATE: 'true' }
    const server = await startServer(DATA_DIR, { ...env, BILLING_WEBHOOK_URL: settings.url })
    t.teardown(async () => {
      server.process.kill('SIGTERM')
      await server.exited
    })
    /** As a person runs it in another terminal, which does not have BILLING_WEBHOOK_URL. */
    const run = async (...args: string[]) => {
      const child = runProgram(args, { DATA_DIR, ...env })
      const output = collectOutput(child)
      return { code: await exitOf(child), text: output() }
    }
    const postmaster = () => readFileSync(`${DATA_DIR}/postgres/postmaster.pid`, 'utf8').split('\n')[0]
    const before = postmaster()
    const collect = (url: string) =>
      fetch(`${server.address}/collect`, { method: 'POST', body: JSON.stringify({ eventType: 'pageview', url }) })
    // Before anything comes: the server looks for domains by itself.
    t.match(await run('billing', 'domains'), { code: 0, text: /^No domain yet/ })
    for (let n = 0; n < 3; n++) t.equal((await collect('https://shop.example.com/')).status, 200)

    t.match(await run('billing', 'usage'), { code: 0, text: /3 events, 3 pageviews[\s\S]*shop\.example\.com/ })
    t.match(await run('billing', 'domains', 'approve', 'example.com'), { code: 0, text: 'example.com is approved.\n' })
    t.match(await run('billing', 'usage'), { code: 0, text: /Billable: 3 events[\s\S]*\$0\.00003 so far/ })
    t.match(await server.admin('GET', '/billing/usage'), { billable: 3, amount_usd: '0.00003' }, 'the server agrees')
    t.match(await run('billing', 'usage', '--month', '9999-12'), { code: 2 })
    t.match(await run('billing', 'domains', 'approve', 'shop.example.com'), { code: 2, text: /part of example\.com/ })
    t.match(await run('billing', 'statement'), { code: 1, text: /^not_found: There is no statement/ })

    const added = await run('webhooks', 'add', 'meter', receiver.url, '--events', 'export.delivered', '--json')
    receiver.secrets = [(JSON.parse(added.text) as { secret: string }).secret]
    t.match(await run('webhooks', 'add', 'meter', receiver.url), { code: 1, text: /^conflict: / })
    t.match(await run('webhooks', 'send-test', 'meter'), { code: 0, text: 'meter took it (200).\n' })
    t.match(await run('webhooks', 'list'), { code: 0, text: /billing {2}http[\s\S]*active[\s\S]*meter/ })
    t.match(await run('export', 'run'), { code: 0 })
    const month = new Date().toISOString().slice(0, 7)
    t.match(await run('billing', 'reconcile', '--month', month), {
      code: 0,
      text: /received +3 events[\s\S]*No differences/,
    })
    t.match(await run('billing', 'reconcile', `${DATA_DIR}/exports/backup`, '--month', month), { code: 0 })
    const [manifest = ''] = readdirSync(`${DATA_DIR}/exports/backup/manifests`, { recursive: true }).map(String)
    t.ok(manifest, 'what was proven is there')

    // The server itself tells both endpoints what was delivered.
    await until('export.delivered', () =>
      [receiver, settings].every((one) => one.taken.some(({ body }) => body.includes('"export.delivered"'))),
    )
    t.strictSame(receiver.refusals, [])
    t.match(await run('webhooks', 'replay', '--from', '2026-01-01', '--to', '2100-01-01', '--endpoint', 'meter'), {
      code: 0,
      text: /^2 deliveries/,
    })
    await until(
      'the replay',
      () => receiver.taken.filter(({ body }) => body.includes('"export.delivered"')).length >= 2,
    )
    t.match(await run('webhooks', 'attempts', 'meter'), { code: 0, text: /took it \(200\)/ })
    t.equal(postmaster(), before, 'the same database, still running')
    t.equal((await collect('https://shop.example.com/')).status, 200)
  },
)
