import { createHash } from 'node:crypto'
import { isOwnKey, mergeFrontmatter, noFrontmatter, readFrontmatter, withoutOwn } from './frontmatter.ts'
import type { Note, PropertyValue } from './note.ts'
import { findRegions, regionSha, regionText } from './regions.ts'

export type MergedNote = {
  text: string
  /** A region holds a person's words where we have others. */
  hasConflict: boolean
}

/** What a note is brought up to date with. */
export type NoteContent = Pick<Note, 'properties' | 'firstProperties' | 'regions'>

/**
 * Brings a file up to date without touching what a person wrote:
 * bytes outside of regions stay; a region that is as we left it gets the new text; one that a person changed stays, and
 * the new text stands below it in a folded callout, until they agree; a region that a person removed stays away; one whose
 * fence is damaged stays, and the new text stands at the end. Properties of ours are brought up to date, line by line.
 * A file that says the same already comes back byte for byte.
 */
export const mergeNote = (found: string | null, note: NoteContent): MergedNote => {
  const text = found ?? ''
  if (text.trim() === '' || text === '\uFEFF') return { text: newNote(note), hasConflict: false }
  const bom = text.startsWith('\uFEFF') ? '\uFEFF' : ''
  const content = text.slice(bom.length)
  const eol = /^[^\n]*\r\n/.test(content) ? '\r\n' : '\n'
  const front = readFrontmatter(content)
  const body = mergeBody(content.slice(front.end), note, knownRegions(front.values), eol)
  const properties: Record<string, PropertyValue> = {
    ...note.properties,
    evo_regions: [...new Set([...knownRegions(front.values), ...note.regions.map(({ name }) => name)])],
    evo_conflict: body.hasConflict || front.values === null,
  }
  const head = mergeFrontmatter(front, properties, front.yaml === null ? note.firstProperties : {}, eol)
  const kept = content.slice(0, front.end)
  return { text: `${bom}${head ?? kept}${body.text}`, hasConflict: body.hasConflict || head === null }
}

const newNote = (note: NoteContent): string =>
  [
    mergeFrontmatter(
      noFrontmatter,
      { ...note.properties, evo_regions: note.regions.map(({ name }) => name), evo_conflict: false },
      note.firstProperties,
      '\n',
    ),
    note.regions.map((region) => regionText(region)).join('\n\n'),
    '\n\n## My notes\n\n',
  ].join('')

/** Regions that this file has had: one that is missing was removed by a person. */
const knownRegions = (values: Record<string, unknown> | null): string[] => {
  const known = values?.evo_regions
  return Array.isArray(known) ? known.filter((one): one is string => typeof one === 'string') : []
}

type Piece = { start: number; end: number; text: string }

