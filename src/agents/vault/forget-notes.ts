import { readText } from '../../storage/destination.ts'
import { noteIdOf } from './merge-note.ts'
import { deleteNoteRow, type NoteRow } from './note-rows.ts'
import { listRemote } from './pull.ts'
import { push } from './push.ts'
import type { Work } from './work.ts'

const objectBytesMax = 8 * 1024 * 1024

/**
 * Removes everything about these customers: their notes wherever a person moved or copied them, what a person wrote into
 * them, pictures, other copies, and their names in segments; here, and at the destination. Throws when the destination
 * fails: the erasure is not done then, and is tried again.
 */
export const forgetNotes = async (
  work: Work,
  customers: readonly string[],
  writeSegments: () => Promise<void>,
): Promise<void> => {
  if (customers.length === 0) return
  const { db, folder, destination, prefix, rows } = work
  const meant = new Set(customers)
  const own = [...rows.values()].filter((row) => isAbout(row, meant))
  const found = await folder.findNotes()
  for (const path of [...own.map((row) => row.path), ...customers.flatMap((key) => found.get(key) ?? [])])
    await folder.remove(path)
  for (const row of own) rows.set(row.note_id, { ...row, state: 'gone' })
  await writeSegments()
  const paths = new Set(own.flatMap((row) => [row.path, row.delivered_path ?? row.path]))
  const tracked = new Map([...rows.values()].map((row) => [row.delivered_path, row]))
  const remote = await listRemote(work)
  for (const [path, object] of remote) {
    const owner = tracked.get(path)
    const isTheirs = paths.has(path) || (!owner && path.endsWith('.md') && meant.has((await idAt(work, object)) ?? ''))
    if (isTheirs) await destination.remove(`${prefix}${path}`)
  }
  for (const { note_id } of own) {
    await deleteNoteRow(db, note_id)
    rows.delete(note_id)
  }
  await push(work, remote, () => {})
}

const isAbout = (row: NoteRow, customers: ReadonlySet<string>): boolean =>
  customers.has(row.note_id) || (row.customer !== null && customers.has(row.customer))

const idAt = async (work: Work, { key, bytes }: { key: string; bytes: number }): Promise<string | undefined> => {
  const stream = bytes > objectBytesMax ? undefined : await work.destination.read(key)
  return stream && noteIdOf(await readText(stream))
}
