import { isIP } from 'node:net'
import { Encrypter } from 'age-encryption'
import { z } from 'zod'
import { cronOf } from '../schedule.ts'
import { endpoint as checkEndpoint, type SettingName, settings } from '../settings.ts'
import { uploadChecksums } from '../storage/checksum.ts'
import { exportFormats } from '../types.ts'

/**
 * `client.yaml`: everything that makes one client's appliance differ from another's, and no secret. This schema is the
 * documentation: the example file, the JSON schema and the manual are printed from it (`client-manual.ts`). Unknown keys
 * are refused, so that a misspelt one is never silently a default.
 */
const key = <T extends z.ZodType>(schema: T, description: string, example?: unknown): T =>
  schema.meta({ description, ...(example !== undefined && { examples: [example] }) }) as T

/** A check that throws a sentence, as a refinement. */
const checked =
  (check: (text: string) => unknown) =>
  (text: string, context: z.core.$RefinementCtx<string>): void => {
    try {
      check(text)
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message })
    }
  }

const hostName = z
  .string()
  .regex(/^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$/, 'must be a host name')
const sitePattern = z
  .string()
  .regex(/^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+$/, 'must be a host such as example.com or *.example.com')
const cidr = z.string().refine((text) => {
  const [address = '', bits] = text.split('/')
  const most = isIP(address) === 4 ? 32 : isIP(address) === 6 ? 128 : -1
  return most > 0 && !address.includes('%') && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most))
}, 'must be an address or a range such as 203.0.113.0/24')
const webAddress = z.url({ protocol: /^https?$/ })
const whole = (min: number, max: number) => z.number().int().min(min).max(max)
const recipient = z.string().superRefine(
  checked((text) => {
    try {
      new Encrypter().addRecipient(text)
    } catch {
      throw new Error('must be a public key of age (age1…)')
    }
  }),
)
const sshKey = z
  .string()
  .regex(/^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+|sk-\S+) [A-Za-z0-9+/=]+( [^\n]*)?$/, 'must be a public SSH key')
