import type { Db, Tx } from '../db.ts'
import { AppError } from '../errors.ts'
import { type Destination, readText } from '../storage/destination.ts'
import { manifestsPrefix, parseManifestKey } from '../storage/keys.ts'
import { type Manifest, parseManifest } from '../storage/manifest.ts'
import { sha256OfText } from '../storage/sha256.ts'
import { type Identity, refuseOtherClient } from './heads.ts'
import { collapse } from './retention.ts'

export type Adopted = { manifests: number; events: number; epoch: string }
type Found = { key: string; text: string; sha256: string; manifest: Manifest; places: Destination[] }

/**
 * Takes over what this node delivered in an earlier life of its database: imports the manifests that the destinations
 * hold and the database does not know, with their usage, then begins a new epoch whose genesis names the head that was
 * found; the backup's, else the client's. Needs every configured destination to answer, because a head that is
 * overlooked would be continued twice. Adopting again changes nothing.
 */
export const adopt = async (db: Db, destinations: readonly Destination[], identity: Identity): Promise<Adopted> => {
  const found = new Map<string, Found>()
  for (const destination of [...destinations].sort(backupFirst))
    for await (const { key } of destination.list(manifestsPrefix)) {
      const name = parseManifestKey(key)
      if (!name || name.node !== identity.nodeId) continue
      const same = found.get(key)
      if (same) {
        same.places.push(destination)
        continue
      }
      if (found.size === 0) await refuseOtherClient(destination, key, identity.clientId)
      found.set(key, await readManifest(destination, key))
    }
  return db.transaction(async (tx) => {
    const known = await selectKnownKeys(tx, [...found.keys()])
    const unknown = inChainOrder([...found.values()].filter((one) => !known.has(one.key)))
    const head = unknown.at(-1)
    if (!head) return { manifests: 0, events: 0, epoch: await selectEpoch(tx) }
    const ownEpochs = await selectEpochs(tx)
    for (const one of unknown) await insertAdopted(tx, one)
    await claimDelivered(tx, ownEpochs)
    await releaseErased(tx)
    const epoch = await beginEpoch(tx, head)
    const events = unknown.reduce((sum, one) => sum + one.manifest.events, 0)
    return { manifests: unknown.length, events, epoch }
  })
}

const backupFirst = (a: Destination, b: Destination): number =>
  Number(b.name === 'backup') - Number(a.name === 'backup')

/**
 * Epochs by the age of their first manifest; within one every manifest after the one that it continues, whatever the clock
 * did: a revision stands where it was made, not behind its part.
 */
const inChainOrder = (found: readonly Found[]): Found[] => {
  const byPart = (a: Found, b: Found): number =>
    a.manifest.part - b.manifest.part || a.manifest.revision - b.manifest.revision
  const epochs = new Map<string, Found[]>()
  for (const one of [...found].sort(byPart))
    epochs.set(one.manifest.epoch, [...(epochs.get(one.manifest.epoch) ?? []), one])
  const byAge = (a: Found[], b: Found[]): number =>
    (a[0]?.manifest.created_at ?? '').localeCompare(b[0]?.manifest.created_at ?? '')
  return [...epochs.values()].sort(byAge).flatMap((group) => {
    const following = new Map(group.map((one) => [one.manifest.previous_manifest_sha256, one]))
    const ordered: Found[] = []
    for (let next = group[0]; next && !ordered.includes(next); next = following.get(next.sha256)) ordered.push(next)
    // What hangs on nothing that is here: the chain is broken, which verify tells.
    return [...ordered, ...group.filter((one) => !ordered.includes(one))]
  })
}

const readManifest = async (destination: Destination, key: string): Promise<Found> => {
  const stream = await destination.read(key)
  if (!stream) throw new AppError('verify_failed', `${key} was listed by ${destination.identity}, but is not there.`)
  const text = await readText(stream)
  return { key, text, sha256: sha256OfText(text), manifest: parseManifest(text, key), places: [destination] }
}

const selectKnownKeys = async (tx: Tx, keys: readonly string[]): Promise<Set<string>> => {
  const rows = await tx.query<{ key: string }>('select key from export_manifests where key = any($1::text[])', [keys])
  return new Set(rows.map((row) => row.key))
}

const selectEpoch = async (tx: Tx): Promise<string> =>
  (await tx.query<{ epoch: string }>('select epoch from epochs where is_current'))[0]?.epoch ?? ''

