import type { PropertyValue } from './note.ts'
import type { Work } from './work.ts'

/**
 * What a note was last rendered from. A note of which all of that is the same would be rendered to the same bytes: its
 * report need not even be read. Kept beside the note, as JSON.
 */
export type Rendering = {
  /** Of all but the links: the program, the settings, the report, its neighbours (`sourcesOf`). */
  readonly from: string
  /** Of the file as it was left. One that holds anything else, whoever wrote it, is merged anew. */
  readonly sha256: string
  /** The notes it asked for, and where they were; null: nowhere. */
  readonly links: readonly (readonly [noteId: string, path: string | null])[]
  readonly pictures: readonly string[]
  /** `plain` or `model`; null where it has no such text. */
  readonly text: PropertyValue
}

/** The rendering of a note that is as it was left, pictures included; undefined for one that has to be looked at. */
export const untouchedRendering = (work: Work, noteId: string): Rendering | undefined => {
  const row = work.rows.get(noteId)
  if (row?.state !== 'active' || row.rendered === null) return undefined
  const rendering = JSON.parse(row.rendered) as Rendering
  const isAsLeft = (path: string): boolean => {
    const picture = work.rows.get(path)
    return picture?.state === 'active' && work.seen.get(path) === picture.sha256
  }
  return rendering.sha256 === row.sha256 && work.seen.get(row.path) === row.sha256 && rendering.pictures.every(isAsLeft)
    ? rendering
    : undefined
}
