import { isIP } from 'node:net'
import { z } from 'zod'
import { cronOf } from './schedule.ts'
import { type Secret, secret } from './secret.ts'
import { uploadChecksums } from './storage/checksum.ts'
import { exportFormats } from './types.ts'

/**
 * Every setting: its group, default, documentation and how its text is read. `.env.example` is printed from this table,
 * so the documentation is the schema. Values are texts; a secret may also come from the file named by `NAME_FILE`.
 */
export type Setting<T> = {
  group: string
  doc: string
  fallback: string | undefined
  secret: boolean
  read: (text: string) => T
}

const flag = (text: string): boolean => {
  if (['true', 'on', 'yes', '1'].includes(text.toLowerCase())) return true
  if (['false', 'off', 'no', '0'].includes(text.toLowerCase())) return false
  throw new Error('must be true or false')
}
const integer =
  (min: number, max: number) =>
  (text: string): number => {
    if (!/^\d+$/.test(text)) throw new Error(`must be a whole number from ${min} to ${max}`)
    const value = Number(text)
    if (value < min || value > max) throw new Error(`must be a whole number from ${min} to ${max}`)
    return value
  }
const decimal = (text: string): number => {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new Error('must be a number such as 0.05')
  return Number(text)
}
const text = (value: string): string => value
const oneOf =
  <const T extends readonly string[]>(values: T) =>
  (value: string): T[number] => {
    const found = values.find((v) => v === value)
    if (found === undefined) throw new Error(`must be one of: ${values.join(', ')}`)
    return found
  }
const list = (value: string): string[] =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
const name = (value: string): string => {
  if (!/^[a-z0-9][a-z0-9_]{0,39}$/.test(value))
    throw new Error('must be 1 to 40 of a-z, 0-9 and _, starting with a letter or digit')
  return value
}
const clientName = (value: string): string => {
  if (!/^[a-z0-9][a-z0-9_-]{0,62}$/.test(value))
    throw new Error('must be 1 to 63 of a-z, 0-9, _ and -, starting with a letter or digit')
  return value
}
const url =
  (...protocols: string[]) =>
  (value: string): string => {
    const parsed = URL.canParse(value) ? new URL(value) : undefined
    if (!parsed || !protocols.includes(parsed.protocol))
      throw new Error(`must be an address that starts with ${protocols.map((p) => `${p}//`).join(' or ')}`)
    return value
  }
const webAddress = url('https:', 'http:')
/** The address of an S3-compatible service. It is shown to people, so that it may hold no credentials. */
export const endpoint = (value: string): string => {
  const { username, password } = new URL(webAddress(value))
  if (username !== '' || password !== '')
    throw new Error('must not hold a user or a password: keys have settings of their own')
  return value
}
/**
 * The address of a PostgreSQL, checked as far as it can be without a connection: else a mistake in it would look like a
 * database that is away. What is wrong is never shown, it may be the password.
 */
const databaseUrl = (value: string): Secret => {
  const parsed = URL.canParse(value) ? new URL(value) : undefined
  const host = parsed && (parsed.hostname || parsed.searchParams.get('host'))
  if (!parsed || !['postgres:', 'postgresql:'].includes(parsed.protocol) || !host || isCutShort(parsed))
    throw new Error(
      'must be an address such as postgres://user:password@host:5432/evothesis; what is special in the user or the password must be percent-encoded (# as %23, @ as %40, / as %2F, ? as %3F)',
    )
  return secret(value)
}
/** Whether a #, / or ? in the password ended the address too early, so that user and password were read as host and port. */
const isCutShort = ({ hash, username, pathname, search }: URL): boolean =>
  hash !== '' || (username === '' && (pathname || search).includes('@'))
const modelName = (value: string): string => {
  if (!/^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}$/.test(value)) throw new Error('is not the name of a model')
  return value
}
/** It goes into a header; what is wrong with it is never shown. */
const apiKey = (value: string): Secret => {
  if (!/^[\x21-\x7e]{8,512}$/.test(value)) throw new Error('is not a key: 8 to 512 printable characters without spaces')
  return secret(value)
}
const byteUnits: Record<string, number> = { b: 1, kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12 }
/** `4 GB`, `500MB`, `1048576`: bytes, decimal units. */
export const bytes = (value: string): number => {
  const match = /^(\d+(?:\.\d+)?)\s*(b|kb|mb|gb|tb)?$/i.exec(value.trim())
  if (!match) throw new Error('must be a size such as 500 MB or 2 GB')
  return Math.round(Number(match[1]) * (byteUnits[(match[2] ?? 'b').toLowerCase()] ?? 1))
}
/** `1000/s`, `50/m`, `0` (off): a rate per second. */
export const rate = (value: string): number => {
  const match = /^(\d+)(?:\/(s|m))?$/.exec(value.trim())
  if (!match) throw new Error('must be a rate such as 1000/s, 600/m or 0 (off)')
  return Number(match[1]) / (match[2] === 'm' ? 60 : 1)
}
/** As fastify's trustProxy takes it. */
const trustedProxies = (value: string): boolean | string => {
  if (value === 'true' || value === 'false') return value === 'true'
  for (const range of list(value)) {
    const [address = '', bits] = range.split('/')
    const most = isIP(address) === 4 ? 32 : 128
    if (isIP(address) === 0 || (bits !== undefined && !(/^\d+$/.test(bits) && Number(bits) <= most)))
      throw new Error('must be false, true, or addresses and CIDR ranges separated by commas')
  }
  return list(value).join(',')
}
const prefix = (value: string): string => {
  const trimmed = value.replace(/^\/+|\/+$/g, '')
  if (!/^[A-Za-z0-9!_.*'()/=-]*$/.test(trimmed) || trimmed.split('/').some((step) => step === '..' || step === '.'))
    throw new Error("may hold letters, digits, / and !_.*'()=- only")
  return trimmed
}
const bucketName = (value: string): string => {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$/.test(value)) throw new Error('is not a bucket name')
  return value
}
const timeZone = (value: string): string => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: value })
    return value
  } catch {
    throw new Error('must be an IANA time zone such as Europe/Berlin')
  }
}
const schedule = (value: string): string => {
  cronOf(value)
  return value
}
const formatList = (value: string) => {
  const formats = z.array(z.enum(exportFormats)).min(1).safeParse(list(value))
  if (!formats.success) throw new Error(`must be any of ${exportFormats.join(',')}`)
  return exportFormats.filter((format) => formats.data.includes(format))
}

