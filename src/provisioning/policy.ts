import { parse } from 'yaml'
import type { RenderedFile } from './render.ts'
import { cloudInitBytesMax } from './render-cloud-init.ts'

/** A rule that rendered files break. CIS ids are of the CIS Docker Benchmark. */
export type Breach = { rule: string; where: string; message: string }

type Service = {
  image?: string
  user?: string
  privileged?: boolean
  read_only?: boolean
  cap_drop?: string[]
  cap_add?: string[]
  security_opt?: string[]
  pids_limit?: number
  mem_limit?: string
  cpus?: number
  healthcheck?: { test?: unknown; disable?: boolean }
  logging?: { driver?: string; options?: Record<string, string> }
  ports?: (string | { published?: string; host_ip?: string })[]
  network_mode?: string
  pid?: string
  ipc?: string
  volumes?: (string | { source?: string; target?: string })[]
  environment?: Record<string, string>
  restart?: string
}

/** What a container may add to no rights at all: less than Docker's default, and nothing that leaves the container. */
const capabilitiesAllowed = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'NET_BIND_SERVICE', 'SETGID', 'SETUID']
const portsAllowed = ['80:80', '443:443']
const folderOfState = /^\.\/(certificates|secrets)\b|^\.\//

/** Words that are somebody's password in known products, or wait for one. */
const defaultSecrets =
  /\b(postgres:postgres|password123|changeme|change-me|change_me|replace-me|replace_me|letmein|admin:admin|secret123|hunter2|moohoo|your[-_]?(secret|password)|<password>)\b/i
