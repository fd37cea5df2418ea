import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Client } from '../../src/provisioning/client-schema.ts'
import { addressOf } from '../../src/provisioning/network.ts'
import { renderNginx } from '../../src/provisioning/render-nginx.ts'
import { freePort } from '../support/free-port.ts'
import { until } from '../support/until.ts'

/** Why the tests with a real nginx cannot run here; false when they can. */
export const withoutNginx: string | false =
  spawnSync('nginx', ['-v']).status !== 0
    ? 'nginx is not installed (apt-get install nginx-light)'
    : spawnSync('openssl', ['version']).status !== 0 && 'openssl is not installed'

/** A certificate authority of our own, and a certificate of it for the host, as PEM files in the folder. */
export const makeCertificate = (folder: string, host: string): { ca: string } => {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=Test CA')
  openssl('req', ...key, '-keyout', 'privkey.pem', '-out', 'host.csr', '-subj', `/CN=${host}`)
  writeFileSync(path.join(folder, 'host.ext'), `subjectAltName=DNS:${host}\n`)
  openssl(
    ...['x509', '-req', '-in', 'host.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2'],
    ...['-extfile', 'host.ext', '-out', 'host.pem'],
  )
  const ca = readFileSync(path.join(folder, 'ca.pem'), 'utf8')
  writeFileSync(path.join(folder, 'fullchain.pem'), readFileSync(path.join(folder, 'host.pem'), 'utf8') + ca)
  return { ca }
}

export type Nginx = {
  http: number
  https: number
  ca: string
  /** As the container does it when a file has changed. */
  reload(): void
  /** Process ids of the workers. */
  workers(): string[]
}

/**
 * A real nginx with the rendered configuration. Only places are others than on a client's machine: ports, folders, and the
 * addresses of collector and worker.
 */
export const startNginx = async (
  t: { teardown(fn: () => unknown): void },
  folder: string,
  client: Client,
  upstreams: { collect: number; worker: number },
): Promise<Nginx> => {
  const [http, https] = [await freePort(), await freePort()]
  const config = path.join(folder, 'nginx.conf')
  const { ca } = makeCertificate(folder, client.domain)
  mkdirSync(path.join(folder, 'srv/js'), { recursive: true })
  cpSync(path.join(import.meta.dirname, '../../dist/static/js'), path.join(folder, 'srv/js'), { recursive: true })
  execFileSync(process.execPath, [
    path.join(import.meta.dirname, '../../appliance/compress-static.js'),
    path.join(folder, 'srv/js'),
  ])
  execFileSync('chmod', ['-R', 'a+rX', folder])
  writeFileSync(config, placed(renderNginx(client), client, { folder, http, https, upstreams }))
  const args = ['-c', config]
  execFileSync('nginx', ['-t', ...args], { stdio: 'pipe' })
  const child: ChildProcess = spawn('nginx', [...args, '-g', 'daemon off;'], { stdio: ['ignore', 'ignore', 'inherit'] })
  t.teardown(() => child.kill('SIGTERM'))
  const workers = (): string[] =>
    spawnSync('ps', ['-o', 'pid=,args=', '--ppid', String(child.pid)], { encoding: 'utf8' })
      .stdout.split('\n')
      .filter((line) => line.includes('worker process') && !line.includes('shutting down'))
      .map((line) => line.trim().split(' ')[0] ?? '')
  await until('nginx starts', () => workers().length > 0)
  return {
    http,
    https,
    ca,
    workers,
    reload: () => void execFileSync('nginx', ['-s', 'reload', ...args], { stdio: 'pipe' }),
  }
}

/** The configuration with the places of this test; every replacement must find what it replaces. */
export const placed = (
  text: string,
  client: Client,
  to: { folder: string; http: number; https: number; upstreams: { collect: number; worker: number } },
): string => {
  const tls = client.tls.mode !== 'none'
  const changes: [string | RegExp, string][] = [
    [/ \/tmp\//g, ` ${to.folder}/`],
    ['/run/nginx.pid', `${to.folder}/nginx.pid`],
    [`${addressOf(client, 'collect')}:8000`, `127.0.0.1:${to.upstreams.collect}`],
    [`${addressOf(client, 'worker')}:8000`, `127.0.0.1:${to.upstreams.worker}`],
    [/listen 80\b/g, `listen ${to.http}`],
    ['root /srv/static', `root ${to.folder}/srv`],
    ['root /srv/static', `root ${to.folder}/srv`],
    ...(tls
      ? ([
          [/listen 443\b/g, `listen ${to.https}`],
          [/\/etc\/nginx\/certificates\//g, `${to.folder}/`],
        ] as [RegExp, string][])
      : []),
  ]
  return changes.reduce((config, [from, place]) => {
    const changed = config.replace(from, place)
    if (changed === config) throw new Error(`the rendered configuration has no ${from}`)
    return changed
  }, text)
}
