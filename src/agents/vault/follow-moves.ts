import { sha256OfText } from '../../storage/sha256.ts'
import { setNoteState } from './note-rows.ts'
import { isNote, saveRow, saveText, tryFile, type Work } from './work.ts'

/**
 * Sees what people did to the files of the vault: a note that was renamed or moved is followed by its `evo_id`; one that
 * was deleted stays away, until somebody puts an empty file in its place. When most notes are missing at once the disk was
 * lost, and nobody deleted anything: resolves to the ids of those that are to be brought back.
 */
export const followMoves = async (work: Work): Promise<ReadonlySet<string>> => {
  const { folder, rows } = work
  const there = new Set(await folder.list())
  for (const row of rows.values())
    if (row.state === 'removed' && there.has(row.path)) await saveRow(work, { ...row, state: 'active' })
  const active = [...rows.values()].filter(({ state }) => state === 'active')
  const missing = active.filter(({ path, kind }) => kind !== 'picture' && !there.has(path))
  if (missing.length === 0) return new Set()
  const found = await folder.findNotes()
  const taken = new Set(active.filter(({ path }) => there.has(path)).map(({ path }) => path))
  const lost = []
  for (const row of missing) {
    const moved = isNote(row) ? found.get(row.note_id)?.find((path) => !taken.has(path)) : undefined
    if (moved === undefined) {
      lost.push(row)
      continue
    }
    taken.add(moved)
    await saveRow(work, { ...row, path: moved })
    work.log.info({ note: row.note_id }, 'a note was moved in the vault')
  }
  if (lost.length > 1 && lost.length * 2 > active.filter(({ kind }) => kind !== 'picture').length) {
    work.log.warn({ notes: lost.length }, 'most notes are missing from the vault: they are brought back')
    return new Set(lost.map(({ note_id }) => note_id))
  }
  for (const row of lost) {
    await setNoteState(work.db, row.note_id, 'removed')
    rows.set(row.note_id, { ...row, state: 'removed' })
    work.log.info({ note: row.note_id }, 'a note was deleted from the vault, and stays away')
  }
  return new Set()
}

/** What people wrote since, in notes that this run has no news for: it is delivered all the same. */
export const noticeEdits = async (work: Work, isWritten: (noteId: string) => boolean): Promise<void> => {
  for (const row of [...work.rows.values()]) {
    if (row.state !== 'active' || isWritten(row.note_id) || work.signal.aborted) continue
    await tryFile(work, async () => {
      const text = await work.folder.read(row.path)
      if (text !== null && sha256OfText(text) !== row.sha256) await saveText(work, row, text)
    })
  }
}
