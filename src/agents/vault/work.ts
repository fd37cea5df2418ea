import type { Db } from '../../db.ts'
import type { Log } from '../../log.ts'
import type { Destination } from '../../storage/destination.ts'
import { sha256OfText } from '../../storage/sha256.ts'
import { VaultFileError, type VaultFolder } from './folder.ts'
import { personSha } from './merge-note.ts'
import { type NoteRow, selectNotes, type WrittenNote, writeNoteRow, writtenColumns } from './note-rows.ts'

/** What a writing of notes has done. */
export type VaultReport = {
  /** Files written or removed on this machine's disk. */
  written: number
  /** Notes with a part that a person changed, where we have other words. */
  conflicts: number
  /** Notes that were changed at the destination, and taken over from there. */
  taken: number
  /** Objects written or removed at the destination. */
  delivered: number
  /** Files that could not be written: each is left as it is. */
  problems: number
  /** Why the delivery stopped; what is missing goes with the next one. */
  error: string | null
}

/** One writing of notes, under its lock. */
export type Work = {
  readonly db: Db
  readonly log: Log
  readonly folder: VaultFolder
  readonly destination: Destination
  /** Before all keys of the vault, relative to the destination. */
  readonly prefix: string
  readonly signal: AbortSignal
  /** By note id; as the database has them. */
  readonly rows: Map<string, NoteRow>
  readonly report: VaultReport
  /** By path in lower case: the note that has it, or is about to. */
  readonly owners: Map<string, string>
  /** By path: the hash of each file of the vault, as this work found it when it began to look, or left it since. */
  readonly seen: Map<string, string>
  /** Problems that were told already. */
  readonly told: Set<string>
}

export const beginWork = async (work: Omit<Work, 'rows' | 'report' | 'owners' | 'seen' | 'told'>): Promise<Work> => ({
  ...work,
  rows: new Map((await selectNotes(work.db)).map((row) => [row.note_id, row])),
  owners: new Map(),
  seen: new Map(),
  told: new Set(),
  report: { written: 0, conflicts: 0, taken: 0, delivered: 0, problems: 0, error: null },
})

/** Notes what a file is; a row that says so already is not written. */
export const saveRow = async (work: Work, note: WrittenNote): Promise<NoteRow> => {
  const before = work.rows.get(note.note_id)
  if (before && writtenColumns.every((column) => before[column] === note[column])) return before
  await writeNoteRow(work.db, note)
  const row: NoteRow = {
    ...{ delivered_to: null, delivered_path: null, delivered_sha256: null, delivered_person_sha256: null },
    ...{ delivered_tag: null, ...before, ...note },
  }
  work.rows.set(note.note_id, row)
  return row
}

/** Notes what a file holds now. */
export const saveText = (work: Work, row: WrittenNote, text: string): Promise<NoteRow> =>
  saveRow(work, { ...row, sha256: sha256OfText(text), person_sha256: personOf(row, text) })

/** Pictures are ours; of everything else that is no note the whole file is what a person may change. */
export const personOf = ({ kind }: Pick<NoteRow, 'kind'>, text: string): string =>
  kind === 'picture' ? '' : isNote({ kind }) ? personSha(text) : sha256OfText(text)

export const isNote = ({ kind }: Pick<NoteRow, 'kind'>): boolean =>
  kind !== 'picture' && kind !== 'dashboard' && kind !== 'copy'

/** A file that cannot be read or written is told of, and left alone; the others go on. */
export const tryFile = async (work: Work, act: () => Promise<void>): Promise<void> => {
  try {
    await act()
  } catch (error) {
    if (!(error instanceof VaultFileError)) throw error
    if (work.told.has(error.message)) return
    work.told.add(error.message)
    work.report.problems++
    work.log.warn({ err: error }, `a note is left as it is: ${error.message}`)
  }
}
