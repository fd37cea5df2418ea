import { stringify } from 'yaml'
import { sha256OfText } from '../storage/sha256.ts'
import type { Client } from './client-schema.ts'
import { addressOf } from './network.ts'
import type { Release } from './release.ts'
import { appUid, backedUp, type PlannedSecret, secretPlan } from './secret-plan.ts'
import { type Service, sizingOf } from './sizing.ts'

/** A service of the compose file, as far as we write it. */
export type ComposeService = Record<string, unknown> & { image: string }
export type Compose = {
  name: string
  services: Partial<Record<Service, ComposeService>>
  networks: Record<string, unknown>
  volumes: Record<string, unknown>
  secrets: Record<string, { file: string }>
}

/** Where our own images come from: the registry of the client's file, or those that were brought to the machine. */
export const imageOf = (client: Client, image: string): string =>
  client.images.registry === undefined ? image : `${client.images.registry}/${image.split('/').at(-1)}`

/** What every service has: nothing writable but what is named, no rights but what is added, limits on everything. */
const hardened = (client: Client, name: Service): Record<string, unknown> => {
  const sizing = sizingOf(client)
  return {
    init: true,
    restart: 'unless-stopped',
    read_only: true,
    cap_drop: ['ALL'],
    security_opt: ['no-new-privileges:true'],
    pids_limit: name === 'timescaledb' ? 512 : 256,
    mem_limit: `${sizing.memoryMb[name]}m`,
    memswap_limit: `${sizing.memoryMb[name]}m`,
    cpus: sizing.cpus[name],
    // Where there are fewer cores than work, files wait and pages do not.
    cpu_shares: name === 'worker' || name === 'backup' ? 256 : 1024,
    // Docker's default keeps logs for ever.
    logging: { driver: 'local', options: { 'max-size': '10m', 'max-file': '5' } },
  }
}

/** No word with a space in it: podman takes such a command apart again. */
const askHealth = ['CMD', 'node', '/app/healthcheck.js']
const health = (test: string[], startSeconds = 30) => ({
  test,
  interval: '15s',
  timeout: '10s',
  retries: 4,
  start_period: `${startSeconds}s`,
})
const healthy = { condition: 'service_healthy' }

/** The compose file as data. */
export const composeOf = (client: Client, release: Release): Compose => {
  const secrets = secretPlan(client)
  const of = (name: Service) => secrets.filter((one) => one.services.includes(name))
  const ours = (name: Service, granted: readonly PlannedSecret[]): ComposeService => ({
    image: imageOf(client, release.images.app),
    user: `${appUid}:${appUid}`,
    ...hardened(client, name),
    env_file: ['settings/settings.env'],
    environment: Object.fromEntries(
      of(name).flatMap((one) => (one.setting ? [[`${one.setting}_FILE`, `/run/secrets/${one.name}`]] : [])),
    ),
    secrets: granted.map((one) => one.name),
    tmpfs: ['/tmp:mode=1777,size=64m'],
    // Folders, not files: a mounted file stays the old one when a new one takes its place.
    volumes: ['data:/data', './settings:/appliance:ro'],
  })
  const collector = ours('collect', of('collect'))
  const rooms: Partial<Record<Service, ComposeService>> = {
    timescaledb: database(client, release),
    collect: {
      ...collector,
      // Requests live as long as a commit takes; room for them among the young saves a seventh of the CPU time.
      environment: { ...(collector.environment as Record<string, string>), NODE_OPTIONS: '--max-semi-space-size=64' },
      command: ['collect'],
      networks: { front: { ipv4_address: addressOf(client, 'collect') }, back: {} },
      // Not healthy: it collects without a database, too.
      depends_on: { timescaledb: { condition: 'service_started' } },
      healthcheck: health(askHealth),
      stop_grace_period: '45s',
    },
    worker: {
      ...ours('worker', of('worker')),
      // It reads its rules when it starts, and compose sees no change in a mounted file: this one it does.
      ...(client.export.rules && {
        labels: { 'evothesis.export-rules': sha256OfText(stringify(client.export.rules)) },
      }),
      command: ['worker'],
      networks: { front: { ipv4_address: addressOf(client, 'worker') }, back: {} },
      depends_on: { timescaledb: healthy },
      healthcheck: health(askHealth),
      stop_grace_period: '120s',
    },
    backup: {
      // It holds all secrets of ours, because it backs them up; only two of them are its settings.
      ...ours('backup', backedUp(secrets)),
      command: ['backup', '--scheduled'],
      networks: ['front', 'back'],
      depends_on: { timescaledb: healthy },
      healthcheck: health([...askHealth, '/tmp/backup-alive']),
      stop_grace_period: '120s',
    },
    nginx: nginx(client, release),
    ...(client.tls.mode === 'letsencrypt' && { certbot: certbot(client, release) }),
  }
  return {
    name: 'evothesis',
    services: rooms,
    networks: {
      // Addresses that are not fixed come from the upper half: else a container could take one of a stopped neighbour.
      front: {
        ipam: { config: [{ subnet: client.vm.subnet, ip_range: client.vm.subnet.replace(/0\/24$/, '128/25') }] },
      },
      // No way out: the database is reached by its three users alone.
      back: { internal: true },
    },
    volumes: {
      data: {},
      database: {},
      ...(client.tls.mode === 'letsencrypt' && { letsencrypt: {}, challenges: {} }),
    },
    secrets: Object.fromEntries(
      secrets.filter((one) => !isMounted(one)).map((one) => [one.name, { file: `./secrets/${one.name}` }]),
    ),
  }
}

