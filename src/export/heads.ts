import type { Db } from '../db.ts'
import { AppError, isAppError, messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { type Destination, readText } from '../storage/destination.ts'
import { manifestsPrefix, parseManifestKey } from '../storage/keys.ts'
import { parseManifest } from '../storage/manifest.ts'
import type { DestinationName } from '../types.ts'

export type Identity = { clientId: string; nodeId: string }

export type Heads = {
  /** Destinations that refused or did not answer, and why; nothing is delivered there now. */
  failures: Map<DestinationName, Error>
  /** Why no part may be made: no destination answered. */
  held: string | null
}

/** Asks all destinations for their heads. Throws `export_head_unknown`: then nothing may be exported at all. */
export const checkHeads = async (deps: {
  db: Db
  log: Log
  destinations: readonly Destination[]
  options: Identity
}): Promise<Heads> => {
  const failures: Heads['failures'] = new Map()
  await Promise.all(
    deps.destinations.map(async (destination) => {
      try {
        await checkHead(deps.db, destination, deps.options)
      } catch (error) {
        if (isAppError(error) && error.code === 'export_head_unknown') throw error
        deps.log.warn({ destination: destination.name, err: error }, 'destination did not answer for its head')
        failures.set(destination.name, error as Error)
      }
    }),
  )
  const held = failures.size === deps.destinations.length ? [...failures.values()].map(messageOf).join(' ') : null
  return { failures, held }
}

/** Listing starts this long before the last manifest delivered there: a clock may have stepped back meanwhile. */
const lookBackDays = 2

/**
 * Asks a destination for this node's manifests and compares them with what the database knows. So a restored, emptied or
 * cloned VM never goes on from a state that others have left behind. Listing, because a HEAD cannot tell a missing bucket
 * from a missing key. Throws `export_head_unknown` (adopt first), `export_prefix_taken`, or the destination's own failure.
 */
export const checkHead = async (db: Db, destination: Destination, identity: Identity): Promise<void> => {
  const since = await selectListStart(db, destination)
  const own: string[] = []
  let first: string | undefined
  for await (const { key } of destination.list(manifestsPrefix, since)) {
    first ??= key
    if (parseManifestKey(key)?.node === identity.nodeId) own.push(key)
  }
  if (since === undefined && first !== undefined) await refuseOtherClient(destination, first, identity.clientId)
  const unknown = await selectUnknownKeys(db, own)
  const head = unknown.at(-1)
  if (head !== undefined)
    throw new AppError(
      'export_head_unknown',
      `${destination.identity} holds ${unknown.length} manifests of node ${identity.nodeId} that this database does not know, up to ${head}. Run: npx evothesis export adopt`,
    )
}

/** A prefix belongs to one client: its manifests say to whom. */
export const refuseOtherClient = async (destination: Destination, key: string, clientId: string): Promise<void> => {
  const stream = await destination.read(key)
  if (!stream) return
  const manifest = parseManifest(await readText(stream), key)
  if (manifest.client_id !== clientId)
    throw new AppError(
      'export_prefix_taken',
      `${destination.identity} holds files of client ${manifest.client_id}, not ${clientId}; set another prefix.`,
    )
}

/** Where the listing may start; undefined when nothing was ever verified there under this identity. */
const selectListStart = async (db: Db, destination: Destination): Promise<string | undefined> => {
  const [row] = await db.query<{ day: string | null }>(
    `select to_char(max(p.created_at) - make_interval(days => $3::int), 'YYYY-MM-DD') as day
     from deliveries d join export_parts p using (part_id)
     where d.destination = $1::text and d.identity = $2::text and d.state = 'verified' and d.object_id is null`,
    [destination.name, destination.identity, lookBackDays],
  )
  return row?.day ? `${manifestsPrefix}dt=${row.day}` : undefined
}

const selectUnknownKeys = async (db: Db, keys: readonly string[]): Promise<string[]> => {
  const rows = await db.query<{ key: string }>(
    `select key from unnest($1::text[]) as sent (key)
     where not exists (select from export_manifests m where m.key = sent.key) order by key`,
    [keys],
  )
  return rows.map((row) => row.key)
}
