import { isUtf8 } from 'node:buffer'
import { AppError } from '../../errors.ts'
import type { Destination, Listed } from '../../storage/destination.ts'
import { sha256OfText } from '../../storage/sha256.ts'
import { isInside, VaultFileError } from './folder.ts'
import { contentOf, mergeNote, noteIdOf, personSha } from './merge-note.ts'
import { clearDelivery, markDelivered, type NoteRow, setNoteState } from './note-rows.ts'
import { isNote, saveRow, saveText, tryFile, type Work } from './work.ts'

/** Larger objects are none of ours. */
const objectBytesMax = 8 * 1024 * 1024
/** Notes of a person's own among which a moved one is looked for. */
const strangersMax = 500

/** What the destination holds of the vault, by path within it. */
export type Remote = Map<string, Listed>

export const listRemote = async ({ destination, prefix }: Work): Promise<Remote> => {
  const found: Remote = new Map()
  for await (const one of destination.list(prefix)) found.set(one.key.slice(prefix.length), one)
  return found
}

/**
 * Takes over what people changed in the copy at the destination since we wrote it: before anything is written there, and
 * before the notes are brought up to date. `lost`: notes that this disk has lost, brought back from there whatever they say.
 * Throws the destination's failure.
 */
export const pull = async (work: Work, lost: ReadonlySet<string>): Promise<Remote> => {
  const remote = await listRemote(work)
  const known = [...work.rows.values()].filter(
    (row) => row.state === 'active' && row.delivered_to === work.destination.identity && row.delivered_path !== null,
  )
  const missing: NoteRow[] = []
  for (const row of known) {
    if (work.signal.aborted) return remote
    const object = remote.get(row.delivered_path ?? '')
    if (!object) missing.push(row)
    else if (lost.has(row.note_id)) await bringBack(work, row, object)
    else if (row.kind !== 'picture' && tagOf(object) !== row.delivered_tag)
      await tryFile(work, () => takeChange(work, row, object))
  }
  await followRemote(work, remote, missing, known.length)
  return remote
}

export const tagOf = ({ tag, bytes }: { tag: string | undefined; bytes: number }): string => tag ?? String(bytes)

/** Null when there is none any more. Throws for what cannot be a note: it is left as it is, and never written over. */
const fetchText = async (destination: Destination, key: string, bytes: number): Promise<string | null> => {
  if (bytes > objectBytesMax)
    throw new VaultFileError(`${key} is larger than ${objectBytesMax} bytes at the destination`)
  const stream = await destination.read(key)
  if (!stream) return null
  const chunks: Buffer[] = []
  try {
    for await (const chunk of stream) chunks.push(chunk as Buffer)
  } catch (error) {
    throw new AppError('destination_failed', `${key} broke off while it was read.`, { cause: error })
  }
  const whole = Buffer.concat(chunks)
  if (!isUtf8(whole)) throw new VaultFileError(`${key} is not UTF-8 at the destination; it is left as it is`)
  return whole.toString('utf8')
}

/** Takes over an object that was written anew by somebody else. */
export const takeChange = async (work: Work, row: NoteRow, object: Listed): Promise<void> => {
  const text = await fetchText(work.destination, object.key, object.bytes)
  if (text === null) return
  // Two notes whose names were swapped here: the other one's words were taken over as its own.
  const owner = isNote(row) ? noteIdOf(text) : undefined
  if (owner !== undefined && owner !== row.note_id && work.rows.has(owner)) return
  const sha256 = sha256OfText(text)
  const seen = (personSha256: string): Promise<unknown> => {
    const delivery = {
      to: work.destination.identity,
      path: object.key.slice(work.prefix.length),
      sha256,
      tag: tagOf(object),
    }
    const { path, to, tag } = delivery
    work.rows.set(row.note_id, {
      ...(work.rows.get(row.note_id) ?? row),
      ...{ delivered_to: to, delivered_path: path, delivered_sha256: sha256, delivered_person_sha256: personSha256 },
      delivered_tag: tag,
    })
    return markDelivered(work.db, row.note_id, { ...delivery, personSha256 })
  }
  if (sha256 === row.delivered_sha256) return void (await seen(row.delivered_person_sha256 ?? ''))
  const here = await work.folder.read(row.path)
  const person = isNote(row) ? personSha : sha256OfText
  const [theirs, ours, base] = [
    person(text),
    here === null ? null : person(here),
    row.delivered_person_sha256 ?? row.blank_sha256,
  ]
  if (theirs !== base && theirs !== ours) {
    if (here === null || ours === base) await adopt(work, row, text)
    else await keepCopy(work, row, text, sha256)
  }
  await seen(theirs)
}

/** The other copy's words with our newest parts. */
const adopt = async (work: Work, row: NoteRow, theirs: string): Promise<void> => {
  await tryFile(work, async () => {
    const { text, isWritten } = await work.folder.update(row.path, (found) =>
      found === null || !isNote(row) ? theirs : mergeNote(theirs, contentOf(found)).text,
    )
    if (isWritten) {
      work.report.taken++
      work.report.written++
    }
    await saveText(work, row, text)
  })
}

