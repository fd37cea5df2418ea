import { readText } from '../../storage/destination.ts'
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
  const { db, folder, destination, rows } = work
  const meant = new Set(customers)
  const own = [...rows.values()].filter((row) => isAbout(row, meant))
  for (const path of own.map((row) => row.path)) await folder.remove(path)
  for (const path of (await folder.list()).filter((one) => one.endsWith('.md'))) {
    const text = await folder.read(path).catch(() => null)
    if (text !== null && names(text, meant)) await folder.remove(path)
  }
  for (const row of own) rows.set(row.note_id, { ...row, state: 'gone' })
  await writeSegments()
  // A destination that never had a note need not answer: it may be waiting for its keys.
  const isDelivered = [...rows.values()].some(({ delivered_to }) => delivered_to === destination.identity)
  if (isDelivered) await forgetThere(work, own, meant)
  for (const { note_id } of own) {
    await deleteNoteRow(db, note_id)
    rows.delete(note_id)
  }
}

const forgetThere = async (work: Work, own: readonly NoteRow[], meant: ReadonlySet<string>): Promise<void> => {
  const { destination, prefix, rows } = work
  const paths = new Set(own.flatMap((row) => [row.path, row.delivered_path ?? row.path]))
  const tracked = new Map([...rows.values()].map((row) => [row.delivered_path, row]))
  const remote = await listRemote(work)
  for (const [path, object] of remote) {
    const owner = tracked.get(path)
    const isTheirs = paths.has(path) || (!owner && path.endsWith('.md') && (await isCopyAt(work, object, meant)))
    if (isTheirs) await destination.remove(`${prefix}${path}`)
  }
  await push(work, remote, () => {})
}

const isAbout = (row: NoteRow, customers: ReadonlySet<string>): boolean =>
  customers.has(row.note_id) || (row.customer !== null && customers.has(row.customer))

/** A copy of such a note, wherever a person put it. */
const names = (text: string, customers: ReadonlySet<string>): boolean => {
  const key = /^---\r?\n(?:(?!---)[^\n]*\n)*?evo_(?:id|copy_of):[ \t]*["']?(c_[0-9a-f]{16})/.exec(
    text.replace(/^\uFEFF/, ''),
  )?.[1]
  return key !== undefined && customers.has(key)
}

const isCopyAt = async (
  work: Work,
  { key, bytes }: { key: string; bytes: number },
  customers: ReadonlySet<string>,
): Promise<boolean> => {
  const stream = bytes > objectBytesMax ? undefined : await work.destination.read(key)
  return stream !== undefined && names(await readText(stream), customers)
}
