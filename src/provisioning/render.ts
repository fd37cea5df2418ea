import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { stringify } from 'yaml'
import type { Client } from './client-schema.ts'
import type { Release } from './release.ts'
import { renderCloudInit } from './render-cloud-init.ts'
import { renderCompose } from './render-compose.ts'
import { renderNginx } from './render-nginx.ts'
import { renderCertificates, renderDns, renderPixel, renderReadme, renderWarehouse } from './render-notes.ts'
import { renderSettings } from './render-settings.ts'
import { secretPlan } from './secret-plan.ts'

/** One file of an appliance folder. */
export type RenderedFile = { path: string; mode: '0644' | '0755'; text: string }

const applianceFile = (name: string): string =>
  readFileSync(new URL(`../../appliance/${name}`, import.meta.url), 'utf8')

/**
 * Everything that a client's machine needs, as files by path in the order of their names, with a `manifest.json` of their
 * hashes: pure, so that the same client and release give the same bytes wherever and whenever. Holds no secret. Throws
 * `setting_invalid` for what does not fit (cloud-init above 16 KB).
 */
export const render = (client: Client, release: Release): RenderedFile[] => {
  const secrets = secretPlan(client)
  const texts: Record<string, string> = {
    'README.md': renderReadme(client, release, secrets),
    'certificates.yaml': renderCertificates(client),
    'cloud-init.yaml': renderCloudInit(client, applianceFile('scripts/firewall.sh')),
    'compose.yaml': renderCompose(client, release),
    'dns.txt': renderDns(client),
    'nginx/nginx.conf': renderNginx(client),
    'pixel.html': renderPixel(client),
    'secrets.list': secrets.map((one) => `${one.name} ${one.kind} ${one.owner}\n`).join(''),
    'settings/client.yaml': renderClient(client),
    'settings/settings.env': renderSettings(client),
    ...renderWarehouse(client),
    ...(client.export.rules && { 'settings/export-rules.yaml': stringify(client.export.rules) }),
  }
  const scripts: Record<string, string> = {
    'doctor.sh': applianceFile('scripts/doctor.sh'),
    'first-boot.sh': applianceFile('scripts/first-boot.sh'),
    'offboard.sh': applianceFile('scripts/offboard.sh'),
    'rotate.sh': applianceFile('scripts/rotate.sh'),
    'start.sh': applianceFile('scripts/start.sh'),
    'nginx/start.sh': applianceFile('nginx/start.sh'),
    ...(client.tls.mode === 'letsencrypt' && { 'certbot/run.sh': applianceFile('certbot/run.sh') }),
  }
  const files: RenderedFile[] = [
    ...Object.entries(texts).map(([path, text]) => ({ path, mode: '0644' as const, text })),
    ...Object.entries(scripts).map(([path, text]) => ({ path, mode: '0755' as const, text })),
  ].sort((a, b) => (a.path < b.path ? -1 : 1))
  return [...files, { path: 'manifest.json', mode: '0644', text: manifestOf(client, release, files) }]
}

/** What the appliance was rendered from, with every default: it goes into the backups of the machine. */
const renderClient = (client: Client): string =>
  `# What this appliance was rendered from. Change the operator's client.yaml, not this.\n${stringify(client, { lineWidth: 0, aliasDuplicateObjects: false })}`

export type ApplianceManifest = {
  version: 1
  client: string
  node: string
  release: string
  files: { path: string; mode: string; sha256: string }[]
}

const manifestOf = (client: Client, release: Release, files: readonly RenderedFile[]): string => {
  const manifest: ApplianceManifest = {
    ...{ version: 1, client: client.name, node: client.node, release: release.version },
    files: files.map(({ path, mode, text }) => ({
      path,
      mode,
      sha256: createHash('sha256').update(text).digest('hex'),
    })),
  }
  return `${JSON.stringify(manifest, null, 2)}\n`
}
