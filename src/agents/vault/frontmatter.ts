import { isMap, isScalar, parseDocument, stringify } from 'yaml'
import type { PropertyValue } from './note.ts'

/**
 * Properties of a note. Of a file that exists only the lines of our own keys are replaced; a person's keys, comments and
 * quotes stay byte for byte.
 */
export type Frontmatter = {
  /** Offset of the first byte after the frontmatter in the text; 0 without one. */
  end: number
  /** What stands between the fences; null without frontmatter. */
  yaml: string | null
  /** Null where it cannot be read. */
  values: Record<string, unknown> | null
  /** Whole lines of each key at the top level, from its own to the one before the next key; offsets in `yaml`. */
  lines: ReadonlyMap<string, Lines>
}
type Lines = readonly [from: number, to: number]

const pattern = /^---[ \t]*\r?\n([\s\S]*?)^---[ \t]*(?:\r?\n|$)/m

export const noFrontmatter: Frontmatter = { end: 0, yaml: null, values: {}, lines: new Map() }

export const readFrontmatter = (text: string): Frontmatter => {
  const match = text.startsWith('---') ? pattern.exec(text) : null
  if (match?.index !== 0) return noFrontmatter
  const yaml = match[1] ?? ''
  return { end: match[0].length, yaml, ...readYaml(yaml) }
}

/** Aliases are not followed: a few lines can stand for gigabytes. */
const readYaml = (yaml: string): Pick<Frontmatter, 'values' | 'lines'> => {
  const unread = { values: null, lines: new Map() }
  const document = parseDocument(yaml, { version: '1.1', uniqueKeys: true, logLevel: 'silent' })
  if (document.errors.length > 0) return unread
  if (document.contents === null) return { values: {}, lines: new Map() }
  // In braces several keys share a line, and lines are what is replaced.
  if (!isMap(document.contents) || document.contents.flow === true) return unread
  const lines = new Map<string, Lines>()
  for (const { key, value } of document.contents.items) {
    const start = isScalar(key) ? key.range?.[0] : undefined
    if (!isScalar(key) || typeof key.value !== 'string' || start === undefined) continue
    const end = Math.max((value as { range?: readonly number[] | null } | null)?.range?.[1] ?? start, start)
    // The value of a block ends after its last line, that of a word within it.
    const lineEnd = yaml.indexOf('\n', end > start && yaml[end - 1] === '\n' ? end - 1 : end)
    lines.set(key.value, [yaml.lastIndexOf('\n', start - 1) + 1, lineEnd === -1 ? yaml.length : lineEnd + 1])
  }
  try {
    return { values: document.toJS({ maxAliasCount: 0 }) as Record<string, unknown>, lines }
  } catch {
    return unread
  }
}

/** `key: value` lines, safe for readers of YAML 1.1 and 1.2. */
export const propertyLines = (key: string, value: PropertyValue): string[] => {
  if (typeof value === 'object' && value !== null && 'date' in value) return [`${key}: ${value.date}`]
  return stringify({ [key]: value }, { version: '1.1', lineWidth: 0 })
    .trimEnd()
    .split('\n')
}

/**
 * The frontmatter with our keys brought up to date, fences included. Null when the one that is there cannot be read: then
 * it stays as it is.
 */
export const mergeFrontmatter = (
  { yaml, values, lines }: Frontmatter,
  ours: Readonly<Record<string, PropertyValue>>,
  first: Readonly<Record<string, PropertyValue>>,
  eol: string,
): string | null => {
  if (values === null) return null
  if (yaml === null) {
    const all = Object.entries({ ...ours, ...first }).flatMap(([key, value]) => propertyLines(key, value))
    return ['---', ...all, '---', ''].join(eol)
  }
  const changes: { lines: Lines; text: string }[] = []
  const missing: string[] = []
  for (const [key, value] of Object.entries(ours)) {
    if (key in values && isSame(values[key], value)) continue
    const text = propertyLines(key, value)
      .map((line) => `${line}${eol}`)
      .join('')
    const place = lines.get(key)
    if (place) changes.push({ lines: place, text })
    else missing.push(text)
  }
  for (const [key, place] of lines) if (isOwnKey(key) && !(key in ours)) changes.push({ lines: place, text: '' })
  const text = replaced(yaml, changes)
  return `---${eol}${text === '' || text.endsWith('\n') ? text : `${text}${eol}`}${missing.join('')}---${eol}`
}

const replaced = (yaml: string, changes: readonly { lines: Lines; text: string }[]): string =>
  [...changes]
    .sort((a, b) => b.lines[0] - a.lines[0])
    .reduce((text, { lines: [from, to], text: by }) => text.slice(0, from) + by + text.slice(to), yaml)

const isSame = (found: unknown, value: PropertyValue): boolean => {
  const wanted = typeof value === 'object' && value !== null && 'date' in value ? value.date : value
  const is = found instanceof Date ? found.toISOString().slice(0, 10) : found
  return JSON.stringify(is) === JSON.stringify(wanted)
}

/** Ours; every other property is the person's. */
export const isOwnKey = (key: string): boolean => key.startsWith('evo_')

/** What in the frontmatter is a person's. */
export const withoutOwn = ({ yaml, lines }: Frontmatter): string =>
  replaced(
    yaml ?? '',
    [...lines].filter(([key]) => isOwnKey(key)).map(([, place]) => ({ lines: place, text: '' })),
  )
