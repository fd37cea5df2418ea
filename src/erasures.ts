import type { Queryable } from './db.ts'
import type { KeyedHash } from './keyed-hash.ts'
import type { Person } from './storage/person.ts'

/**
 * Erasures as rooms meet in them: `privacy` writes the request, then collect, export and agents each work off their column,
 * in their own time. When all are done the subject is deleted from the row, and what is left says nothing about a person.
 */
export type Erasure = {
  erasureId: string
  requestedMs: number
  kind: PersonKind
  subject: Person
  subjectHash: string
}
export type PersonKind = 'visitor' | 'user'
/** Recognises a person again, by the keyed hash of their id (purpose `user`); says nothing without the key. */
export const subjectHashOf = (keyedHash: KeyedHash, kind: PersonKind, hashedId: string): string =>
  keyedHash.uuid('erasure', `${kind} ${hashedId}`)

export type ErasureRoom = 'collect' | 'export' | 'agents'

const columns = `erasure_id::text as "erasureId", (extract(epoch from requested_at) * 1000)::bigint as "requestedMs", kind, subject,
  subject_hash::text as "subjectHash"`

/**
 * What a room has still to do, oldest first. A user is only handed out once the exporter has found their visitors, and the
 * agents come after the buffer, so that they read nothing of the person again.
 */
export const selectErasures = (db: Queryable, room: 'collect' | 'agents'): Promise<Erasure[]> =>
  db.query<Erasure>(
    `select ${columns} from erasures where ${room}_done_at is null and spool_done_at is not null and (kind = 'visitor' or resolved_at is not null)
       and ($1::text = 'collect' or buffer_done_at is not null)
     order by requested_at, erasure_id`,
    [room],
  )

/** Says that a room is done; the last one ends the erasure, and with it what names the person. */
export const finishErasure = async (db: Queryable, erasureId: string, room: ErasureRoom): Promise<void> => {
  await db.execute(
    `update erasures set ${room}_done_at = now() where erasure_id = $1::uuid and ${room}_done_at is null`,
    [erasureId],
  )
  await db.execute(
    `update erasures set finished_at = now(), subject = null
     where erasure_id = $1::uuid and finished_at is null and collect_done_at is not null
       and export_done_at is not null and agents_done_at is not null`,
    [erasureId],
  )
}
