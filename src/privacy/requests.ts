import { insertAudit } from '../audit.ts'
import type { Db, Queryable } from '../db.ts'
import { subjectHashOf } from '../erasures.ts'
import { AppError } from '../errors.ts'
import type { KeyedHash } from '../keyed-hash.ts'
import type { Person } from '../storage/person.ts'

/** As an id was sent; exactly one of them. */
export type PersonId = { visitor?: string | undefined; user?: string | undefined }

const idCharsMax = 512

/**
 * The ids under which a person may have been stored: as sent (what no database holds is U+FFFD there), and as the keyed hash that takes the place of an e-mail
 * address or a telephone number. Throws `request_invalid`.
 */
export const personOf = (keyedHash: KeyedHash, { visitor, user }: PersonId): Person => {
  const id = visitor ?? user
  if (id === undefined || (visitor === undefined) === (user === undefined))
    throw new AppError('request_invalid', 'Name one visitor or one user.')
  if (id.trim() === '' || id.length > idCharsMax)
    throw new AppError('request_invalid', `An id has 1 to ${idCharsMax} characters.`)
  const stored = id.replace(/[\0\p{Surrogate}]/gu, '\uFFFD')
  const ids = [stored, keyedHash.text('user', id.trim().toLowerCase())]
  return visitor === undefined ? { visitors: [], users: ids } : { visitors: ids, users: [] }
}

/** `personOf` puts it last. */
const hashedIdOf = ({ visitors, users }: Person): string => [...visitors, ...users].at(-1) ?? ''

export type ErasureState = 'waiting' | 'erasing' | 'delivering' | 'finished'
export type ErasureView = {
  erasure_id: string
  requested_at: string
  requested_by: string
  kind: 'visitor' | 'user'
  state: ErasureState
  /** Events that were erased from encoded or delivered files so far. */
  events: number
  /** Parts whose revisions have not arrived everywhere. */
  parts_waiting: number
  finished_at: string | null
}

/** Asks for an erasure; the rooms work it off by themselves. The audit log says who asked, not who is forgotten. */
export const requestErasure = (
  db: Db,
  keyedHash: KeyedHash,
  id: PersonId,
  { by, nowMs }: { by: string; nowMs: number },
): Promise<{ erasureId: string }> => {
  const person = personOf(keyedHash, id)
  const kind = person.users.length > 0 ? 'user' : 'visitor'
  return db.transaction(async (tx) => {
    const [row] = await tx.query<{ id: string }>(
      `insert into erasures (requested_at, requested_by, kind, subject, subject_hash)
       values (to_timestamp($1::float8 / 1000), $2::text, $3::text, $4::jsonb, $5::uuid) returning erasure_id::text as id`,
      [nowMs, by, kind, JSON.stringify(person), subjectHashOf(keyedHash, kind, hashedIdOf(person))],
    )
    await insertAudit(tx, { by, nowMs }, 'privacy.forget', row?.id ?? '', { kind })
    return { erasureId: row?.id ?? '' }
  })
}

const erasuresShownMax = 200

/** The newest erasures, or the one with this id. */
export const selectErasureViews = (db: Queryable, erasureId?: string): Promise<ErasureView[]> =>
  db.query<ErasureView>(
    `select erasure_id::text, to_char(requested_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as requested_at,
            requested_by, kind,
            case when finished_at is not null then 'finished' when buffer_done_at is not null then 'delivering'
                 when spool_done_at is not null then 'erasing' else 'waiting' end as state,
            (select coalesce(sum(events), 0)::bigint from erasure_parts x where x.erasure_id = e.erasure_id) as events,
            (select count(*) from erasure_parts x join export_parts p using (part_id)
             where x.erasure_id = e.erasure_id
               and exists (select from deliveries d where d.part_id = p.part_id and d.revision = p.revision
                           and d.state <> 'verified')) as parts_waiting,
            to_char(finished_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as finished_at
     from erasures e where $1::uuid is null or erasure_id = $1::uuid order by e.requested_at desc limit $2::int`,
    [erasureId ?? null, erasuresShownMax],
  )
