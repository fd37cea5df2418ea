import type { Queryable } from '../../db.ts'

export type NoteState = 'active' | 'removed' | 'gone'
/** A file of the vault. */
export type NoteRow = {
  note_id: string
  kind: string
  path: string
  site_id: string | null
  day: string | null
  customer: string | null
  state: NoteState
  sha256: string
  person_sha256: string
  blank_sha256: string
  /** What it was rendered from: a `Rendering` as JSON. */
  rendered: string | null
  delivered_to: string | null
  delivered_path: string | null
  delivered_sha256: string | null
  delivered_person_sha256: string | null
  delivered_tag: string | null
}
export const writtenColumns = [
  ...(['note_id', 'kind', 'path', 'site_id', 'day', 'customer', 'state', 'sha256'] as const),
  ...(['person_sha256', 'blank_sha256', 'rendered'] as const),
] as const
export type WrittenNote = Pick<NoteRow, (typeof writtenColumns)[number]>

export const selectNotes = (db: Queryable): Promise<NoteRow[]> =>
  db.query<NoteRow>(
    `select note_id, kind, path, site_id, day::text as day, customer, state, sha256, person_sha256, blank_sha256, rendered,
            delivered_to, delivered_path, delivered_sha256, delivered_person_sha256, delivered_tag from notes order by path`,
  )

export const writeNoteRow = (db: Queryable, note: WrittenNote): Promise<number> =>
  db.execute(
    `insert into notes (note_id, kind, path, site_id, day, customer, state, sha256, person_sha256, blank_sha256, rendered,
                        written_at)
     values ($1::text, $2::text, $3::text, $4::text, $5::date, $6::text, $7::text, $8::text, $9::text, $10::text, $11::text,
             now())
     on conflict (note_id) do update set kind = excluded.kind, path = excluded.path, site_id = excluded.site_id,
       day = excluded.day, customer = excluded.customer, state = excluded.state, sha256 = excluded.sha256,
       person_sha256 = excluded.person_sha256, blank_sha256 = excluded.blank_sha256, rendered = excluded.rendered,
       written_at = case when notes.sha256 = excluded.sha256 then notes.written_at else excluded.written_at end`,
    writtenColumns.map((column) => note[column]),
  )

export const setNoteState = (db: Queryable, noteId: string, state: NoteState): Promise<number> =>
  db.execute('update notes set state = $2::text where note_id = $1::text and state <> $2::text', [noteId, state])

export const deleteNoteRow = (db: Queryable, noteId: string): Promise<number> =>
  db.execute('delete from notes where note_id = $1::text', [noteId])

export type NoteDelivery = {
  to: string
  path: string
  sha256: string
  personSha256: string
  tag: string | null
}

export const markDelivered = (db: Queryable, noteId: string, delivery: NoteDelivery): Promise<number> =>
  db.execute(
    `update notes set delivered_to = $2::text, delivered_path = $3::text, delivered_sha256 = $4::text,
       delivered_person_sha256 = $5::text, delivered_tag = $6::text, delivered_at = now() where note_id = $1::text`,
    [noteId, delivery.to, delivery.path, delivery.sha256, delivery.personSha256, delivery.tag],
  )

/** What is at the destination has to be looked at, and compared with a note that nobody wrote into. */
export const doubtDelivery = (db: Queryable, noteId: string): Promise<number> =>
  db.execute(
    `update notes set delivered_sha256 = null, delivered_person_sha256 = blank_sha256, delivered_tag = null
     where note_id = $1::text`,
    [noteId],
  )

/** Nothing of the note is at the destination any more. */
export const clearDelivery = (db: Queryable, noteId: string): Promise<number> =>
  db.execute(
    `update notes set delivered_to = null, delivered_path = null, delivered_sha256 = null, delivered_person_sha256 = null,
       delivered_tag = null where note_id = $1::text`,
    [noteId],
  )

export type VaultRun = { written: number; conflicts: number; taken: number; delivered: number; error: string | null }

export const insertVaultRun = (db: Queryable, run: VaultRun): Promise<number> =>
  db.execute(
    `insert into vault_runs (ended_at, written, conflicts, taken, delivered, error)
     values (now(), $1::int, $2::int, $3::int, $4::int, $5::text)`,
    [run.written, run.conflicts, run.taken, run.delivered, run.error],
  )

/** Why the last delivery failed; null when it did not. */
export const selectLastError = async (db: Queryable): Promise<string | null> => {
  const [last] = await db.query<{ error: string | null }>(
    'select error from vault_runs order by vault_run_id desc limit 1',
  )
  return last?.error ?? null
}

export type VaultStatus = {
  notes: Record<string, number>
  /** Files that the destination does not have as they are here. */
  pending: number
  last_written_at: string | null
  last_delivered_at: string | null
  /** Why the last delivery failed; null after one that went well. */
  delivery_error: string | null
}

const isPending = `(state = 'active' and (delivered_sha256 is distinct from sha256 or delivered_path is distinct from path
    or delivered_to is distinct from $1::text)) or (state <> 'active' and delivered_path is not null)`

/** `destination`: its identity, as deliveries name it. */
export const selectVaultStatus = async (db: Queryable, destination: string): Promise<VaultStatus> => {
  const kinds = await db.query<{ kind: string; count: number }>(
    `select kind, count(*) as count from notes where state = 'active' group by 1 order by 1`,
  )
  const [row] = await db.query<Omit<VaultStatus, 'notes'>>(
    `select (select count(*) from notes where ${isPending}) as pending,
            (select to_char(max(written_at), 'YYYY-MM-DD"T"HH24:MI:SS"Z"') from notes) as last_written_at,
            (select to_char(max(delivered_at), 'YYYY-MM-DD"T"HH24:MI:SS"Z"') from notes) as last_delivered_at,
            (select error from vault_runs order by vault_run_id desc limit 1) as delivery_error`,
    [destination],
  )
  return {
    notes: Object.fromEntries(kinds.map(({ kind, count }) => [kind, count])),
    ...(row ?? { pending: 0, last_written_at: null, last_delivered_at: null, delivery_error: null }),
  }
}

/** Runs are for looking at what went on lately. */
const runsKept = 200

export const trimVaultRuns = (db: Queryable): Promise<number> =>
  db.execute('delete from vault_runs where vault_run_id <= (select max(vault_run_id) from vault_runs) - $1::bigint', [
    runsKept,
  ])