/** A private key, an AWS key, a signing secret, or an address with a password in it. */
const realSecrets =
  /-----BEGIN [A-Z ]*PRIVATE KEY-----|AGE-SECRET-KEY-1|\bAKIA[0-9A-Z]{16}\b|\bwhsec_[A-Za-z0-9+/=]{20,}|\b[a-z]+:\/\/[^\s/:@'"%$]+:[^\s/:@'"%$]{6,}@/

/**
 * Walks everything that was rendered, rule by rule. It is run by `provision validate` and before anything is brought to a
 * machine: a mistake in a template must not reach a client.
 */
export const breachesOf = (files: readonly RenderedFile[]): Breach[] => {
  const text = (name: string): string => files.find((one) => one.path === name)?.text ?? ''
  const compose = parse(text('compose.yaml')) as {
    services?: Record<string, Service>
    secrets?: Record<string, { file?: string }>
    networks?: Record<string, { internal?: boolean } | null>
  }
  return [
    ...Object.entries(compose.services ?? {}).flatMap(([name, service]) => serviceBreaches(name, service)),
    ...composeBreaches(text('compose.yaml'), compose),
    ...files.flatMap(secretBreaches),
    ...cloudInitBreaches(text('cloud-init.yaml')),
  ]
}

const serviceBreaches = (name: string, service: Service): Breach[] => {
  const volumes = (service.volumes ?? []).map((one) => (typeof one === 'string' ? one : (one.source ?? '')))
  const rules: [boolean, string, string][] = [
    [service.cap_drop?.includes('ALL') === true, 'CIS 5.4', 'drops all capabilities'],
    [
      (service.cap_add ?? []).every((one) => capabilitiesAllowed.includes(one)),
      'CIS 5.4',
      `adds no capability but ${capabilitiesAllowed.join(', ')}`,
    ],
    [service.privileged !== true, 'CIS 5.5', 'is not privileged'],
    [
      volumes.every((one) => !one.startsWith('/') && (folderOfState.test(one) || /^[a-z]+:/.test(one))),
      'CIS 5.6',
      'mounts nothing of the host but its own folder',
    ],
    [
      (service.ports ?? []).every((one) => typeof one === 'string' && portsAllowed.includes(one)),
      'CIS 5.8, 5.9',
      'publishes nothing but 80 and 443',
    ],
    [(service.ports ?? []).length === 0 || name === 'nginx', 'CIS 5.9', 'is not published; nginx is'],
    [service.network_mode === undefined, 'CIS 5.10', 'has a network of its own'],
    [/^\d+m$/.test(service.mem_limit ?? ''), 'CIS 5.11', 'has a limit of memory'],
    [typeof service.cpus === 'number' && service.cpus > 0, 'CIS 5.12', 'has a limit of cores'],
    [service.read_only === true, 'CIS 5.13', 'has a root file system that is read only'],
    [service.restart === 'unless-stopped', 'restart', 'starts again after a restart of the machine'],
    [service.pid === undefined && service.ipc === undefined, 'CIS 5.16, 5.17', 'shares no namespace with the host'],
    [service.security_opt?.includes('no-new-privileges:true') === true, 'CIS 5.26', 'may not gain privileges'],
    [
      Array.isArray(service.healthcheck?.test) && service.healthcheck.disable !== true,
      'CIS 5.27, 4.6',
      'has a healthcheck',
    ],
    [(service.pids_limit ?? 0) > 0, 'CIS 5.29', 'has a limit of processes'],
    [!volumes.some((one) => one.includes('docker.sock')), 'CIS 5.32', 'has no access to the container engine'],
    [
      service.logging?.driver === 'local' && service.logging.options?.['max-size'] !== undefined,
      'logs',
      'has logs that are rotated',
    ],
    [
      /:[^:/]*\d[^:/]*$/.test((service.image ?? '').replace(/@sha256:.*$/, '')) && !/:latest/.test(service.image ?? ''),
      'image',
      'has an image of a named version',
    ],
    [
      Object.entries(service.environment ?? {}).every(
        ([variable]) => /_FILE$/.test(variable) || !/(PASSWORD|SECRET|TOKEN|_KEY|DATABASE_URL)$/.test(variable),
      ),
      'CIS 4.10',
      'has its secrets as files, not in the environment',
    ],
  ]
  return rules
    .filter(([holds]) => !holds)
    .map(([, rule, fact]) => ({ rule, where: `compose.yaml: ${name}`, message: `does not hold: ${fact}` }))
}

const composeBreaches = (
  text: string,
  compose: { secrets?: Record<string, { file?: string }>; networks?: Record<string, { internal?: boolean } | null> },
): Breach[] => {
  const breaches: Breach[] = []
  const add = (rule: string, message: string) => breaches.push({ rule, where: 'compose.yaml', message })
  // `$$` is a dollar for the container's shell; a single one would be filled in, perhaps with nothing.
  if (/(^|[^$])\$(\$\$)*(?!\$)[A-Za-z{]/.test(text)) add('variables', 'is filled in from outside')
  for (const [name, { file }] of Object.entries(compose.secrets ?? {}))
    if (file !== `./secrets/${name}`) add('CIS 4.10', `secret ${name} is not a file of the secrets folder`)
  if (compose.networks?.back?.internal !== true) add('CIS 5.30', 'the network of the database leads outside')
  return breaches
}

const secretBreaches = (file: RenderedFile): Breach[] =>
  [[defaultSecrets, 'holds a well-known or placeholder secret'] as const, [realSecrets, 'holds a secret'] as const]
    // The script that makes the address of the database holds its form.
    .filter(([pattern]) => pattern.test(file.text.replace('postgres://evothesis:%s@timescaledb', '')))
    .map(([, message]) => ({ rule: 'secrets', where: file.path, message }))

const cloudInitBreaches = (text: string): Breach[] => {
  const breaches: Breach[] = []
  const add = (message: string) => breaches.push({ rule: 'cloud-init', where: 'cloud-init.yaml', message })
  if (!text.startsWith('#cloud-config\n')) add('does not begin with #cloud-config')
  if (Buffer.byteLength(text) > cloudInitBytesMax) add(`is larger than ${cloudInitBytesMax} bytes`)
  const document = parse(text) as { ssh_pwauth?: boolean } | null
  if (document?.ssh_pwauth !== false) add('lets passwords in')
  for (const needed of ['DOCKER-USER', 'ufw', 'fail2ban', 'unattended-upgrades', 'PasswordAuthentication no'])
    if (!text.includes(needed)) add(`lacks ${needed}`)
  return breaches
}