const define =
  (group: string) =>
  <T, const D extends string | undefined>(
    fallback: D,
    read: (value: string) => T,
    doc: string,
  ): Setting<D extends string ? T : T | undefined> => ({
    group,
    doc,
    fallback,
    secret: false,
    read: read as Setting<D extends string ? T : T | undefined>['read'],
  })
const defineSecret =
  (group: string) =>
  (doc: string, read: (value: string) => Secret = secret): Setting<Secret | undefined> => ({
    group,
    doc,
    fallback: undefined,
    secret: true,
    read,
  })

const notesGroup = 'Notes'

const client = define('Who this is')
const server = define('Server')
const collect = define('Collect')
const privacy = define('Privacy')
const exporting = define('Export')
const retention = define('Retention')
const machine = define('Backups of the machine')
const billing = define('Billing and alerts')
const agents = define(notesGroup)

const sseModes = ['AES256', 'aws:kms'] as const

const bucketOf = (whose: string, defaultPrefix: string) => {
  const group = `Destination: ${whose}`
  const one = define(group)
  return {
    BUCKET: one(undefined, bucketName, 'Bucket. Without one, files go to a folder under DATA_DIR/exports.'),
    PREFIX: one(undefined, prefix, `Key prefix in the bucket. Default: ${defaultPrefix}.`),
    REGION: one('us-east-1', text, 'Region.'),
    ENDPOINT: one(undefined, endpoint, 'Address of an S3-compatible service other than AWS.'),
    ACCESS_KEY: defineSecret(group)('Access key id. A bucket without keys is parked until it has some.'),
    SECRET_KEY: defineSecret(group)('Secret access key.'),
    CHECKSUM: one(
      'sha256',
      oneOf(uploadChecksums),
      'Checksum that goes with an upload: sha256, crc64nvme, crc32, md5, or none for a service that takes none of them. A service that keeps neither SHA-256 nor CRC is read back.',
    ),
    SSE: one(undefined, oneOf(sseModes), 'Server-side encryption: AES256 or aws:kms.'),
    SSE_KMS_KEY_ID: one(undefined, text, 'Key for aws:kms.'),
    FORCE_PATH_STYLE: one(undefined, flag, 'Address buckets by path. Default: true with an endpoint, else false.'),
  }
}
const prefixed = <P extends string, T extends Record<string, unknown>>(start: P, table: T) =>
  Object.fromEntries(Object.entries(table).map(([key, value]) => [`${start}${key}`, value])) as {
    [K in keyof T & string as `${P}${K}`]: T[K]
  }