/** Changed here and there: ours stays, and theirs lies beside it under a name of its own. */
const keepCopy = async (work: Work, row: NoteRow, theirs: string, sha256: string): Promise<void> => {
  const path = row.path.replace(/(\.\w+)$/, ` (other copy ${sha256.slice(0, 8)})$1`)
  await tryFile(work, async () => {
    const text = theirs.replace(/^evo_id:/m, 'evo_copy_of:')
    const { isWritten } = await work.folder.update(path, () => text)
    if (isWritten) {
      work.report.taken++
      work.report.written++
    }
    work.report.conflicts++
    work.log.warn({ note: row.note_id }, 'a note was changed here and at the destination: both are kept')
    await saveText(
      work,
      {
        ...{ note_id: path, kind: 'copy', path, site_id: row.site_id, day: row.day, customer: row.customer },
        ...{ state: 'active', sha256: '', person_sha256: '', blank_sha256: '', rendered: null },
      },
      text,
    )
  })
}

/** After a lost disk: what was delivered is what people had written. */
const bringBack = (work: Work, row: NoteRow, object: Listed): Promise<void> =>
  tryFile(work, async () => {
    const theirs = await fetchText(work.destination, object.key, object.bytes)
    if (theirs === null) return
    const { text, isWritten } = await work.folder.update(row.path, (found) => found ?? theirs)
    if (isWritten) {
      work.report.taken++
      work.report.written++
    }
    const saved = await saveText(work, row, text)
    const [sha256, personSha256] = [sha256OfText(theirs), isNote(row) ? personSha(theirs) : sha256OfText(theirs)]
    const delivery = { to: work.destination.identity, path: object.key.slice(work.prefix.length), sha256, personSha256 }
    await markDelivered(work.db, row.note_id, { ...delivery, tag: tagOf(object) })
    work.rows.set(row.note_id, {
      ...saved,
      ...{ delivered_sha256: sha256, delivered_person_sha256: personSha256, delivered_tag: tagOf(object) },
    })
  })

/**
 * Objects of ours that are no more: moved there, which is followed here, or deleted, which is respected unless somebody
 * wrote into the note here. When most are missing the place was emptied, and everything is delivered again.
 */
const followRemote = async (work: Work, remote: Remote, missing: readonly NoteRow[], known: number): Promise<void> => {
  if (missing.length === 0) return
  const isEmptied = missing.length > 1 && missing.length * 2 > known
  const moved = isEmptied ? new Map<string, Listed>() : await findMoved(work, remote)
  for (const row of missing) {
    const object = moved.get(row.note_id)
    if (object && isNote(row)) await moveHere(work, row, object)
    else if (isEmptied || row.kind === 'picture' || (await isEdited(work, row))) await forgetDelivery(work, row)
    else {
      await work.folder.remove(row.path)
      work.report.written++
      await clearDelivery(work.db, row.note_id)
      await setNoteState(work.db, row.note_id, 'removed')
      work.rows.set(row.note_id, { ...row, state: 'removed', delivered_path: null, delivered_to: null })
      work.log.info({ note: row.note_id }, 'a note was deleted at the destination, and stays away')
    }
  }
}

const isEdited = async (work: Work, row: NoteRow): Promise<boolean> => {
  const text = await work.folder.read(row.path)
  return text !== null && (isNote(row) ? personSha(text) : sha256OfText(text)) !== row.delivered_person_sha256
}

const forgetDelivery = async (work: Work, row: NoteRow): Promise<void> => {
  await clearDelivery(work.db, row.note_id)
  work.rows.set(row.note_id, {
    ...row,
    ...{ delivered_to: null, delivered_path: null, delivered_sha256: null, delivered_person_sha256: null },
    delivered_tag: null,
  })
}

const moveHere = (work: Work, row: NoteRow, object: Listed): Promise<void> =>
  tryFile(work, async () => {
    const path = object.key.slice(work.prefix.length)
    if ((await work.folder.read(path)) === null && (await work.folder.read(row.path)) !== null)
      await work.folder.move(row.path, path)
    const saved = await saveRow(work, { ...row, path })
    work.report.written++
    await takeChange(work, { ...saved, delivered_path: path }, object)
  })

/** Notes of ours at places that we did not deliver them to. */
const findMoved = async (work: Work, remote: Remote): Promise<Map<string, Listed>> => {
  const ours = new Set([...work.rows.values()].map(({ delivered_path }) => delivered_path))
  const found = new Map<string, Listed>()
  const strangers = [...remote]
    .filter(([path]) => !ours.has(path) && path.endsWith('.md') && isInside(path))
    .slice(0, strangersMax)
  for (const [, object] of strangers) {
    const text = await fetchText(work.destination, object.key, object.bytes).catch(notOurs)
    const id = text === null ? undefined : noteIdOf(text)
    if (id !== undefined) found.set(id, object)
  }
  return found
}

/** A file of a person's own may be anything. */
const notOurs = (error: unknown): null => {
  if (error instanceof VaultFileError) return null
  throw error
}
