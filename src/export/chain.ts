import { messageOf } from '../errors.ts'
import { manifestKey, parseManifestKey } from '../storage/keys.ts'
import { type Manifest, parseManifest } from '../storage/manifest.ts'
import { sha256OfText } from '../storage/sha256.ts'

export type Problem = {
  kind:
    | 'nothing there'
    | 'manifest'
    | 'chain'
    | 'missing object'
    | 'changed object'
    | 'rows'
    | 'unclaimed object'
    | 'parity'
  key: string
  message: string
}
export type Link = { key: string; sha256: string; manifest: Manifest }
/** Where what can be verified begins: the oldest manifest of each node and epoch. */
export type ChainStart = { node: string; epoch: string; part: number; key: string }
export type Chain = {
  links: Link[]
  /** The newest revision of each part: what its objects must look like now. */
  live: Link[]
  starts: ChainStart[]
  problems: Problem[]
}

/** Reads one manifest, and checks that it stands under the key that its content says. */
export const readLink = (key: string, text: string): Link | Problem => {
  try {
    const manifest = parseManifest(text, key)
    const { node_id: node, epoch, part: seq } = manifest
    const expected = manifestKey({ node, epoch, seq }, Date.parse(manifest.created_at), manifest.revision)
    if (expected !== key) return { kind: 'manifest', key, message: `stands where ${expected} belongs` }
    return { key, sha256: sha256OfText(text), manifest }
  } catch (error) {
    return { kind: 'manifest', key, message: messageOf(error) }
  }
}

/**
 * Checks the hash chains of a destination: per node and epoch every manifest names the one before it, there is one
 * beginning and one end, parts are counted without a gap, and an epoch's first manifest continues a manifest that is there.
 * A manifest that is missing, changed or put in between cannot go unseen, except at the very end, where the objects without
 * a manifest, the other destination, or an `export.delivered` webhook show it.
 */
export const checkChains = (links: readonly Link[]): Chain => {
  const groups = new Map<string, Link[]>()
  for (const link of links) {
    const name = `${link.manifest.node_id} ${link.manifest.epoch}`
    const group = groups.get(name)
    if (group) group.push(link)
    else groups.set(name, [link])
  }
  const problems: Problem[] = []
  const starts: ChainStart[] = []
  const live: Link[] = []
  const known = new Set(links.map((link) => link.sha256))
  const epochs = new Set(links.map((link) => `${link.manifest.node_id} ${link.manifest.epoch}`))
  for (const group of groups.values()) {
    problems.push(...checkLinks(group), ...checkCounts(group))
    const first = firstOf(group)
    if (first) {
      const { node_id: node, epoch, part, predecessor } = first.manifest
      starts.push({ node, epoch, part, key: first.key })
      // A filtered destination's new epoch names the head of the unfiltered chain.
      const isHere = predecessor && epochs.has(`${predecessor.node} ${predecessor.epoch}`) && !first.manifest.filter
      if (isHere && !known.has(predecessor.sha256))
        problems.push({ kind: 'chain', key: first.key, message: 'continues a manifest that is not there' })
    }
    live.push(...newestRevisions(group))
  }
  return { links: [...links], live, starts, problems }
}

const byPart = (a: Link, b: Link): number =>
  a.manifest.part - b.manifest.part || a.manifest.revision - b.manifest.revision
const firstOf = (group: readonly Link[]): Link | undefined => [...group].sort(byPart)[0]

const checkLinks = (group: readonly Link[]): Problem[] => {
  const problems: Problem[] = []
  const here = new Set(group.map((link) => link.sha256))
  const continuedBy = new Map<string, Link>()
  const first = firstOf(group)
  for (const link of group) {
    const previous = link.manifest.previous_manifest_sha256
    if (previous !== null && here.has(previous)) {
      const other = continuedBy.get(previous)
      if (other) problems.push({ kind: 'chain', key: link.key, message: `continues the same manifest as ${other.key}` })
      continuedBy.set(previous, link)
    } else if (link !== first)
      problems.push({
        kind: 'chain',
        key: link.key,
        message: `continues a manifest that is missing or was changed (sha256 ${previous ?? 'none'})`,
      })
  }
  return problems
}

const checkCounts = (group: readonly Link[]): Problem[] => {
  const parts = [...new Set(group.map((link) => link.manifest.part))].sort((a, b) => a - b)
  const gaps = parts.filter((part, i) => i > 0 && part !== (parts[i - 1] ?? 0) + 1)
  const problems: Problem[] = gaps.map((part) => ({
    kind: 'chain',
    key: group.find((link) => link.manifest.part === part)?.key ?? '',
    message: `part ${part} does not follow part ${parts[parts.indexOf(part) - 1]}`,
  }))
  for (const { key, manifest } of newestRevisions(group)) {
    const metered = manifest.usage.reduce((sum, one) => sum + one.events, 0)
    if (metered !== manifest.events)
      problems.push({
        kind: 'manifest',
        key,
        message: `its usage adds up to ${metered} events, not ${manifest.events}`,
      })
    if (manifest.quarantined) continue
    for (const format of new Set(manifest.objects.map((object) => object.format))) {
      const rows = manifest.objects.filter((one) => one.format === format).reduce((sum, one) => sum + one.rows, 0)
      if (rows + manifest.erased + (manifest.filter?.dropped ?? 0) !== manifest.events)
        problems.push({ kind: 'rows', key, message: `${rows} rows of ${manifest.events} events in ${format}` })
    }
  }
  return problems
}

const newestRevisions = (group: readonly Link[]): Link[] => {
  const newest = new Map<number, Link>()
  for (const link of [...group].sort(byPart)) newest.set(link.manifest.part, link)
  return [...newest.values()]
}

export const isProblem = (one: Link | Problem): one is Problem => 'kind' in one

/** The node, epoch and number of the part that an object's key names. */
export const partOfObject = (key: string): { node: string; epoch: string; seq: number } | undefined => {
  const name = /\/(part-[^/.]+)\.[a-z.]+$/.exec(key)?.[1]
  return name === undefined ? undefined : parseManifestKey(`manifests/dt=2000-01-01/${name}.json`)
}
