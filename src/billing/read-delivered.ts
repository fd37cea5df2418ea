import { type Destination, readText } from '../storage/destination.ts'
import { readExpiries } from '../storage/expiries.ts'
import { manifestsPrefix, parseManifestKey } from '../storage/keys.ts'
import { type Manifest, parseManifest } from '../storage/manifest.ts'
import { sha256OfText } from '../storage/sha256.ts'
import type { QuarterUsage, Range } from './usage.ts'

export type FoundManifest = { key: string; sha256: string; manifest: Manifest }

/** What a destination holds, and what is wrong with it by itself. */
export type Delivered = {
  manifests: FoundManifest[]
  differences: string[]
  /** On its way: objects whose manifest is still to come. */
  pending: string[]
}

/**
 * Reads all manifests of a destination and checks them against each other and against its listing: every one continues the
 * one it names, none was edited, no part is missing, their sums agree, and every object is there with its size. The
 * content of objects is not read. Throws the destination's failure.
 */
export const readDelivered = async (destination: Destination): Promise<Delivered> => {
  const manifests: FoundManifest[] = []
  const differences: string[] = []
  for await (const { key } of destination.list(manifestsPrefix)) {
    if (!parseManifestKey(key)) continue
    const stream = await destination.read(key)
    if (!stream) continue
    const text = await readText(stream)
    try {
      manifests.push({ key, sha256: sha256OfText(text), manifest: parseManifest(text, key) })
    } catch (error) {
      differences.push((error as Error).message)
    }
  }
  const objects = new Map<string, number>()
  for await (const { key, bytes } of destination.list('events/')) objects.set(key, bytes)
  differences.push(...checkChains(manifests), ...manifests.flatMap(checkSums))
  const { missing, pending } = checkObjects(manifests, objects, await readExpiries(destination))
  return { manifests, differences: [...differences, ...missing], pending }
}

const groupBy = <T>(all: readonly T[], keyOf: (one: T) => string): Map<string, T[]> => {
  const groups = new Map<string, T[]>()
  for (const one of all) {
    const group = groups.get(keyOf(one))
    if (group) group.push(one)
    else groups.set(keyOf(one), [one])
  }
  return groups
}

const nameOf = ({ node_id, epoch, part, revision }: Manifest): string =>
  `part ${part}${revision > 0 ? `.r${revision}` : ''} of ${node_id}/${epoch}`

/**
 * A chain per node and epoch. Whoever edits a manifest changes its hash: then the one after it continues something that is
 * not there, and nothing continues the edited one. Only a chain's last link can be edited unseen by the others; the
 * statements, the webhooks and the other destination hold its hash.
 */
const checkChains = (manifests: readonly FoundManifest[]): string[] => {
  const problems: string[] = []
  const known = new Set(manifests.map((one) => one.sha256))
  const continued = new Set(manifests.flatMap((one) => one.manifest.previous_manifest_sha256 ?? []))
  const chains = groupBy(manifests, ({ manifest }) => `${manifest.node_id}/${manifest.epoch}`)
  for (const [chain, links] of chains) {
    const parts = links.filter((one) => one.manifest.revision === 0).map((one) => one.manifest.part)
    const present = new Set(parts)
    const last = Math.max(0, ...parts)
    for (let part = 1; part <= last; part++)
      if (!present.has(part)) problems.push(`The manifest of part ${part} of ${chain} is missing.`)
    for (const { key, manifest } of links) {
      const previous = manifest.previous_manifest_sha256
      if (previous !== null && !known.has(previous))
        problems.push(
          `${key} continues a manifest ${previous.slice(0, 12)}… that is not there: it is missing or was edited.`,
        )
      if (previous === null && manifest.part !== 1)
        problems.push(`${key} (${nameOf(manifest)}) continues nothing, though it is not the first.`)
    }
    const ends = links.filter((one) => !continued.has(one.sha256))
    if (ends.length > 1)
      for (const { key, manifest } of ends)
        if (manifest.part < last)
          problems.push(`${key} is continued by nothing, though it is not the last: it was edited.`)
  }
  return problems
}

