import { type Destination, readText } from '../storage/destination.ts'
import { readExpiries } from '../storage/expiries.ts'
import { manifestsPrefix, parseManifestKey } from '../storage/keys.ts'
import {
  type Chain,
  type ChainStart,
  checkChains,
  isProblem,
  type Link,
  type Problem,
  partOfObject,
  readLink,
} from './chain.ts'
import { countRows } from './count-rows.ts'

export type VerifyOptions = {
  /** Read every object whole: SHA-256 and rows. Otherwise sizes, and the checksums that the server itself keeps. */
  full: boolean
  /** Whether no manifest at all is a problem. Who names a place expects files there; where nothing was delivered yet, none are. */
  mustHold?: boolean
  onProgress?: (done: number, total: number) => void
}
export type VerifyReport = {
  place: string
  full: boolean
  starts: ChainStart[]
  manifests: number
  objects: number
  bytes: number
  events: number
  erased: number
  quarantined: number
  /** Parts whose objects were deleted after EXPORT_RETENTION_DAYS. */
  expired: number
  /** Objects of parts after the newest manifest: under way, or their manifest is missing. */
  pending: string[]
  problems: Problem[]
}

/**
 * Verifies a destination from itself alone: manifests and their hash chains, and every object that they claim. Needs read
 * access only. It finds a flipped byte (with `full`, or where the server keeps checksums), a missing row, a swapped or
 * missing object, a missing or edited manifest, a broken chain, and an object that no manifest claims.
 */
export const verifyDestination = async (
  destination: Destination,
  options: VerifyOptions,
): Promise<VerifyReport & { chain: Chain }> => {
  const { links, unreadable } = await readLinks(destination)
  const chain = checkChains(links)
  const problems = [...unreadable, ...chain.problems]
  if (options.mustHold && problems.length === 0 && links.length === 0)
    problems.push({
      kind: 'nothing there',
      key: destination.identity,
      message: 'holds no manifest; nothing was found there',
    })
  const present = new Map<string, number>()
  for await (const { key, bytes } of destination.list('events/')) present.set(key, bytes)

  const expiries = await readExpiries(destination)
  const expired = chain.live.filter((link) => expiries.has(link.sha256))
  // A crash may have left some of an expired part's objects.
  for (const { manifest } of expired) for (const { key } of manifest.objects) present.delete(key)

  const claimed = chain.live
    .filter((link) => !expiries.has(link.sha256))
    .flatMap((link) => link.manifest.objects.map((object) => ({ link, object })))
  const total = claimed.reduce((sum, { object }) => sum + object.bytes, 0)
  let done = 0
  for (const { object } of claimed) {
    problems.push(...(await checkObject(destination, object, present.get(object.key), options.full)))
    present.delete(object.key)
    done += object.bytes
    options.onProgress?.(done, total)
  }
  const { pending, unclaimed } = sortUnclaimed([...present.keys()], chain.live)
  return {
    place: destination.identity,
    full: options.full,
    starts: chain.starts,
    manifests: links.length,
    objects: claimed.length,
    bytes: total,
    events: chain.live.reduce((sum, { manifest }) => sum + manifest.events, 0),
    erased: chain.live.reduce((sum, { manifest }) => sum + manifest.erased, 0),
    quarantined: chain.live.filter(({ manifest }) => manifest.quarantined).length,
    expired: expired.length,
    pending,
    problems: [...problems, ...unclaimed],
    chain,
  }
}

const readLinks = async (destination: Destination): Promise<{ links: Link[]; unreadable: Problem[] }> => {
  const links: Link[] = []
  const unreadable: Problem[] = []
  for await (const { key } of destination.list(manifestsPrefix)) {
    const stream = parseManifestKey(key) ? await destination.read(key) : undefined
    const link: Link | Problem = stream
      ? readLink(key, await readText(stream))
      : { kind: 'manifest', key, message: 'is no manifest of ours' }
    if (isProblem(link)) unreadable.push(link)
    else links.push(link)
  }
  return { links, unreadable }
}

type Claimed = Link['manifest']['objects'][number]

