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
}

const pattern = /^---[ \t]*\r?\n([\s\S]*?)^---[ \t]*(?:\r?\n|$)/m

export const readFrontmatter = (text: string): Frontmatter => {
  const match = text.startsWith('---') ? pattern.exec(text) : null
  if (match?.index !== 0) return { end: 0, yaml: null, values: {} }
  const yaml = match[1] ?? ''
  return { end: match[0].length, yaml, values: valuesOf(yaml) }
}

/** Aliases are not followed: a few lines can stand for gigabytes. */
const valuesOf = (yaml: string): Record<string, unknown> | null => {
  const document = parseDocument(yaml, { version: '1.1', uniqueKeys: true, logLevel: 'silent' })
  if (document.errors.length > 0) return null
  if (document.contents === null) return {}
  if (!isMap(document.contents)) return null
  try {
    return document.toJS({ maxAliasCount: 0 }) as Record<string, unknown>
  } catch {
    return null
  }
}

/** `key: value` lines, safe for readers of YAML 1.1 and 1.2. */
export const propertyLines = (key: string, value: PropertyValue): string[] => {
  if (typeof value === 'object' && value !== null && 'date' in value) return [`${key}: ${value.date}`]
  if (Array.isArray(value) && value.length === 0) return [`${key}: []`]
  return stringify({ [key]: value }, { version: '1.1', lineWidth: 0 })
    .trimEnd()
    .split('\n')
}

/**
 * The frontmatter with our keys brought up to date, fences included. Null when the one that is there cannot be read: then
 * it stays as it is.
 */
export const mergeFrontmatter = (
  found: Frontmatter,
  ours: Readonly<Record<string, PropertyValue>>,
  first: Readonly<Record<string, PropertyValue>>,
  eol: string,
): string | null => {
  const { yaml, values } = found
  if (values === null) return null
  if (yaml === null) {
    const lines = Object.entries({ ...ours, ...first }).flatMap(([key, value]) => propertyLines(key, value))
    return ['---', ...lines, '---', ''].join(eol)
  }
  let text = without(yaml, (key) => isOwnKey(key) && !(key in ours))
  const missing: string[] = []
  for (const [key, value] of Object.entries(ours)) {
    if (key in values && isSame(values[key], value)) continue
    const lines = propertyLines(key, value).join(eol)
    const range = rangeOf(text, key)
    if (range) text = `${text.slice(0, range[0])}${lines}${eol}${text.slice(range[1])}`
    else missing.push(lines)
  }
  const open = text === '' || text.endsWith('\n') ? text : `${text}${eol}`
  return `---${eol}${open}${missing.map((lines) => `${lines}${eol}`).join('')}---${eol}`
}

const isSame = (found: unknown, value: PropertyValue): boolean => {
  const wanted = typeof value === 'object' && value !== null && 'date' in value ? value.date : value
  const is = found instanceof Date ? found.toISOString().slice(0, 10) : found
  return JSON.stringify(is) === JSON.stringify(wanted)
}

/** Whole lines of a key at the top level: from its own to the one before the next key, blank lines and comments left out. */
const rangeOf = (yaml: string, key: string): [from: number, to: number] | undefined => {
  const document = parseDocument(yaml, { version: '1.1', logLevel: 'silent' })
  if (!isMap(document.contents)) return undefined
  const pair = document.contents.items.find((item) => isScalar(item.key) && item.key.value === key)
  const start = isScalar(pair?.key) ? pair.key.range?.[0] : undefined
  if (start === undefined) return undefined
  const value = pair?.value as { range?: [number, number, number] | null } | null
  const valueEnd = Math.max(value?.range?.[1] ?? start, start)
  const from = yaml.lastIndexOf('\n', start - 1) + 1
  const lineEnd = yaml.indexOf('\n', valueEnd > start && yaml[valueEnd - 1] === '\n' ? valueEnd - 1 : valueEnd)
  return [from, lineEnd === -1 ? yaml.length : lineEnd + 1]
}

/** Ours; every other property is the person's. */
export const isOwnKey = (key: string): boolean => key.startsWith('evo_')

/** The text of the frontmatter without the lines of some keys. */
export const without = (yaml: string, isMeant: (key: string) => boolean): string => {
  const values = valuesOf(yaml)
  if (values === null) return yaml
  let text = yaml
  for (const key of Object.keys(values).filter(isMeant)) {
    const range = rangeOf(text, key)
    if (range) text = text.slice(0, range[0]) + text.slice(range[1])
  }
  return text
}