const insertAdopted = async (tx: Tx, { key, text, sha256, manifest: m, places }: Found): Promise<void> => {
  await tx.execute(
    'insert into epochs (epoch, started_at, is_current) values ($1::text, $2::timestamptz, false) on conflict do nothing',
    [m.epoch, m.created_at],
  )
  const [row] = await tx.query<{ part_id: number }>(
    `insert into export_parts (epoch, seq, revision, created_at, producer, schema_version, formats, compression,
       destinations, batches, batch_min, batch_max, events, pageviews, bytes, received_min, received_max, manifest,
       manifest_sha256, manifest_key, encoded_at, quarantined, adopted, erased, revision_wanted)
     values ($1::text, $2::bigint, $3::int, $4::timestamptz, $5::text, $6::int, $7::text[], '{}', '{}', $8::bigint,
       $9::bigint, $10::bigint, $11::bigint, $12::bigint, 0, $13::timestamptz, $14::timestamptz, $15::text, $16::text,
       $17::text, $4::timestamptz, $18::text, true, $19::bigint, $3::int)
     on conflict (epoch, seq) do update set revision = excluded.revision, manifest = excluded.manifest,
       manifest_sha256 = excluded.manifest_sha256, manifest_key = excluded.manifest_key, adopted = true,
       erased = excluded.erased, revision_wanted = excluded.revision_wanted
     where export_parts.revision <= excluded.revision
     returning part_id`,
    [
      ...[m.epoch, m.part, m.revision, m.created_at, m.producer.replace(/^evothesis /, ''), m.schema_version],
      ...[[...new Set(m.objects.map((object) => object.format))], m.batches.count, m.batches.min, m.batches.max],
      ...[m.events, m.pageviews, m.received?.min ?? null, m.received?.max ?? null, text, sha256, key],
      m.quarantined ? 'quarantined before it was adopted' : null,
      m.erased,
    ],
  )
  const partId = row?.part_id ?? (await selectPartId(tx, m))
  await tx.execute(
    `insert into export_manifests (part_id, revision, key, sha256, manifest)
     values ($1::bigint, $2::int, $3::text, $4::text, $5::text) on conflict do nothing`,
    [partId, m.revision, key, sha256, text],
  )
  await tx.execute(
    `insert into part_usage (part_id, quarter, site_id, events, pageviews, rejected, duplicates, erased)
     select $1::bigint, quarter, coalesce(site, ''), events, pageviews, 0, 0, erased
     from jsonb_to_recordset($2::jsonb) as u(quarter timestamptz, site text, events bigint, pageviews bigint, erased bigint)
     on conflict (part_id, quarter, site_id) do update set erased = excluded.erased`,
    [partId, JSON.stringify(m.usage)],
  )
  await tx.execute(
    `insert into export_objects (part_id, revision, format, hour, compression, key, rows, bytes, sha256)
     select $1::bigint, $2::int, format, (substring(key from 'dt=([0-9-]+)') || ' ' || substring(key from 'hr=([0-9]+)')
              || ':00+00')::timestamptz, compression, key, rows, bytes, sha256
     from jsonb_to_recordset($3::jsonb) as o(format text, compression text, key text, rows bigint, bytes bigint, sha256 text)
     on conflict do nothing`,
    [partId, m.revision, JSON.stringify(m.objects)],
  )
  // They were verified by the life before this one; a file that is needed from there is checked by its SHA-256.
  await tx.execute(
    `insert into deliveries (part_id, revision, object_id, destination, identity, state, evidence, verified_at)
     select $1::bigint, $2::int, o.object_id, d.destination, d.identity, 'verified', '{"method": "adopted"}', now()
     from jsonb_to_recordset($3::jsonb) as d(destination text, identity text),
          (select object_id from export_objects where part_id = $1::bigint and revision = $2::int
           union all select null) as o
     on conflict do nothing`,
    [
      partId,
      m.revision,
      JSON.stringify(places.map((place) => ({ destination: place.name, identity: place.identity }))),
    ],
  )
}

const selectPartId = async (tx: Tx, m: Manifest): Promise<number | undefined> =>
  (
    await tx.query<{ part_id: number }>(
      'select part_id from export_parts where epoch = $1::text and seq = $2::bigint',
      [m.epoch, m.part],
    )
  )[0]?.part_id

const selectEpochs = async (tx: Tx): Promise<string[]> =>
  (await tx.query<{ epoch: string }>('select epoch from epochs')).map((row) => row.epoch)

/**
 * A database that was restored from a dump still holds batches that its former life delivered after the dump was made.
 * Parts claim in the order of ids, so a batch of the dump belongs to the first adopted part of its own epoch that reaches
 * its id. Batches that came after the restore may bear the same ids; they were stored later than those manifests.
 */
const claimDelivered = (tx: Tx, ownEpochs: readonly string[]): Promise<number> =>
  tx.execute(
    `update batches b set part_id = (
       select p.part_id from export_parts p
       where p.adopted and p.epoch = any($1::text[]) and p.batch_max >= b.batch_id and p.created_at > b.stored_at
       order by p.epoch, p.seq limit 1)
     where b.part_id is null`,
    [ownEpochs],
  )

/**
 * Rows of parts from which somebody was erased after the dump was made: the dump still holds the person, and nobody can say
 * which rows those are. All rows of such a part leave the buffer; its files have the others.
 */
const releaseErased = async (tx: Tx): Promise<void> => {
  const which = 'part_id in (select part_id from export_parts where adopted and erased > 0)'
  await tx.execute(`delete from events_log where batch_id in (select batch_id from batches where ${which})`)
  await collapse(tx, which, [])
}

/** A new epoch from here on. Parts of the old one that were never committed by a manifest give their batches back. */
const beginEpoch = async (tx: Tx, head: Found): Promise<string> => {
  await releaseUncommitted(tx)
  await tx.execute('update epochs set is_current = false where is_current')
  const [row] = await tx.query<{ epoch: string }>(
    `insert into epochs (epoch, predecessor)
     values (substr(replace(gen_random_uuid()::text, '-', ''), 1, 8), $1::jsonb) returning epoch`,
    [
      JSON.stringify({
        node: head.manifest.node_id,
        epoch: head.manifest.epoch,
        part: head.manifest.part,
        revision: head.manifest.revision,
        sha256: head.sha256,
      }),
    ],
  )
  return row?.epoch ?? ''
}

const releaseUncommitted = async (tx: Tx): Promise<void> => {
  const parts = `(select part_id from export_parts p where not adopted and not exists
     (select from deliveries d where d.part_id = p.part_id and d.object_id is null and d.state = 'verified'))`
  await tx.execute(`update batches set part_id = null where part_id in ${parts}`)
  for (const table of [
    'deliveries',
    'export_objects',
    'export_manifests',
    'erasure_parts',
    'part_usage',
    'export_parts',
  ])
    await tx.execute(`delete from ${table} where part_id in ${parts}`)
}
