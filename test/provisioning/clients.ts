import { parseClient } from '../../src/provisioning/client-file.ts'
import type { Client } from '../../src/provisioning/client-schema.ts'

const recipients = `
backups:
  recipients:
    - age1zjcfre33p478qavar9pjuh48szht000y5cngca686qqdv9dp63xqwjeaul
    - age1dhcwkhkmpaf3z7ee4yh70tpc9pp8cm9rtn6r784herrs74hsjpaqundre0
`

/** Three clients, as different as they come. Their rendered folders are kept beside the tests. */
export const clientTexts = {
  small: `version: 1
name: corner-shop
domain: events.corner-shop.example
release: 0.1.0
${recipients}`,
  sites: `version: 1
name: agency-client
node: n2
domain: collect.brand.example
release: 0.1.0
sites: [brand.example, "*.brand.example", brand-shop.example]
privacy: gdpr
plan: growth
timezone: Europe/Berlin
write_keys: true
collect_workers: 3
vm: { cpus: 4, memory_gb: 16, disk_gb: 320, os: debian-12 }
admin_addresses: [198.51.100.0/24]
client_bucket: { bucket: brand-events, region: eu-central-1, keys: later }
backup_bucket: { bucket: agency-backup, region: eu-central-1, sse: AES256 }
export:
  schedule: every 15 minutes
  formats: [json, parquet]
  rules: { client: { exclude: { event_types: [mouse_move] }, hash: [ip_address] } }
webhooks: { billing_url: https://hooks.agency.example/usage, alert_url: https://hooks.agency.example/alerts }
settings: { BUFFER_RETENTION_HOURS: 168, BOTS: drop }
database: { shared_buffers: 2GB }
${recipients}`,
  hipaa: `version: 1
name: clinic
domain: events.clinic.example
release: 0.1.0
sites: [clinic.example]
privacy: hipaa
plan: enterprise
tls: { mode: own }
proxies: [203.0.113.7]
client_bucket: { bucket: clinic-events, endpoint: "https://s3.clinic.example", sse: "aws:kms", sse_kms_key_id: alias/phi }
backup_bucket: { bucket: clinic-backup, endpoint: "https://s3.agency.example", checksum: md5 }
images: { registry: registry.agency.example/evothesis }
${recipients}`,
}
export type ClientName = keyof typeof clientTexts

export const testClient = (name: ClientName): Client => parseClient(clientTexts[name], name)
