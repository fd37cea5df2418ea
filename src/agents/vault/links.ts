import type { NoteContext } from './context.ts'
import { linkText } from './escape.ts'
import { md, wikilink } from './markdown.ts'

/** Where notes are, and what each note asked of it. */
export type Links = {
  pathOf(noteId: string): string | null
  /** What one note is written with. */
  contextFor(noteId: string): NoteContext
  /** The notes that this one asked for till now, and where they are. */
  askedBy(noteId: string): [noteId: string, path: string | null][]
}

export const createLinks = (timeZone: string, paths: ReadonlyMap<string, string>): Links => {
  const asked = new Map<string, Set<string>>()
  const pathOf = (noteId: string): string | null => paths.get(noteId) ?? null
  return {
    pathOf,
    contextFor(noteId) {
      const own = asked.get(noteId) ?? new Set<string>()
      asked.set(noteId, own)
      const ask = (id: string): string | null => {
        own.add(id)
        return pathOf(id)
      }
      return {
        timeZone,
        exists: (id) => ask(id) !== null,
        link: (id, text, place) => {
          const path = ask(id)
          return path === null ? md(linkText(text)) : wikilink(path, text, place)
        },
      }
    },
    askedBy: (noteId) => [...(asked.get(noteId) ?? [])].map((id) => [id, pathOf(id)]),
  }
}
