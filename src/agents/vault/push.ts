import path from 'node:path'
import { sha256OfText } from '../../storage/sha256.ts'
import { clearDelivery, deleteNoteRow, markDelivered, type NoteRow } from './note-rows.ts'
import { type Remote, tagOf, takeChange } from './pull.ts'
import { personOf, saveText, tryFile, type Work } from './work.ts'

const atOnce = 4

/**
 * Hands to the destination what it does not have as it is here, and removes what has gone. An object that somebody wrote
 * since it was listed is taken over first. Throws the destination's failure; what was handed over till then stays so.
 */
export const push = async (
  work: Work,
  remote: Remote,
  onProgress: (done: number, total: number) => void,
): Promise<void> => {
  const todo = [...work.rows.values()].filter((row) => isDue(row, work.destination.identity))
  let [next, done] = [0, 0]
  const loop = async (): Promise<void> => {
    for (let row = todo[next++]; row && !work.signal.aborted; row = todo[next++]) {
      const due = row
      if (due.state === 'active') await tryFile(work, () => deliver(work, due, remote))
      else await withdraw(work, due)
      onProgress(++done, todo.length)
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: atOnce }, loop))
  for (const one of ended) if (one.status === 'rejected') throw one.reason
}

const isDue = (row: NoteRow, identity: string): boolean =>
  row.state === 'active'
    ? row.delivered_sha256 !== row.sha256 || row.delivered_path !== row.path || row.delivered_to !== identity
    : row.state === 'gone' || row.delivered_path !== null

const deliver = async (work: Work, found: NoteRow, remote: Remote): Promise<void> => {
  const { destination, prefix } = work
  const key = `${prefix}${found.path}`
  let row = found
  const isKnown = row.delivered_to === destination.identity && row.delivered_path === row.path
  const there = isKnown || remote.has(row.path) ? await destination.stat(key) : undefined
  if (there && row.kind !== 'picture' && (!isKnown || tagOf(there) !== row.delivered_tag)) {
    await takeChange(work, row, { key, bytes: there.bytes, tag: there.tag })
    row = work.rows.get(row.note_id) ?? row
  }
  const text = await work.folder.read(row.path)
  if (text === null) return
  const sha256 = sha256OfText(text)
  if (sha256 !== row.sha256) row = await saveText(work, row, text)
  const old = row.delivered_to === destination.identity ? row.delivered_path : null
  if (row.delivered_sha256 !== sha256 || old !== row.path) {
    const file = path.join(work.folder.root, ...row.path.split('/'))
    await destination.replace(key, { path: file, bytes: Buffer.byteLength(text), sha256 })
    work.report.delivered++
  }
  const after = await destination.stat(key)
  const delivery = {
    ...{ to: destination.identity, path: row.path, sha256, personSha256: personOf(row, text) },
    tag: after ? tagOf(after) : null,
  }
  await markDelivered(work.db, row.note_id, delivery)
  work.rows.set(row.note_id, {
    ...row,
    ...{ delivered_to: delivery.to, delivered_path: row.path, delivered_sha256: sha256, delivered_tag: delivery.tag },
    delivered_person_sha256: delivery.personSha256,
  })
  if (old !== null && old !== row.path && ![...work.rows.values()].some(({ path: taken }) => taken === old)) {
    await destination.remove(`${prefix}${old}`)
    work.report.delivered++
  }
}

const withdraw = async (work: Work, row: NoteRow): Promise<void> => {
  if (row.delivered_path !== null && row.delivered_to === work.destination.identity) {
    await work.destination.remove(`${work.prefix}${row.delivered_path}`)
    work.report.delivered++
  }
  if (row.state === 'gone') {
    await deleteNoteRow(work.db, row.note_id)
    work.rows.delete(row.note_id)
    return
  }
  if (row.delivered_path === null) return
  await clearDelivery(work.db, row.note_id)
  work.rows.set(row.note_id, { ...row, delivered_path: null, delivered_to: null })
}