const checkObject = async (
  destination: Destination,
  claimed: Claimed,
  listedBytes: number | undefined,
  full: boolean,
): Promise<Problem[]> => {
  const { key } = claimed
  if (listedBytes === undefined) return [{ kind: 'missing object', key, message: 'is not there' }]
  const changed = (message: string): Problem[] => [{ kind: 'changed object', key, message }]
  if (listedBytes !== claimed.bytes) return changed(`has ${listedBytes} bytes, not ${claimed.bytes}`)
  if (!full) {
    const kept = (await destination.stat(key))?.sha256
    return kept === undefined || kept === claimed.sha256 ? [] : changed('has another sha256')
  }
  const stream = await destination.read(key)
  if (!stream) return [{ kind: 'missing object', key, message: 'is not there' }]
  const counted = await countRows(stream, claimed.format)
  if (counted.sha256 !== claimed.sha256) return changed(`has another sha256 (${counted.rows ?? 'no'} rows)`)
  if (counted.rows === claimed.rows) return []
  const found = counted.unreadable ? `cannot be read: ${counted.unreadable}` : `has ${counted.rows} rows`
  return [{ kind: 'rows', key, message: `${found}, not ${claimed.rows}` }]
}

/** An object of a part after its epoch's newest manifest may be under way; any other one is a problem. */
const sortUnclaimed = (keys: readonly string[], live: readonly Link[]) => {
  const newest = new Map<string, number>()
  for (const { manifest } of live) {
    const name = `${manifest.node_id} ${manifest.epoch}`
    newest.set(name, Math.max(newest.get(name) ?? 0, manifest.part))
  }
  const pending: string[] = []
  const unclaimed: Problem[] = []
  for (const key of keys) {
    const part = partOfObject(key)
    if (part && part.seq > (newest.get(`${part.node} ${part.epoch}`) ?? 0)) pending.push(key)
    else unclaimed.push({ kind: 'unclaimed object', key, message: 'is in no manifest' })
  }
  return { pending, unclaimed }
}

/**
 * Compares two destinations that should hold the same: manifests by key and SHA-256, and so their objects. What one of
 * them has beyond the other's newest part is "behind", not a difference.
 */
export const checkParity = (a: Chain, b: Chain): { problems: Problem[]; behind: { a: number; b: number } } => {
  const problems: Problem[] = []
  const inA = new Map(a.links.map((link) => [link.key, link]))
  const inB = new Map(b.links.map((link) => [link.key, link]))
  for (const [key, link] of inA) {
    const other = inB.get(key)
    if (other && !agree(link, other))
      problems.push({ kind: 'parity', key, message: 'differs between the destinations' })
  }
  const behindA = missing(inB, inA)
  const behindB = missing(inA, inB)
  problems.push(...behindA.inside, ...behindB.inside)
  return { problems, behind: { a: behindA.after, b: behindB.after } }
}

/** The same bytes, or, where one of them is filtered, the same part with the same counts. */
const agree = (a: Link, b: Link): boolean => {
  if (!a.manifest.filter && !b.manifest.filter) return a.sha256 === b.sha256
  const counted = ({ events, erased, pageviews, usage, batches }: Link['manifest']) =>
    JSON.stringify([events, erased, pageviews, usage, batches])
  return counted(a.manifest) === counted(b.manifest)
}

/** Manifests of `all` that `some` has not: after its newest part (it is behind), or inside (a difference). */
const missing = (all: Map<string, Link>, some: Map<string, Link>): { inside: Problem[]; after: number } => {
  const newest = new Map<string, number>()
  for (const { manifest } of some.values()) {
    const name = `${manifest.node_id} ${manifest.epoch}`
    newest.set(name, Math.max(newest.get(name) ?? 0, manifest.part))
  }
  const inside: Problem[] = []
  let after = 0
  for (const [key, { manifest }] of all) {
    if (some.has(key)) continue
    if (manifest.part > (newest.get(`${manifest.node_id} ${manifest.epoch}`) ?? 0)) after++
    else inside.push({ kind: 'parity', key, message: 'is in one destination only' })
  }
  return { inside, after }
}
