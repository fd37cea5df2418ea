import type { Bucket, Client } from './client-schema.ts'
import { addressOf } from './network.ts'
import { sizingOf, texts } from './sizing.ts'

/** The settings of all containers that are no secrets, as `settings/settings.env`; secrets come from files. */
export const settingsOf = (client: Client): Record<string, string> => {
  const sizing = sizingOf(client)
  const optional: [string, string | number | boolean | undefined][] = [
    ['SITES_ALLOWED', client.sites.join(',') || undefined],
    ['BILLING_WEBHOOK_URL', client.webhooks.billing_url],
    ['ALERT_WEBHOOK_URL', client.webhooks.alert_url],
    ['EXPORT_RULES', client.export.rules && '/appliance/export-rules.yaml'],
    ['BACKUP_RECIPIENTS', client.backups.recipients.join(',') || undefined],
    ['AGENTS', client.agents ? 'on' : undefined],
    ['COLLECT_WORKERS', client.collect_workers > 1 ? client.collect_workers : undefined],
    ...bucketSettings('CLIENT', client.client_bucket),
    ...bucketSettings('BACKUP', client.backup_bucket),
  ]
  return {
    CLIENT_ID: client.name,
    NODE_ID: client.node,
    HOST: '0.0.0.0',
    PORT: '8000',
    DATA_DIR: '/data',
    DEMO: 'false',
    PUBLIC_URL: `${client.tls.mode === 'none' ? 'http' : 'https'}://${client.domain}`,
    TRUST_PROXY: addressOf(client, 'nginx'),
    PRIVACY_LEVEL: client.privacy,
    EXPORT_SCHEDULE: client.export.schedule,
    EXPORT_FORMAT: client.export.formats.join(','),
    BILLING_PLAN: client.plan,
    BILLING_TIMEZONE: client.timezone,
    BACKUP_SCHEDULE: client.backups.schedule,
    BACKUP_KEEP_DAYS: String(client.backups.keep_days),
    BACKUP_INCLUDE: '/run/secrets,/appliance',
    SPOOL_BYTES_MAX: sizing.spoolBytesMax,
    STAGING_BYTES_MAX: sizing.stagingBytesMax,
    ENCODE_MEMORY_MB: String(sizing.encodeMemoryMb),
    // nginx holds the rates per address; the collector's own would count every visitor behind one office twice.
    RATE_LIMIT_COLLECT: '0',
    RATE_LIMIT_ADMIN: '0',
    ...Object.fromEntries(
      optional.flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)] as const])),
    ),
    ...texts(client.settings),
  }
}

const bucketSettings = (whose: 'CLIENT' | 'BACKUP', bucket: Bucket | undefined): [string, string | undefined][] =>
  bucket === undefined
    ? []
    : [
        [`${whose}_S3_BUCKET`, bucket.bucket],
        [`${whose}_S3_PREFIX`, bucket.prefix],
        [`${whose}_S3_REGION`, bucket.region],
        [`${whose}_S3_ENDPOINT`, bucket.endpoint],
        [`${whose}_S3_CHECKSUM`, bucket.checksum],
        [`${whose}_S3_SSE`, bucket.sse],
        [`${whose}_S3_SSE_KMS_KEY_ID`, bucket.sse_kms_key_id],
        [
          `${whose}_S3_FORCE_PATH_STYLE`,
          bucket.force_path_style === undefined ? undefined : String(bucket.force_path_style),
        ],
      ]

/** The text of `settings/settings.env`. Values are plain: the schema refuses what an env file would read otherwise. */
export const renderSettings = (client: Client): string =>
  [
    '# Settings of all containers. Rendered from client.yaml: change it there. Secrets are files, never here.',
    ...Object.entries(settingsOf(client)).map(([name, value]) => `${name}=${value}`),
    '',
  ].join('\n')
