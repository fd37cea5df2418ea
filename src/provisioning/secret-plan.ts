import type { SettingName } from '../settings.ts'
import type { Client } from './client-schema.ts'
import type { Service } from './sizing.ts'

/**
 * A secret of the appliance: a file on the machine, made there or given by somebody, and granted to the containers that
 * need it. `hex`, `webhook` and `url` are made at the first start and never overwritten.
 */
export type PlannedSecret = {
  name: string
  kind: 'hex' | 'webhook' | 'url' | 'given'
  /** The setting that reads it from a file; none: the container's own convention. */
  setting?: SettingName
  services: Service[]
  /** Whose file it is: the account of our containers, or root, whose process in the container reads it before it lowers itself. */
  owner: 'app' | 'root'
  doc: string
}

/** The account of our own image. */
export const appUid = 10_001

/** All secrets that this client's appliance has, in a fixed order. */
export const secretPlan = (client: Client): PlannedSecret[] => {
  const secrets: PlannedSecret[] = [
    {
      ...{ name: 'postgres-password', kind: 'hex', services: ['timescaledb'], owner: 'root' },
      doc: "Password of the database's role.",
    },
    app('database-url', 'url', 'DATABASE_URL', ['collect', 'worker', 'backup'], 'The address with that password.'),
    app(
      'hash-key',
      'hex',
      'HASH_KEY',
      ['collect', 'worker', 'backup'],
      'Key of receipts and keyed hashes; one per client.',
    ),
    app('admin-token', 'hex', 'ADMIN_TOKEN', ['collect', 'worker'], 'Bearer token of the admin API.'),
  ]
  if (client.write_keys)
    secrets.push(app('write-keys', 'hex', 'WRITE_KEYS', ['collect'], 'Write key of server-side senders.'))
  for (const [whose, bucket, services] of [
    // A restore asks both buckets what was delivered.
    ['client', client.client_bucket, ['worker', 'backup']],
    ['backup', client.backup_bucket, ['worker', 'backup']],
  ] as const)
    if (bucket?.keys === 'given')
      for (const part of ['access', 'secret'] as const)
        secrets.push(
          app(
            `${whose}-s3-${part}-key`,
            'given',
            `${whose === 'client' ? 'CLIENT' : 'BACKUP'}_S3_${part === 'access' ? 'ACCESS' : 'SECRET'}_KEY`,
            [...services],
            `${part === 'access' ? 'Access key id' : 'Secret access key'} of s3://${bucket.bucket}.`,
          ),
        )
  if (client.webhooks.billing_url !== undefined)
    secrets.push(
      app('billing-webhook-secret', 'webhook', 'BILLING_WEBHOOK_SECRET', ['worker'], 'Signs usage and statements.'),
    )
  if (client.webhooks.alert_url !== undefined)
    secrets.push(app('alert-webhook-secret', 'webhook', 'ALERT_WEBHOOK_SECRET', ['worker'], 'Signs alerts.'))
  if (client.agents)
    secrets.push(app('anthropic-api-key', 'given', 'ANTHROPIC_API_KEY', ['worker'], 'Key of the Claude API.'))
  if (client.tls.mode === 'own')
    for (const [name, doc] of [
      ['tls-certificate', 'Certificate with its chain, PEM.'],
      ['tls-key', 'Its private key, PEM.'],
    ] as const)
      secrets.push({ name, kind: 'given', services: ['nginx'], owner: 'root', doc })
  return secrets
}

const app = (
  name: string,
  kind: PlannedSecret['kind'],
  setting: SettingName,
  services: Service[],
  doc: string,
): PlannedSecret => ({ name, kind, setting, services, owner: 'app', doc })

/** Secrets that the backup service holds only to back them up; they are no settings there. */
export const backedUp = (secrets: readonly PlannedSecret[]): PlannedSecret[] =>
  secrets.filter((one) => one.owner === 'app')