const scalar = z.union([z.string(), z.number(), z.boolean()])
/** As an env file gives it back: no quote, nothing filled in, and no space that would be cut off or begin a comment. */
const plain = (text: string) => !/[\n\r$`"'\\]|(^|\s)#|^\s|\s$/.test(text)

const bucket = z.strictObject({
  bucket: key(
    z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$/, 'is not a bucket name'),
    'Name of the bucket.',
    'acme-events',
  ),
  prefix: key(
    z
      .string()
      .regex(/^[A-Za-z0-9!_.*()=-]+(\/[A-Za-z0-9!_.*()=-]+)*$/)
      .optional(),
    "What stands before all keys. Default: analytics in the client's bucket, the name of the client in the backup bucket.",
    'analytics',
  ),
  region: key(
    z
      .string()
      .regex(/^[a-z0-9-]+$/)
      .default('us-east-1'),
    'Region of the bucket.',
    'eu-central-1',
  ),
  endpoint: key(
    webAddress.superRefine(checked(checkEndpoint)).optional(),
    'Address of an S3-compatible service other than AWS.',
    'https://s3.example.net',
  ),
  keys: key(
    z.enum(['given', 'later']).default('given'),
    'given: the access key and the secret key are among the secrets. later: the client has still to give them; files wait, nothing is lost.',
    'given',
  ),
  checksum: key(z.enum(uploadChecksums).default('sha256'), 'Checksum that the service takes with an upload.', 'sha256'),
  sse: key(z.enum(['AES256', 'aws:kms']).optional(), 'Server-side encryption.', 'AES256'),
  sse_kms_key_id: key(z.string().refine(plain).optional(), 'Key for aws:kms.', 'alias/events'),
  force_path_style: key(z.boolean().optional(), 'Address the bucket by path. Default: true with an endpoint.', true),
})
export type Bucket = z.infer<typeof bucket>

/** Settings with a key of their own in client.yaml, or fixed by the appliance: refused under `settings`. */
const fixedSettings: readonly string[] = [
  ...['CLIENT_ID', 'NODE_ID', 'HOST', 'PORT', 'DATA_DIR', 'DATABASE_URL', 'DEMO', 'TRUST_PROXY', 'SITES_ALLOWED'],
  ...['PRIVACY_LEVEL', 'EXPORT_SCHEDULE', 'EXPORT_FORMAT', 'EXPORT_RULES', 'BILLING_PLAN', 'BILLING_TIMEZONE'],
  ...['BILLING_WEBHOOK_URL', 'ALERT_WEBHOOK_URL', 'AGENTS', 'COLLECT_WORKERS', 'PUBLIC_URL', 'BACKUP_RECIPIENTS'],
  ...['BACKUP_KEEP_DAYS', 'BACKUP_SCHEDULE', 'BACKUP_INCLUDE', 'VAULT_DIR'],
]
export const isFixedSetting = (name: string): boolean =>
  fixedSettings.includes(name) || /^(CLIENT|BACKUP)_S3_/.test(name)

const furtherSettings = z.record(z.string(), scalar).superRefine((given, context) => {
  for (const [name, value] of Object.entries(given)) {
    const text = String(value)
    const add = (message: string) => context.addIssue({ code: 'custom', path: [name], message })
    const setting = settings[name as SettingName]
    if (!setting) add('is not a setting; .env.example lists them')
    else if (setting.secret) add('is a secret: it never stands in client.yaml')
    else if (isFixedSetting(name)) add('has a key of its own in client.yaml, or is fixed by the appliance')
    else if (!plain(text))
      add('may not hold quotes, $, backslashes, line breaks, space at its ends, or # after a space')
    else
      try {
        setting.read(text)
      } catch (error) {
        add((error as Error).message)
      }
  }
})

export const clientSchema = z
  .strictObject({
    version: key(z.literal(1), 'Version of this format.', 1),
    name: key(
      z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'must be 1 to 63 of a-z, 0-9, _ and -'),
      'Names the client in keys, manifests, webhooks and statements; never changed later.',
      'acme',
    ),
    node: key(
      z
        .string()
        .regex(/^[a-z0-9][a-z0-9_]{0,39}$/, 'must be 1 to 40 of a-z, 0-9 and _')
        .default('n1'),
      "Names this machine among the client's machines.",
      'n1',
    ),
    domain: key(
      hostName,
      'Host name at which events arrive; its DNS record points to the machine.',
      'events.acme.example',
    ),
    release: key(
      z.string().regex(/^\d+\.\d+\.\d+$/, 'must be a version such as 0.1.0'),
      'Release of Evothesis, one of provisioning/releases.',
      '0.1.0',
    ),
    sites: key(z.array(sitePattern).max(1000).default([]), 'Sites that may send; none: any site.', [
      'acme.example',
      '*.acme.example',
    ]),
    privacy: key(
      z.enum(['standard', 'gdpr', 'hipaa']).default('standard'),
      'Preset of what is kept of a visitor; docs/operations.md says what each changes.',
      'gdpr',
    ),
    plan: key(
      z
        .string()
        .regex(/^[a-z0-9][a-z0-9_]{0,39}$/)
        .default('metered'),
      'Plan that the client is billed by.',
      'small',
    ),
    timezone: key(
      z
        .string()
        .regex(/^[A-Za-z0-9_+/-]+$/)
        .superRefine(checked((text) => settings.BILLING_TIMEZONE.read(text)))
        .default('UTC'),
      'Time zone of billing months and daily notes.',
      'Europe/Berlin',
    ),
    write_keys: key(
      z.boolean().default(false),
      'Whether servers and mobile apps send by the Segment API; a write key is then generated on the machine.',
      true,
    ),
    vm: key(
      z
        .strictObject({
          cpus: key(whole(1, 256).default(2), 'Cores of the machine.', 2),
          memory_gb: key(whole(2, 2048).default(4), 'Memory in GB; the limits and the database are sized by it.', 4),
          disk_gb: key(
            whole(20, 65536).default(80),
            'Disk in GB; the spool and the staged files are bounded by it.',
            80,
          ),
          os: key(
            z.enum(['ubuntu-24.04', 'ubuntu-22.04', 'debian-12']).default('ubuntu-24.04'),
            'What the machine is started with; cloud-init is written for it.',
            'ubuntu-24.04',
          ),
          ssh_keys: key(z.array(sshKey).max(50).default([]), 'Public keys that may log in; passwords may not.', [
            'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFCQ0aAbDyZ6eW1PnWgb3cXHZ1Gv4Bv1dB0v8b1fYxHc ops@agency.example',
          ]),
          subnet: key(
            z
              .string()
              .regex(
                /^(10\.\d{1,3}|172\.(1[6-9]|2\d|3[01])|192\.168)\.\d{1,3}\.0\/24$/,
                'must be a private range such as 172.30.57.0/24',
              )
              .default('172.30.57.0/24'),
            'Network of the containers; change it where the machine itself is in this range.',
            '172.30.57.0/24',
          ),
        })
        .prefault({}),
      'The machine.',
    ),
    tls: key(
      z
        .strictObject({
          mode: key(
            z.enum(['letsencrypt', 'own', 'none']).default('letsencrypt'),
            'letsencrypt: certbot gets and renews a certificate. own: tls-certificate and tls-key are among the secrets. none: plain HTTP behind a balancer of yours that ends TLS.',
            'letsencrypt',
          ),
          email: key(z.email().optional(), "Address for notices of Let's Encrypt.", 'ops@agency.example'),
          staging: key(z.boolean().default(false), "Use Let's Encrypt's test service, for trials.", false),
        })
        .prefault({}),
      'The certificate.',
    ),
    proxies: key(
      z.array(cidr).max(100).default([]),
      'Balancers in front of the machine, whose X-Forwarded-For is believed.',
      ['203.0.113.7'],
    ),
    admin_addresses: key(
      z.array(cidr).max(100).default([]),
      'Addresses that may use the admin API; none: any that has the token.',
      ['198.51.100.0/24'],
    ),
    limits: key(
      z
        .strictObject({
          collect_per_second: key(
            whole(1, 100_000).default(1000),
            'Requests per address and second to the collect routes.',
            1000,
          ),
          admin_per_second: key(whole(1, 10_000).default(20), 'Requests per address and second to the admin API.', 20),
        })
        .prefault({}),
      'Rate limits in nginx.',
    ),
    collect_workers: key(whole(1, 64).default(1), 'Collector processes; at most one per core.', 1),
    client_bucket: key(bucket.optional(), "The client's own bucket. None: a folder on the machine."),
    backup_bucket: key(
      bucket.optional(),
      "The agency's bucket: a second copy of all files, the statements, and the backups of the machine. None: a folder on the machine, which is no backup.",
    ),
    export: key(
      z
        .strictObject({
          schedule: key(
            z.string().superRefine(checked(cronOf)).default('hourly'),
            'When files are made: hourly, daily, every N minutes, a cron expression, or off.',
            'hourly',
          ),
          formats: key(z.array(z.enum(exportFormats)).min(1).default(['json']), 'Any of json, csv, parquet.', [
            'json',
            'parquet',
          ]),
          rules: key(
            z.record(z.string(), z.unknown()).optional(),
            'Filters per destination, as EXPORT_RULES takes them; written to export-rules.yaml.',
          ),
        })
        .prefault({}),
      'The files.',
    ),
    backups: key(
      z.strictObject({
        schedule: key(
          z.string().superRefine(checked(cronOf)).default('daily'),
          'When the machine is backed up: daily, a cron expression, or off.',
          'daily',
        ),
        keep_days: key(whole(1, 3650).default(7), 'Days that a backup is kept.', 7),
        recipients: key(
          z.array(recipient).max(10),
          'Public keys of age that can read a backup: one of the operator, one kept elsewhere for the day the operator is away. At least two.',
          [
            'age1zjcfre33p478qavar9pjuh48szht000y5cngca686qqdv9dp63xqwjeaul',
            'age1dhcwkhkmpaf3z7ee4yh70tpc9pp8cm9rtn6r784herrs74hsjpaqundre0',
          ],
        ),
      }),
      'Backups of the machine: database, vault, spool, settings and secrets.',
    ),
    webhooks: key(
      z
        .strictObject({
          billing_url: key(
            webAddress.refine(plain).optional(),
            'Where usage and statements are posted.',
            'https://hooks.agency.example/evothesis',
          ),
          alert_url: key(
            webAddress.refine(plain).optional(),
            'Where alerts are posted.',
            'https://hooks.agency.example/alerts',
          ),
        })
        .prefault({}),
      'Webhooks; their signing secrets are generated on the machine.',
    ),
    agents: key(
      z.boolean().default(false),
      'Whether Claude writes the narrative of the notes; anthropic-api-key is then among the secrets.',
      false,
    ),
    database: key(
      z
        .record(
          z.string().regex(/^[a-z_]+(\.[a-z_]+)?$/),
          scalar.refine(
            (value) => /^[A-Za-z0-9_. %-]{1,100}$/.test(String(value)),
            'may hold letters, digits, spaces and _.%- only',
          ),
        )
        .default({}),
      'Parameters of PostgreSQL that take the place of the computed ones.',
      { shared_buffers: '512MB' },
    ),
    settings: key(furtherSettings.default({}), 'Further settings by their names in .env.example.', {
      BUFFER_RETENTION_HOURS: '168',
    }),
    images: key(
      z
        .strictObject({
          registry: key(
            z
              .string()
              .regex(/^[a-z0-9.-]+(:\d+)?(\/[a-z0-9._-]+)*$/)
              .optional(),
            "Registry and path from which the machine pulls Evothesis's own images. None: `provision apply --images FILE` brings them.",
            'registry.agency.example/evothesis',
          ),
        })
        .prefault({}),
      'Where the container images come from.',
    ),
  })
  .superRefine((client, context) => {
    const refuse = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message })
    const { recipients } = client.backups
    if (client.backups.schedule !== 'off' && new Set(recipients).size < 2)
      refuse(['backups', 'recipients'], 'must name at least two public keys; make them with evothesis provision keygen')
    const [ours, theirs] = [client.backup_bucket, client.client_bucket]
    if (ours && theirs && ours.bucket === theirs.bucket && ours.endpoint === theirs.endpoint) {
      if ((ours.prefix ?? client.name) === (theirs.prefix ?? 'analytics'))
        refuse(['backup_bucket', 'prefix'], "makes the backup the same bucket and prefix as the client's")
    }
    if (client.collect_workers > client.vm.cpus) refuse(['collect_workers'], 'is more than vm.cpus')
  })

export type Client = z.infer<typeof clientSchema>
