import { execFile, execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Webhook } from 'standardwebhooks'
import t from 'tap'
import { createWebhookSecret } from '../../src/billing/signature.ts'
import { tempFolder } from '../support/exporter.ts'

const program = fileURLToPath(new URL('./send-process.ts', import.meta.url))
const hasOpenssl = (): boolean => {
  try {
    execFileSync('openssl', ['version'])
    return true
  } catch {
    return false
  }
}

const options = { skip: hasOpenssl() ? false : 'there is no openssl to make a certificate with' }

t.test(
  'over https the name is checked against the certificate, though the address was resolved before',
  options,
  async (t) => {
    const folder = await tempFolder(t)
    const [keyFile, certFile] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')]
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'],
        ...['-subj', '/CN=hook.example.com', '-addext', 'subjectAltName=DNS:hook.example.com'],
        ...['-keyout', keyFile, '-out', certFile],
      ],
      { stdio: 'ignore' },
    )
    const key = createWebhookSecret().reveal()
    const taken: unknown[] = []
    const names: unknown[] = []
    const server = createServer({ key: readFileSync(keyFile), cert: readFileSync(certFile) }, (request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        names.push(request.headers.host)
        taken.push(new Webhook(key).verify(Buffer.concat(chunks), request.headers as Record<string, string>))
        response.end()
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => server.close())
    const { port } = server.address() as AddressInfo
    const send = async (host: string, env: NodeJS.ProcessEnv) => {
      const args = ['--import', 'tsx', program, `https://${host}:${port}/hook`, key, '{"n":1}']
      const { stdout } = await promisify(execFile)(process.execPath, args, { env: { PATH: process.env.PATH, ...env } })
      return JSON.parse(stdout) as { status: number | null; error: string | null }
    }
    const trusted = { NODE_EXTRA_CA_CERTS: certFile }
    t.match(await send('hook.example.com', trusted), { status: 200, error: null })
    t.strictSame(taken, [{ n: 1 }])
    t.strictSame(names, [`hook.example.com:${port}`])
    t.match(await send('other.example.com', trusted), { status: null, error: /altnames|does not match/ })
    t.match(await send('hook.example.com', {}), { status: null, error: /self.signed/ })
    t.equal(taken.length, 1, 'nothing was sent to the wrong ones')
  },
)
