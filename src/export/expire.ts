import { mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Clock } from '../clock.ts'
import type { Db, Tx } from '../db.ts'
import type { Destination } from '../storage/destination.ts'
import { type Expiry, expiryKey } from '../storage/expiries.ts'
import { sha256OfText } from '../storage/sha256.ts'
import type { DestinationName } from '../types.ts'

export type ExpireDeps = { db: Db; clock: Clock; destinations: readonly Destination[]; stagingFolder: string }

/** Parts that are looked at in one round; deleting costs a request for every object. */
const partsMax = 200

/**
 * Deletes delivered objects whose events arrived longer ago than `days`: of parts that were verified in every destination,
 * whose rows have left the buffer, and whose billing period is closed. Manifests stay, and an expiry record beside them says
 * that the objects are gone on purpose; it is written first, so that a crash in between is no loss. Runs under the
 * exporter's lock. Resolves to the number of parts. Throws the destination's failure; what was begun is done again.
 */
export const expireObjects = async (deps: ExpireDeps, days: number): Promise<number> => {
  const { db, clock, destinations } = deps
  const parts = await selectExpirable(db, clock.now() - days * 86_400_000)
  for (const part of parts) {
    for (const destination of destinations) {
      const view = part.views.includes(destination.name) ? destination.name : ''
      const manifest = await selectManifest(db, part.partId, view)
      if (manifest)
        await writeRecord(deps, destination, {
          ...{ version: 1, manifest: manifest.key, manifest_sha256: manifest.sha256 },
          ...{ expired_at: new Date(clock.now()).toISOString(), retention_days: days },
        })
      for (const key of await selectKeys(db, part.partId)) await destination.remove(key)
    }
    await db.transaction((tx) => markExpired(tx, part.partId))
  }
  return parts.length
}

/** A replay that was asked for meanwhile finds nothing to deliver any more but the manifest. */
const markExpired = async (tx: Tx, partId: number): Promise<void> => {
  await tx.execute('update export_parts set expired_at = now() where part_id = $1::bigint', [partId])
  await tx.execute(
    `update deliveries set state = 'verified', next_attempt_at = null
     where part_id = $1::bigint and state in ('pending', 'parked') and verified_at is not null`,
    [partId],
  )
  await tx.execute(
    `delete from deliveries
     where part_id = $1::bigint and state in ('pending', 'parked') and verified_at is null and object_id is not null`,
    [partId],
  )
}

const writeRecord = async ({ stagingFolder }: ExpireDeps, destination: Destination, expiry: Expiry): Promise<void> => {
  const text = `${JSON.stringify(expiry, null, 2)}\n`
  const file = path.join(stagingFolder, `expiry-${path.basename(expiry.manifest)}`)
  await mkdir(stagingFolder, { recursive: true })
  await writeFile(file, text)
  try {
    const local = { path: file, bytes: Buffer.byteLength(text), sha256: sha256OfText(text) }
    await destination.replace(expiryKey(expiry.manifest), local)
  } finally {
    await rm(file, { force: true })
  }
}

/** A period is closed by its statement. An erasure that still reads the part's files holds it. */
const selectExpirable = (db: Db, untilMs: number): Promise<{ partId: number; views: DestinationName[] }[]> =>
  db.query(
    `select part_id as "partId", array(select jsonb_object_keys(coalesce(rules, '{}'))) as views
     from export_parts p
     where expired_at is null and manifest is not null and quarantined is null
       and received_max < to_timestamp($1::float8 / 1000) and revision_wanted <= revision
       and (select count(*) from batches b where b.part_id = p.part_id) = 0
       and not exists (select from deliveries d where d.part_id = p.part_id and d.state <> 'verified')
       and not exists (select from erasures where export_done_at is null)
       and not exists (select from unnest(array[received_min, received_max]) as arrived
                       where not exists (select from billing_periods b join statements s using (month)
                                         where b.starts_at <= arrived and b.ends_at > arrived))
     order by part_id limit $2::int`,
    [untilMs, partsMax],
  )

const selectManifest = async (
  db: Db,
  partId: number,
  view: string,
): Promise<{ key: string; sha256: string } | undefined> => {
  const rows = await db.query<{ key: string; sha256: string }>(
    `select key, sha256 from export_manifests where part_id = $1::bigint and view = $2::text order by revision desc limit 1`,
    [partId, view],
  )
  return rows[0]
}

const selectKeys = async (db: Db, partId: number): Promise<string[]> =>
  (
    await db.query<{ key: string }>('select distinct key from export_objects where part_id = $1::bigint order by key', [
      partId,
    ])
  ).map((row) => row.key)