/** The certificate's files are mounted where certbot's would be, so that nginx has one configuration for both. */
const isMounted = (one: PlannedSecret): boolean => one.services.includes('nginx')

const database = (client: Client, release: Release): ComposeService => ({
  image: release.images.database,
  ...hardened(client, 'timescaledb'),
  // Its entrypoint begins as root, hands its folders to postgres, and becomes it.
  cap_add: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'SETGID', 'SETUID'],
  environment: {
    POSTGRES_USER: 'evothesis',
    POSTGRES_DB: 'evothesis',
    POSTGRES_PASSWORD_FILE: '/run/secrets/postgres-password',
    POSTGRES_INITDB_ARGS: '--auth-host=scram-sha-256 --data-checksums',
    PGDATA: '/var/lib/postgresql/data',
    NO_TS_TUNE: 'true',
  },
  command: [
    'postgres',
    ...Object.entries(sizingOf(client).database).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ],
  secrets: ['postgres-password'],
  shm_size: '256m',
  tmpfs: ['/tmp:mode=1777,size=64m', '/var/run/postgresql:mode=1777,size=8m'],
  volumes: ['database:/var/lib/postgresql/data'],
  networks: ['back'],
  // By TCP: while the cluster is made, a server answers on the socket alone.
  healthcheck: health(['CMD', 'pg_isready', '-q', '-h', '127.0.0.1', '-U', 'evothesis', '-d', 'evothesis'], 120),
  stop_grace_period: '120s',
})

const nginx = (client: Client, release: Release): ComposeService => ({
  image: imageOf(client, release.images.web),
  ...hardened(client, 'nginx'),
  // The master binds the ports and reads the key; its workers have another account.
  cap_add: ['CHOWN', 'NET_BIND_SERVICE', 'SETGID', 'SETUID'],
  entrypoint: ['sh', '/etc/nginx/evothesis/start.sh'],
  ports: ['80:80', ...(client.tls.mode === 'none' ? [] : ['443:443'])],
  tmpfs: ['/tmp:mode=1777,size=64m', '/run:size=1m', '/var/cache/nginx:size=64m'],
  volumes: [
    './nginx:/etc/nginx/evothesis:ro',
    ...(client.tls.mode === 'none' ? [] : ['./certificates:/etc/nginx/certificates:ro']),
    ...(client.tls.mode === 'letsencrypt' ? ['challenges:/var/www/challenges:ro'] : []),
  ],
  networks: { front: { ipv4_address: addressOf(client, 'nginx') } },
  depends_on: { collect: { condition: 'service_started' }, worker: { condition: 'service_started' } },
  healthcheck: health(['CMD', 'curl', '-fsS', '-o', '/dev/null', 'http://127.0.0.1/nginx-health'], 10),
  stop_grace_period: '45s',
})

const certbot = (client: Client, release: Release): ComposeService => ({
  image: release.images.certbot,
  ...hardened(client, 'certbot'),
  entrypoint: ['sh', '/etc/certbot/run.sh'],
  environment: {
    DOMAIN: client.domain,
    ...(client.tls.email !== undefined && { CERTBOT_EMAIL: client.tls.email }),
    CERTBOT_STAGING: String(client.tls.staging),
  },
  tmpfs: ['/tmp:mode=1777,size=64m', '/var/log/letsencrypt:size=16m', '/var/lib/letsencrypt:size=16m'],
  volumes: [
    './certbot:/etc/certbot:ro',
    './certificates:/certificates',
    'letsencrypt:/etc/letsencrypt',
    'challenges:/var/www/challenges',
  ],
  networks: ['front'],
  depends_on: { nginx: { condition: 'service_started' } },
  healthcheck: health(['CMD-SHELL', 'test -n "$$(find /tmp/certbot-alive -mmin -800)"'], 60),
})

/** The text of `compose.yaml`. Nothing in it is filled in later: there is no variable that could be unset. */
export const renderCompose = (client: Client, release: Release): string =>
  `# Rendered from client.yaml: change it there. Only nginx is published.\n${stringify(composeOf(client, release), {
    lineWidth: 0,
    aliasDuplicateObjects: false,
  })}`