const checkSums = ({ key, manifest }: FoundManifest): string[] => {
  const problems: string[] = []
  const total = (field: 'events' | 'pageviews' | 'erased') => manifest.usage.reduce((sum, one) => sum + one[field], 0)
  for (const field of ['events', 'pageviews', 'erased'] as const)
    if (total(field) !== manifest[field])
      problems.push(`${key} counts ${manifest[field]} ${field}, but its sites add up to ${total(field)}.`)
  for (const [format, objects] of groupBy(manifest.objects, (one) => one.format)) {
    const rows = objects.reduce((sum, one) => sum + one.rows, 0)
    if (rows + manifest.erased + (manifest.filter?.dropped ?? 0) !== manifest.events)
      problems.push(
        `${key} counts ${manifest.events} events, but its ${format} objects hold ${rows} (and ${manifest.erased} erased).`,
      )
  }
  if (manifest.events > manifest.erased && manifest.objects.length === 0 && !manifest.quarantined && !manifest.filter)
    problems.push(`${key} counts ${manifest.events} events, but names no objects.`)
  return problems
}

const partOfObject = /\/part-([a-z0-9_]+)-([0-9a-f]{8})-(\d{10,})\./

/** The highest revision of each part says which objects there are. */
export const latestRevisions = (manifests: readonly FoundManifest[]): FoundManifest[] => {
  const latest = new Map<string, FoundManifest>()
  for (const one of manifests) {
    const { node_id, epoch, part, revision } = one.manifest
    const known = latest.get(`${node_id}/${epoch}/${part}`)
    if (!known || known.manifest.revision < revision) latest.set(`${node_id}/${epoch}/${part}`, one)
  }
  return [...latest.values()]
}

const checkObjects = (
  manifests: readonly FoundManifest[],
  objects: ReadonlyMap<string, number>,
  expiries: ReadonlyMap<string, unknown>,
): { missing: string[]; pending: string[] } => {
  const missing: string[] = []
  const claimed = new Set<string>()
  const lastPart = new Map<string, number>()
  for (const { key, manifest, sha256 } of latestRevisions(manifests)) {
    const chain = `${manifest.node_id}-${manifest.epoch}`
    lastPart.set(chain, Math.max(lastPart.get(chain) ?? 0, manifest.part))
    for (const object of manifest.objects) {
      claimed.add(object.key)
      if (expiries.has(sha256)) continue
      const bytes = objects.get(object.key)
      if (bytes === undefined) missing.push(`${object.key} is missing; ${key} names it.`)
      else if (bytes !== object.bytes) missing.push(`${object.key} has ${bytes} bytes; ${key} says ${object.bytes}.`)
    }
  }
  const pending: string[] = []
  for (const key of objects.keys()) {
    if (claimed.has(key)) continue
    const [, node, epoch, part] = partOfObject.exec(key) ?? []
    if (Number(part) > (lastPart.get(`${node}-${epoch}`) ?? 0)) pending.push(`${key} waits for its manifest.`)
    else missing.push(`${key} is named by no manifest.`)
  }
  return { missing, pending }
}

/** Usage by manifest, of those that are covered, or of all. What was metered is what a part's first manifest says. */
export const usageOfManifests = (
  manifests: readonly FoundManifest[],
  range: Range,
  isCovered: (manifest: Manifest) => boolean = () => true,
): QuarterUsage[] => {
  const firsts = new Map<string, Manifest>()
  for (const { manifest } of manifests) {
    const name = `${manifest.node_id}/${manifest.epoch}/${manifest.part}`
    const known = firsts.get(name)
    if (!known || known.revision > manifest.revision) firsts.set(name, manifest)
  }
  return [...firsts.values()].filter(isCovered).flatMap((manifest) =>
    manifest.usage
      .map(({ quarter, site, events, pageviews }) => ({
        ...{ node: manifest.node_id, site: site ?? '', quarterMs: Date.parse(quarter), events, pageviews },
      }))
      .filter((one) => one.quarterMs >= range.startsMs && one.quarterMs < range.endsMs),
  )
}
