import { createHash } from 'node:crypto'

/**
 * Text from events, made harmless for one place each. Whoever sent an event chose these strings: nothing of them may be
 * obeyed by Markdown, Obsidian, its plugins, Mermaid, YAML, SVG or a file system. Data never begins a line.
 */

/** Longer texts are cut: a note is for reading. */
const proseCharsMax = 160
const labelCharsMax = 32

/**
 * On one line, without what is not to be seen: control characters, marks that turn the direction of writing, zero-width
 * characters, lone surrogates, private use; whatever blanks there are become one.
 */
export const clean = (raw: string, charsMax = proseCharsMax): string => {
  const shown = raw
    .slice(0, charsMax * 8)
    .normalize('NFC')
    .replace(/[\p{Z}\s]+/gu, ' ')
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}]/gu, '')
    .replace(/\p{M}{4,}/gu, '')
    .trim()
  const chars = [...shown]
  return chars.length > charsMax ? `${chars.slice(0, charsMax - 1).join('')}…` : shown
}

/**
 * For running text and table cells: a backslash before all that Markdown, Obsidian or a plugin could act upon. Marks that
 * need a twin (`%%`, `::`, `==`) have one only beside it, or at an end, where the next text may bring it.
 */
export const prose = (raw: string, charsMax?: number): string => {
  const text = clean(raw, charsMax)
  if (text === '') return '(empty)'
  return text
    .replace(/[\\`*{}[\]<>#!|~^$&@]/g, '\\$&')
    .replace(/(?<![\p{L}\p{N}_])_+|_+(?![\p{L}\p{N}_])/gu, (marks) => marks.replaceAll('_', '\\_'))
    .replace(/%%+|(?<=<)%|^%|%$|::+|:(?=\/)|^:|:$|==+|^=|=$/g, (marks) => marks.replace(/./g, '\\$&'))
    .replace(/(www)\./gi, '$1\\.')
}

/** The shown half of a wikilink, where a backslash would be shown: what a link could trip over is left out. */
export const linkText = (raw: string): string => {
  const text = clean(raw, 80)
    .replace(/[^\p{L}\p{M}\p{N} .,'()/&+·…-]+/gu, ' ')
    .replace(/ +/g, ' ')
    .trim()
  return text === '' ? 'note' : text
}

/** Within the quotes of a Mermaid label; everything but plain characters as Mermaid's own code. */
export const mermaidLabel = (raw: string, charsMax = labelCharsMax): string => {
  const text = clean(raw, charsMax)
  if (text === '') return '(empty)'
  return [...text].map((char) => (/[\p{L}\p{N} ./,()?'+_-]/u.test(char) ? char : `#${char.codePointAt(0)};`)).join('')
}

/** A box of a Sankey diagram: its grammar takes ASCII alone, and no codes. */
export const sankeyLabel = (raw: string, charsMax = labelCharsMax): string => {
  const text = clean(raw.normalize('NFKD').replace(/\p{M}/gu, ''), 1_000).replace(/[^A-Za-z0-9 .,/()?'+_=-]+/g, '~')
  const label = text.length > charsMax ? `${text.slice(0, charsMax - 2)}..` : text
  return /[A-Za-z0-9/]/.test(label) ? label : 'other text'
}

/** Where Mermaid knows no quotes (a timeline): letters, digits and a few marks. */
export const mermaidWords = (raw: string, charsMax = labelCharsMax): string => {
  const text = clean(raw, charsMax)
    .replace(/[^\p{L}\p{N} ./()_-]+/gu, ' ')
    .replace(/ +/g, ' ')
    .trim()
  return text === '' ? 'empty' : text
}

/** A property of a note. Properties are shown, never obeyed; a program that writes them again drops our quotes, so nothing hangs on them. */
export const propertyText = (raw: string): string => {
  const text = clean(raw)
    .replace(/[^\p{L}\p{M}\p{N} .,_/()?=~'+…-]+/gu, ' ')
    .replace(/==+/g, '=')
    .replace(/ +/g, ' ')
    .trim()
  return text === '' ? '(empty)' : text
}

/** Text of an SVG. */
export const xmlText = (raw: string): string => clean(raw).replace(/[<>&"']/g, (char) => `&#${char.charCodeAt(0)};`)

const namePattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/
const nameCharsMax = 80

/**
 * A host as part of a file name: as it is, where it is an ordinary one; else what is left of it and a hash, so that two
 * sites never share a name on any file system.
 */
export const siteName = (rawSite: string): string => {
  if (namePattern.test(rawSite) && rawSite.length <= nameCharsMax) return rawSite
  const rest = rawSite
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40)
  return `${rest || 'site'}-${createHash('sha256').update(rawSite).digest('hex').slice(0, 8)}`
}