const mergeBody = (
  body: string,
  note: NoteContent,
  known: readonly string[],
  eol: string,
): { text: string; hasConflict: boolean } => {
  const { regions, broken } = findRegions(body)
  const found = new Map(regions.map((region) => [region.name, region]))
  const changes: Piece[] = []
  const added: string[] = []
  let hasConflict = false
  /** Removes a region with the blank lines before it. */
  const remove = (name: string): void => {
    const region = found.get(name)
    if (!region) return
    const before = /(?:\r?\n)*$/.exec(body.slice(0, region.start))?.[0].length ?? 0
    changes.push({ start: region.start - before, end: region.end, text: '' })
  }
  for (const [at, { name, body: wanted }] of note.regions.entries()) {
    const region = found.get(name)
    const beside = `${name}.new`
    if (region?.isOurs || (region && regionSha(region.body) === regionSha(wanted)) || region?.body.trim() === '') {
      if (region.sha !== regionSha(wanted) || !region.isOurs)
        changes.push({ start: region.start, end: region.end, text: regionText({ name, body: wanted }, eol) })
      remove(beside)
      continue
    }
    if (region || broken.has(name)) {
      hasConflict = true
      const text = regionText({ name: beside, body: conflictCallout(wanted) }, eol)
      const earlier = found.get(beside)
      if (earlier && regionSha(earlier.body) === regionSha(conflictCallout(wanted))) continue
      if (earlier) changes.push({ start: earlier.start, end: earlier.end, text })
      else if (region) changes.push({ start: region.end, end: region.end, text: `${eol}${eol}${text}` })
      else added.push(text)
      continue
    }
    remove(beside)
    if (known.includes(name)) continue
    // New in this version: after the region that stands before it.
    const previous = note.regions.slice(0, at).findLast((one) => found.has(one.name))
    const anchor = previous && found.get(previous.name)
    const text = regionText({ name, body: wanted }, eol)
    if (anchor) changes.push({ start: anchor.end, end: anchor.end, text: `${eol}${eol}${text}` })
    else added.push(text)
  }
  let merged = body
  // From the end, so that offsets hold; of two at one place the later one first.
  for (const { start, end, text } of changes.map((change, order) => ({ ...change, order })).sort(latestFirst))
    merged = merged.slice(0, start) + text + merged.slice(end)
  for (const text of added) {
    const gap = merged.trim() === '' ? '' : merged.endsWith('\n') ? eol : `${eol}${eol}`
    merged = `${merged}${gap}${text}${eol}`
  }
  return { text: merged, hasConflict }
}

const latestFirst = (a: Piece & { order: number }, b: Piece & { order: number }): number =>
  b.start - a.start || b.end - a.end || b.order - a.order

const conflictCallout = (body: string): string =>
  [
    '> [!warning]- You changed this part: your text above is kept, and here is the new one',
    '> To take it, empty the part above. To keep yours, move it out of the hidden marks around it.',
    '>',
    ...body
      .trim()
      .split('\n')
      .map((line) => (line === '' ? '>' : `> ${line}`)),
  ].join('\n')

/**
 * A hash of what in a file is a person's: everything outside of regions, regions they changed, their properties. Equal
 * hashes: whatever differs between two files is ours.
 */
export const personSha = (text: string): string => {
  const content = text.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n')
  const front = readFrontmatter(content)
  let rest = content.slice(front.end)
  const { regions } = findRegions(rest)
  for (const region of regions.filter(({ isOurs, name }) => isOurs || name.endsWith('.new')).reverse())
    rest = `${rest.slice(0, region.start)}%%${region.name}%%${rest.slice(region.end)}`
  return createHash('sha256')
    .update(
      JSON.stringify([
        withoutOwn(front).trim(),
        rest
          .replace(/%%\w+\.new%%/g, '')
          .replace(/\n{2,}/g, '\n')
          .trim(),
      ]),
    )
    .digest('hex')
}

/** What a file says of ours, to be merged into another copy of it. */
export const contentOf = (text: string): NoteContent => {
  const content = text.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n')
  const front = readFrontmatter(content)
  const own = Object.entries(front.values ?? {}).filter(([key]) => isOwnKey(key))
  const { regions } = findRegions(content.slice(front.end))
  return {
    properties: Object.fromEntries(own.map(([key, value]) => [key, asProperty(value)])),
    firstProperties: {},
    regions: regions
      .filter(({ isOurs, name }) => isOurs && !name.endsWith('.new'))
      .map(({ name, body }) => ({ name, body: body.trim() })),
  }
}

const asProperty = (value: unknown): PropertyValue =>
  value instanceof Date ? { date: value.toISOString().slice(0, 10) } : (value as PropertyValue)

/** Whose note a file is; undefined for one of a person's own. Read without the rest of the properties: there are many files. */
export const noteIdOf = (text: string): string | undefined => {
  const front = /^\uFEFF?---[ \t]*\r?\n([\s\S]*?)^---[ \t]*\r?$/m.exec(text)
  if (front?.index !== 0) return undefined
  return /^evo_id:[ \t]*(["']?)([\w.-]+)\1[ \t]*(?:#.*)?\r?$/m.exec(front[1] ?? '')?.[2]
}
