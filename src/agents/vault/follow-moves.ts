import { sha256OfText } from '../../storage/sha256.ts'
import { doubtDelivery, type NoteRow, setNoteState } from './note-rows.ts'
import { isNote, saveRow, saveText, tryFile, type Work } from './work.ts'

/**
 * Sees what people did to the files of the vault: a note that was renamed or moved is followed by its `evo_id`; one that
 * was deleted stays away, until somebody puts an empty file in its place. When most notes are missing at once the disk was
 * lost, and nobody deleted anything: resolves to the ids of those that are to be brought back.
 */
export const followMoves = async (work: Work): Promise<ReadonlySet<string>> => {
  const { folder, rows } = work
  const files = await folder.scan()
  const found = new Map<string, string[]>()
  for (const [path, file] of files) {
    if (file) work.seen.set(path, file.sha256)
    if (file?.noteId !== undefined) found.set(file.noteId, [...(found.get(file.noteId) ?? []), path])
  }
  /** The file at the row's path is the row's, or nobody's. */
  const isThere = (row: NoteRow): boolean =>
    files.has(row.path) && (files.get(row.path)?.noteId ?? row.note_id) === row.note_id
  for (const row of rows.values())
    if (row.state === 'removed' && isThere(row)) await saveRow(work, { ...row, state: 'active' })
  const active = [...rows.values()].filter(({ state, kind }) => state === 'active' && kind !== 'picture')
  const gone: NoteRow[] = []
  for (const row of active) {
    const [first, ...others] = isNote(row) ? (found.get(row.note_id) ?? []) : []
    if (first === row.path || others.includes(row.path)) continue
    if (first !== undefined) {
      await saveRow(work, { ...row, path: first })
      work.log.info({ note: row.note_id }, 'a note was moved in the vault')
    } else if (!isThere(row)) gone.push(row)
  }
  if (gone.length > 1 && gone.length * 2 > active.length) {
    work.log.warn({ notes: gone.length }, 'most notes are missing from the vault: they are brought back')
    return new Set(gone.map(({ note_id }) => note_id))
  }
  for (const row of gone) {
    await setNoteState(work.db, row.note_id, 'removed')
    rows.set(row.note_id, { ...row, state: 'removed' })
    work.log.info({ note: row.note_id }, 'a note was deleted from the vault, and stays away')
  }
  return new Set()
}

/**
 * Of notes that this disk has lost while the destination does not answer: what people wrote into them is there still, and
 * is to be fetched before anything is written over it.
 */
export const keepInDoubt = async (work: Work, lost: ReadonlySet<string>): Promise<void> => {
  for (const id of lost) {
    const row = work.rows.get(id)
    if (!row || (await work.folder.read(row.path)) !== null) continue
    await doubtDelivery(work.db, id)
    work.rows.set(id, {
      ...row,
      ...{ delivered_sha256: null, delivered_person_sha256: row.blank_sha256, delivered_tag: null },
    })
  }
}

/**
 * What people wrote since, in notes that this run has no news for: it is delivered all the same. Files that `followMoves`
 * found as they were left are not read again.
 */
export const noticeEdits = async (work: Work): Promise<void> => {
  for (const row of [...work.rows.values()]) {
    if (row.state !== 'active' || work.seen.get(row.path) === row.sha256 || work.signal.aborted) continue
    await tryFile(work, async () => {
      const text = await work.folder.read(row.path)
      if (text !== null && sha256OfText(text) !== row.sha256) await saveText(work, row, text)
    })
  }
}
