import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { type Manifest, parseManifest } from '../../src/storage/manifest.ts'
import { type ReadRow, readObject } from './read-back.ts'

/** How a test reads a destination: by its files on disk, or over HTTP with a plain client. */
export type Reader = { keys(): Promise<string[]>; read(key: string): Promise<Buffer> }

export const folderReader = (folder: string): Reader => ({
  async keys() {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
      .sort()
  },
  read: (key) => readFile(path.join(folder, key)),
})

/** Manifests in the order of their chain's parts, epoch by epoch. */
export const readManifests = async (
  reader: Reader,
): Promise<{ key: string; text: string; sha256: string; manifest: Manifest }[]> => {
  const keys = (await reader.keys()).filter((key) => key.startsWith('manifests/'))
  const found = await Promise.all(
    keys.map(async (key) => {
      const bytes = await reader.read(key)
      const text = bytes.toString('utf8')
      return {
        key,
        text,
        sha256: createHash('sha256').update(bytes).digest('hex'),
        manifest: parseManifest(text, key),
      }
    }),
  )
  return found.sort((a, b) => a.manifest.epoch.localeCompare(b.manifest.epoch) || a.manifest.part - b.manifest.part)
}

export type Problem = string

/**
 * Reads everything a destination holds with readers that did not write it, and checks what its manifests claim: rows,
 * bytes, sha256, chain, and that no object is without a manifest. Returns the rows per format, and what is wrong.
 */
export const readDelivered = async (
  reader: Reader,
): Promise<{ rows: Record<string, ReadRow[]>; manifests: Manifest[]; problems: Problem[] }> => {
  const problems: Problem[] = []
  const rows: Record<string, ReadRow[]> = {}
  const manifests = await readManifests(reader)
  const claimed = new Set<string>()
  const last = new Map<string, string>()
  for (const { key, sha256, manifest } of manifests) {
    const previous = last.get(manifest.epoch) ?? manifest.predecessor?.sha256 ?? null
    if (manifest.previous_manifest_sha256 !== previous) problems.push(`${key}: chain broken`)
    last.set(manifest.epoch, sha256)
    const perFormat = new Map<string, number>()
    for (const object of manifest.objects) {
      claimed.add(object.key)
      const bytes = await reader.read(object.key)
      if (bytes.length !== object.bytes) problems.push(`${object.key}: ${bytes.length} bytes, claimed ${object.bytes}`)
      if (createHash('sha256').update(bytes).digest('hex') !== object.sha256) problems.push(`${object.key}: sha256`)
      const found = await readObject(object.format, bytes)
      if (found.length !== object.rows) problems.push(`${object.key}: ${found.length} rows, claimed ${object.rows}`)
      perFormat.set(object.format, (perFormat.get(object.format) ?? 0) + found.length)
      rows[object.format] = (rows[object.format] ?? []).concat(found)
    }
    for (const [format, count] of perFormat)
      if (count !== manifest.events) problems.push(`${key}: ${count} rows in ${format}, ${manifest.events} events`)
    const metered = manifest.usage.reduce((sum, one) => sum + one.events, 0)
    if (metered !== manifest.events) problems.push(`${key}: ${metered} metered, ${manifest.events} events`)
  }
  for (const key of await reader.keys())
    if (key.startsWith('events/') && !claimed.has(key)) problems.push(`${key}: in no manifest`)
  return { rows, manifests: manifests.map((one) => one.manifest), problems }
}