export const settings = {
  CLIENT_ID: client('local', clientName, 'Names this client in keys, manifests and webhooks.'),
  NODE_ID: client('n1', name, 'Names this machine among the machines of one client.'),
  HASH_KEY: defineSecret('Who this is')(
    'Key of receipts and keyed hashes; one per client, the same on all its nodes. Generated into DATA_DIR/secrets.',
  ),

  HOST: server('0.0.0.0', text, 'Address to listen on.'),
  PORT: server('8000', integer(0, 65535), 'Port to listen on.'),
  DATA_DIR: server('./data', text, 'Folder for everything this program keeps.'),
  DATABASE_URL: defineSecret('Server')(
    'PostgreSQL 15 or newer, TimescaleDB recommended, e.g. postgres://user:password@host:5432/evothesis, its password percent-encoded. Without it an embedded PostgreSQL is started under DATA_DIR.',
    databaseUrl,
  ),
  DEMO: server(undefined, flag, 'Serve the demo shop at /. Default: on only without DATABASE_URL.'),
  PUBLIC_URL: server(
    undefined,
    webAddress,
    'Address under which the world reaches this server, e.g. https://events.example.com; doctor looks at its certificate.',
  ),
  LOG_LEVEL: server('info', oneOf(['debug', 'info', 'warn', 'error', 'silent']), 'How much is logged.'),
  ADMIN_TOKEN: defineSecret('Server')('Bearer token of the admin API. Generated into DATA_DIR/admin-token.'),

  WRITE_KEYS: defineSecret('Collect')(
    'Write keys of server-side senders, separated by commas. Without them the Segment API answers 401.',
  ),
  COLLECT_WORKERS: collect('1', integer(1, 64), 'Collector processes that share the port.'),
  TRUST_PROXY: collect(
    'false',
    trustedProxies,
    'Whose X-Forwarded-For is believed: false, true, or addresses and CIDR ranges separated by commas.',
  ),
  SITES_ALLOWED: collect(undefined, list, 'Host patterns that may send, e.g. example.com,*.example.com. Default: any.'),
  BOTS: collect('mark', oneOf(['mark', 'drop', 'keep']), 'Known bots: mark them in the event, drop them, or neither.'),
  EVENT_BYTES_MAX: collect('32768', bytes, 'Largest event, as JSON.'),
  RATE_LIMIT_COLLECT: collect('1000/s', rate, 'Requests per address to the collect routes; 0 turns it off.'),
  RATE_LIMIT_SITE: collect('0', rate, 'Events per site to the collect routes, whoever sends them; 0 turns it off.'),
  RATE_LIMIT_ADMIN: collect(
    '100/s',
    rate,
    'Requests per address to the routes that need the admin token; 0 turns it off.',
  ),
  SPOOL_BYTES_MAX: collect('2 GB', bytes, 'Largest spool on disk while the database is away.'),
  REQUEST_RECEIPT_HOURS: collect('168', integer(1, 8760), 'How long a retried request is recognised.'),
  MESSAGE_RECEIPT_HOURS: collect('24', integer(1, 8760), 'How long a retried Segment message is recognised.'),

  PRIVACY_LEVEL: privacy('standard', oneOf(['standard', 'gdpr', 'hipaa']), 'Preset, see docs/payload.md.'),
  RESPECT_DNT: privacy('true', flag, 'Store nothing of requests with DNT: 1.'),
  RESPECT_GPC: privacy('true', flag, 'Store nothing of requests with Sec-GPC: 1.'),
  IP_ADDRESS: privacy(
    undefined,
    oneOf(['full', 'truncate', 'hash', 'drop']),
    'What is kept of the address. Default: truncate (IPv4 /24, IPv6 /48); hipaa: drop.',
  ),
  USER_AGENT_MODE: privacy(
    undefined,
    oneOf(['full', 'reduce', 'drop']),
    'What is kept of the user agent. Default: full; gdpr and hipaa: reduce.',
  ),
  REDACT_MODE: privacy('redact', oneOf(['redact', 'hash']), 'Private values become [REDACTED], or a keyed hash.'),
  REDACT_KEYS: privacy(undefined, list, 'Further keys whose values are private, separated by commas.'),
  SESSION_TIMEOUT_MINUTES: privacy('30', integer(1, 1440), 'A session ends after this long without an event.'),

  EXPORT_SCHEDULE: exporting(
    'hourly',
    schedule,
    'When parts are made: hourly, daily, every N minutes, a cron expression, or off.',
  ),
  EXPORT_FORMAT: exporting('json', formatList, 'Any of json, csv, parquet, separated by commas.'),
  PARQUET_COMPRESSION: exporting('zstd', oneOf(['zstd', 'snappy', 'gzip']), 'snappy and gzip are for old readers.'),
  TEXT_COMPRESSION: exporting('gzip', oneOf(['gzip']), 'Compression of JSON and CSV files.'),
  EXPORT_RULES: exporting(
    undefined,
    text,
    'YAML file of filters per destination; sites it leaves out for the client have no notes, either.',
  ),
  STAGING_BYTES_MAX: exporting('4 GB', bytes, 'Largest cache of encoded files on disk.'),
  PART_ROWS_MAX: exporting('250000', integer(1000, 5000000), 'Rows of a part; a larger batch makes a part of its own.'),
  PART_BYTES_MAX: exporting('256 MB', bytes, 'Bytes of raw events in a part.'),
  ENCODE_MEMORY_MB: exporting('256', integer(128, 65536), 'Memory limit of the encoder.'),
  ENCODE_THREADS: exporting('1', integer(1, 64), 'Threads of the encoder.'),

  BUFFER_RETENTION_HOURS: retention(
    '72',
    integer(1, 87600),
    'Rows stay this long after they were delivered everywhere.',
  ),
  DISK_LOW_PERCENT: retention(
    '5',
    integer(0, 50),
    'Below this share of free disk, rows that a backup bucket has may leave although the client waits; 0 turns it off.',
  ),
  EXPORT_RETENTION_DAYS: retention(
    undefined,
    integer(1, 36500),
    'Delivered objects are deleted after this. Default: never.',
  ),
  PROFILE_RETENTION_DAYS: retention(
    '180',
    integer(1, 36500),
    'Visitors, sessions, reports and facts are kept this long.',
  ),
  NOTES_RETENTION_DAYS: retention(
    undefined,
    integer(1, 36500),
    'Notes of days are kept this long, counted from the newest one. Default: for ever.',
  ),
  COMPRESS_AFTER_DAYS: retention('7', integer(1, 3650), 'TimescaleDB compresses rows that are held back this long.'),

  ...prefixed('CLIENT_S3_', bucketOf('client', 'analytics')),
  ...prefixed('BACKUP_S3_', bucketOf('backup', 'the CLIENT_ID')),

  BACKUP_SCHEDULE: machine(
    'off',
    schedule,
    'When evothesis backup --scheduled backs this machine up: daily, a cron expression, or off.',
  ),
  BACKUP_RECIPIENTS: machine(
    undefined,
    list,
    'Public keys of age (age1…) that can read a backup, separated by commas; at least two.',
  ),
  BACKUP_KEEP_DAYS: machine('7', integer(1, 3650), 'Days that a backup is kept; the latest always is.'),
  BACKUP_INCLUDE: machine(
    undefined,
    list,
    'Further files and folders of a backup, e.g. where secrets and settings lie, separated by commas.',
  ),

  BILLING_PLAN: billing('metered', name, 'Plan in plans.yaml.'),
  BILLING_TIMEZONE: billing('UTC', timeZone, 'IANA time zone of billing periods and daily notes.'),
  BILLING_WEBHOOK_URL: billing(undefined, webAddress, 'The first webhook endpoint.'),
  BILLING_WEBHOOK_SECRET: defineSecret('Billing and alerts')('Its signing secret, whsec_….'),
  WEBHOOK_ALLOW_PRIVATE: billing('false', flag, 'Allow http and private addresses as webhook endpoints.'),
  ALERT_WEBHOOK_URL: billing(undefined, webAddress, 'Where alerts are posted.'),
  ALERT_WEBHOOK_SECRET: defineSecret('Billing and alerts')('Its signing secret, whsec_….'),

  AGENTS: agents(
    'off',
    oneOf(['off', 'on']),
    'Let Claude write the texts of notes, over facts with labels instead of names. Figures never depend on it.',
  ),
  AGENTS_MODEL: agents('claude-haiku-5-5', modelName, 'Model of the Claude API.'),
  AGENTS_EFFORT: agents(
    'low',
    oneOf(['low', 'medium', 'high', 'none']),
    'How long the model thinks; none for models that know no effort.',
  ),
  AGENTS_BUDGET_USD: agents('0.05', decimal, 'Most that one run may cost, in US dollars; 0 asks for nothing.'),
  PROFILE_NOTES_MAX: agents('500', integer(0, 100000), 'Customer profiles in the vault.'),
  ANTHROPIC_API_KEY: defineSecret(notesGroup)('Key of the Claude API; AGENTS=on needs it.', apiKey),
  ANTHROPIC_BASE_URL: agents(
    undefined,
    endpoint,
    'Address of the Claude API, for a proxy. Default: https://api.anthropic.com.',
  ),
  VAULT_DIR: agents(undefined, text, 'Folder of the vault. Default: DATA_DIR/vault.'),
}

export type SettingName = keyof typeof settings
export const settingNames = Object.keys(settings) as SettingName[]
