import { stringify } from 'yaml'
import { type WarehouseEngine, warehouseEngines, warehouseSql } from '../storage/warehouse.ts'
import type { Client } from './client-schema.ts'
import type { Release } from './release.ts'
import type { PlannedSecret } from './secret-plan.ts'

/** The records to set, in the form of a zone file. */
export const renderDns = (client: Client): string =>
  [
    `; DNS records of ${client.name}. Put the machine's addresses in; leave AAAA out without IPv6.`,
    `${client.domain}.  300  IN  A     <IPv4 address of the machine>`,
    `${client.domain}.  300  IN  AAAA  <IPv6 address of the machine>`,
    ...(client.tls.mode === 'letsencrypt'
      ? [
          `; Only Let's Encrypt may issue for it. A CAA record of the parent domain counts as well.`,
          `${client.domain}.  300  IN  CAA   0 issue "letsencrypt.org"`,
        ]
      : []),
    '',
  ].join('\n')

/** Who gets the certificate, how, and what to look at. */
export const renderCertificates = (client: Client): string => {
  const plan = {
    letsencrypt: {
      source: "Let's Encrypt, by certbot in a container of its own",
      challenge: 'http-01: port 80 of the domain must reach this machine',
      renewal: 'by itself, when a third of its life is left; nginx notices the new files within a minute',
      email: client.tls.email ?? null,
      staging: client.tls.staging,
    },
    own: {
      source: 'yours: the secrets tls-certificate (with its chain) and tls-key',
      renewal: 'evothesis provision rotate tls, before it ends',
    },
    none: {
      source: 'none on this machine: the balancer in front ends TLS',
      renewal: 'there',
    },
  }[client.tls.mode]
  return `# The plan for the certificate. evothesis doctor warns 21 days before it ends.\n${stringify({
    domain: client.domain,
    mode: client.tls.mode,
    ...plan,
  })}`
}

/** What the client puts into the head of each page. */
export const renderPixel = (client: Client): string =>
  `<script defer src="https://${client.domain}/js/tracking.js"></script>\n`

/** The statements of each engine that make the client's files a table; only for files in a bucket. */
export const renderWarehouse = (client: Client): Record<string, string> => {
  const bucket = client.client_bucket
  if (!bucket) return {}
  const prefix = bucket.prefix ?? 'analytics'
  const place = {
    url: `s3://${bucket.bucket}/${prefix}`,
    ...{ bucket: bucket.bucket, prefix, region: bucket.region, endpoint: bucket.endpoint },
  }
  const { formats } = client.export
  const engines: WarehouseEngine[] = formats.includes('parquet') ? [...warehouseEngines] : ['duckdb']
  const format = formats.includes('parquet') ? 'parquet' : (formats[0] ?? 'json')
  return Object.fromEntries(engines.map((engine) => [`warehouse/${engine}.sql`, warehouseSql(engine, place, format)]))
}

/** What the operator reads beside the files. */
export const renderReadme = (client: Client, release: Release, secrets: readonly PlannedSecret[]): string => {
  const given = secrets.filter((one) => one.kind === 'given')
  return `# ${client.name}: events at ${client.domain}

Rendered from client.yaml for release ${release.version}, node ${client.node}. Change client.yaml and render again; never these files.

## First start

1. Start a machine with ${client.vm.os}, ${client.vm.cpus} cores, ${client.vm.memory_gb} GB of memory and ${client.vm.disk_gb} GB of disk, and \`cloud-init.yaml\` as its user data.
2. Set the records of \`dns.txt\`.
${
  given.length === 0
    ? '3. No secret has to be given: all are made on the machine.'
    : `3. Put what only you know into a folder, one file each:\n${given.map((one) => `   - \`${one.name}\`: ${one.doc}`).join('\n')}`
}
4. \`npx evothesis provision apply <folder of client.yaml> --host root@<address>${given.length === 0 ? '' : ' --secrets <that folder>'}\`
5. Give the client \`pixel.html\`${client.client_bucket ? ' and, for its warehouse, what fits of `warehouse/`' : ''}.

## On the machine

Everything is in \`/opt/evothesis\`; data is in Docker's volumes \`evothesis_data\` and \`evothesis_database\`.

| to | run in /opt/evothesis |
| --- | --- |
| see whether all is well | \`./doctor.sh\` |
| see what was delivered and what waits | \`docker compose exec worker node /app/dist/bin/evothesis.js export status\` |
| make files now | \`docker compose exec worker node /app/dist/bin/evothesis.js export run\` |
| back up now | \`docker compose exec backup node /app/dist/bin/evothesis.js backup\` |
| stop and start | \`docker compose stop\`, \`docker compose up -d\` |
| read the log | \`docker compose logs --tail 100 collect\` |

The admin token is in \`secrets/admin-token\`.

## Secrets

Files in \`/opt/evothesis/secrets\`, readable by root and by the containers they are granted to. They are made at the first start, never overwritten, and backed up encrypted.

| secret | made | for | |
| --- | --- | --- | --- |
${secrets.map((one) => `| ${one.name} | ${one.kind === 'given' ? 'by you' : 'on the machine'} | ${one.services.join(', ')} | ${one.doc} |`).join('\n')}
`
}
