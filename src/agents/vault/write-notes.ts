import { sha256OfText } from '../../storage/sha256.ts'
import { dashboards } from './dashboards.ts'
import { readFrontmatter } from './frontmatter.ts'
import { mergeNote, noteIdOf, personSha } from './merge-note.ts'
import type { Note } from './note.ts'
import { type NoteRow, setNoteState } from './note-rows.ts'
import { findRegions } from './regions.ts'
import type { Rendering } from './rendering.ts'
import { saveRow, saveText, tryFile, type Work } from './work.ts'

/**
 * Brings one note and its pictures up to date; a file that says the same already is not touched. `made`: what the note was
 * made from, to tell the next time that it need not be; null where that is not known.
 */
export const writeNote = (work: Work, note: Note, made: Pick<Rendering, 'from' | 'links'> | null): Promise<void> =>
  tryFile(work, async () => {
    const before = work.rows.get(note.id)
    if (before?.state === 'removed') return
    const path = before?.path ?? (await freePath(work, note))
    let hasConflict = false
    const blank = mergeNote(null, note)
    const { text, isWritten } = await work.folder.update(path, (found) => {
      const merged = found === null ? blank : mergeNote(found, note)
      hasConflict = merged.hasConflict
      return merged.text
    })
    if (isWritten) work.report.written++
    if (hasConflict) work.report.conflicts++
    for (const file of note.files) await writePicture(work, note, file)
    const sha256 = sha256OfText(text)
    const blankSha = personSha(blank.text)
    // A conflict is told of by each run.
    const rendering: Rendering | null = hasConflict
      ? null
      : made && {
          ...{ ...made, sha256, pictures: note.files.map((file) => file.path) },
          text: note.properties.evo_text ?? null,
        }
    await saveRow(work, {
      ...{ note_id: note.id, kind: note.kind, path, site_id: note.rawSite, day: note.day, customer: note.customer },
      ...{
        state: 'active',
        sha256,
        person_sha256: text === blank.text ? blankSha : personSha(text),
        blank_sha256: blankSha,
      },
      rendered: rendering && JSON.stringify(rendering),
    })
    work.seen.set(path, sha256)
  })

/** Pictures are ours as a whole. */
const writePicture = async (work: Work, note: Note, file: { path: string; text: string }): Promise<void> => {
  const { isWritten } = await work.folder.update(file.path, () => file.text)
  if (isWritten) work.report.written++
  const sha256 = sha256OfText(file.text)
  work.seen.set(file.path, sha256)
  await saveRow(work, {
    ...{ note_id: file.path, kind: 'picture', path: file.path, site_id: note.rawSite, day: note.day },
    ...{
      customer: note.customer,
      state: 'active',
      sha256,
      person_sha256: '',
      blank_sha256: '',
    },
    rendered: null,
  })
}

/** Dashboards are made once; after a person has changed one it is theirs. */
export const writeDashboards = async (work: Work): Promise<void> => {
  for (const { path, text } of dashboards)
    await tryFile(work, async () => {
      const before = work.rows.get(path)
      if (before?.state === 'removed') return
      let kept = text
      const { isWritten } = await work.folder.update(path, (found) => {
        kept = found === null || found.trim() === '' || sha256OfText(found) === before?.blank_sha256 ? text : found
        return kept
      })
      if (isWritten) work.report.written++
      const row = { note_id: path, kind: 'dashboard', path, site_id: null, day: null, customer: null } as const
      await saveText(
        work,
        {
          ...{ ...row, state: 'active', sha256: '', person_sha256: '', blank_sha256: sha256OfText(text) },
          rendered: null,
        },
        kept,
      )
    })
}

/** A new note never takes the place of a file that is a person's own. */
const freePath = async (work: Work, { id, path }: Note): Promise<string> => {
  for (let tries = 1; ; tries++) {
    const at = tries === 1 ? path : path.replace(/\.md$/, ` (${tries}).md`)
    const owner = work.owners.get(at.toLowerCase())
    if (owner !== undefined && owner !== id) continue
    // Taken before anything is awaited: several notes are written at once.
    work.owners.set(at.toLowerCase(), id)
    const found = await work.folder.read(at)
    if (found === null || found.trim() === '' || noteIdOf(found) === id) return at
  }
}

const expiredText =
  '> [!info] This note is no longer kept up to date: what it was about has gone. What you wrote stays.'

/**
 * Lets go of a note whose subject is no more, or which is too old: it is deleted where nobody wrote into it; else our parts
 * of it are emptied, and the person's stay.
 */
export const expireNote = (work: Work, row: NoteRow): Promise<void> =>
  tryFile(work, async () => {
    const found = await work.folder.read(row.path)
    if (found === null || row.kind === 'picture' || personSha(found) === row.blank_sha256) return removeNote(work, row)
    const { text, isWritten } = await work.folder.update(row.path, (before) => emptied(before ?? '', row))
    if (isWritten) work.report.written++
    await saveText(work, row, text)
  })

const emptied = (text: string, row: NoteRow): string => {
  const front = readFrontmatter(text.replace(/^\uFEFF/, '')).end
  let body = text.slice(front)
  for (const { name, start, end } of findRegions(body).regions.reverse())
    if (name.endsWith('.new')) body = body.slice(0, start) + body.slice(end)
  const ours = findRegions(body).regions.filter(({ isOurs }) => isOurs)
  return mergeNote(text.slice(0, front) + body, {
    properties: { evo_id: row.note_id, evo_type: row.kind, evo_state: 'expired' },
    firstProperties: {},
    regions: ours.map(({ name }, index) => ({ name, body: index === 0 ? expiredText : '' })),
  }).text
}

/** Takes a note away, here at once and at the destination with the next delivery. */
export const removeNote = async (work: Work, row: NoteRow): Promise<void> => {
  await work.folder.remove(row.path)
  work.report.written++
  await setNoteState(work.db, row.note_id, 'gone')
  work.rows.set(row.note_id, { ...row, state: 'gone' })
}
