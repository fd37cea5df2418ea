import { insertAudit } from '../audit.ts'
import type { Db, Session } from '../db.ts'
import { type PersonKind, subjectHashOf } from '../erasures.ts'
import type { KeyedHash } from '../keyed-hash.ts'
import { type Destination, readText } from '../storage/destination.ts'

/**
 * Asks again for the erasures that a restored database does not know: its dump was made before them, and holds the people once
 * more. Their records in the destinations name nobody; whoever has the key finds the person by trying the ids that are there.
 * Resolves to the number of erasures; they are worked off like all others.
 */
export const reapplyErasures = async (
  { db, destinations, nodeId, keyedHash }: Reapplying,
  nowMs: number,
): Promise<number> => {
  const unknown = await selectUnknown(db, await readRecords(destinations, nodeId))
  if (unknown.size === 0) return 0
  const session = await db.session()
  try {
    await session.execute('set statement_timeout = 0')
    const found = new Map<string, { kind: PersonKind; ids: Set<string> }>()
    for (const kind of ['visitor', 'user'] as const)
      for (const id of await selectIds(session, kind))
        for (const hash of subjectHashesOfStored(keyedHash, kind, id)) {
          const erasureId = unknown.get(hash)
          if (erasureId === undefined) continue
          const one = found.get(erasureId) ?? { kind, ids: new Set() }
          one.ids.add(id)
          found.set(erasureId, one)
        }
    for (const [hash, erasureId] of unknown) {
      const one = found.get(erasureId)
      if (one) await insertErasure(db, { erasureId, hash, kind: one.kind, ids: [...one.ids] }, nowMs)
    }
    return found.size
  } finally {
    await session.execute(`set statement_timeout = ${session.statementTimeoutMs}`).catch(() => undefined)
    session.release()
  }
}

type Reapplying = { db: Db; destinations: readonly Destination[]; nodeId: string; keyedHash: KeyedHash }

/** Ids are stored as they were sent, or, where that was an e-mail address or a telephone number, as their keyed hash. */
const subjectHashesOfStored = (keyedHash: KeyedHash, kind: PersonKind, stored: string): string[] => [
  subjectHashOf(keyedHash, kind, keyedHash.text('user', stored.trim().toLowerCase())),
  subjectHashOf(keyedHash, kind, stored),
]

/** Erasures by the hash of their subject, in whatever destination they were recorded. */
const readRecords = async (destinations: readonly Destination[], nodeId: string): Promise<Map<string, string>> => {
  const records = new Map<string, string>()
  for (const destination of destinations)
    for await (const { key } of destination.list(`erasures/${nodeId}/`)) {
      const stream = await destination.read(key)
      if (!stream) continue
      const { erasure_id: id, subject_hash: hash } = JSON.parse(await readText(stream)) as Record<string, string>
      if (id !== undefined && hash !== undefined) records.set(hash, id)
    }
  return records
}

const selectUnknown = async (db: Db, records: ReadonlyMap<string, string>): Promise<Map<string, string>> => {
  const rows = await db.query<{ hash: string; id: string }>(
    `select hash, id from unnest($1::text[], $2::text[]) as sent (hash, id)
     where not exists (select from erasures e where e.erasure_id = sent.id::uuid)`,
    [[...records.keys()], [...records.values()]],
  )
  return new Map(rows.map((row) => [row.hash, row.id]))
}

/** All ids of a kind that this database holds. */
const selectIds = async (session: Session, kind: PersonKind): Promise<string[]> => {
  const rows = await session.query<{ id: string }>(
    kind === 'visitor'
      ? `select visitor_id as id from events_log where visitor_id is not null union select visitor_key from visitors`
      : `select user_id as id from events_log where user_id is not null union select user_id from identities
         union select user_id from sessions where user_id is not null`,
  )
  return rows.map((row) => row.id)
}

const insertErasure = (
  db: Db,
  { erasureId, hash, kind, ids }: { erasureId: string; hash: string; kind: PersonKind; ids: string[] },
  nowMs: number,
): Promise<void> =>
  db.transaction(async (tx) => {
    const subject = kind === 'visitor' ? { visitors: ids, users: [] } : { visitors: [], users: ids }
    await tx.execute(
      `insert into erasures (erasure_id, requested_at, requested_by, kind, subject, subject_hash)
       values ($1::uuid, to_timestamp($2::float8 / 1000), 'restore', $3::text, $4::jsonb, $5::uuid) on conflict do nothing`,
      [erasureId, nowMs, kind, JSON.stringify(subject), hash],
    )
    await insertAudit(tx, { by: 'restore', nowMs }, 'privacy.forget', erasureId, { kind })
  })
