import { linkText, prose } from './escape.ts'

/** Text that is Markdown already: escaped where it had to be. A type of its own, so that no raw string is taken for it. */
export type Markdown = string & { readonly markdown: unique symbol }

export const md = (text: string): Markdown => text as Markdown
/** A string of anybody's, escaped. */
export const raw = (text: string | null, charsMax?: number): Markdown => md(prose(text ?? '', charsMax))

/** A value that we printed ourselves. Its currency may be anybody's word. */
export const printed = (text: string): Markdown =>
  /^[A-Za-z0-9 .,%$–−-]*$/.test(text) ? md(text.replaceAll('$', '\\$')) : raw(text)

export const heading = (level: 1 | 2 | 3, text: Markdown): Markdown => md(`${'#'.repeat(level)} ${text}`)
export const bullets = (items: readonly Markdown[]): Markdown => md(items.map((item) => `- ${item}`).join('\n'))
export const blocks = (...parts: readonly (Markdown | null | false)[]): Markdown =>
  md(parts.filter((part): part is Markdown => typeof part === 'string' && part !== '').join('\n\n'))

export type Column = { readonly title: string; readonly isNumber?: boolean }

/** Cells are Markdown without a bare `|`: `raw` and `link` see to it. */
export const table = (columns: readonly Column[], rows: readonly (readonly Markdown[])[]): Markdown =>
  md(
    [
      `| ${columns.map(({ title }) => title).join(' | ')} |`,
      `| ${columns.map(({ isNumber }) => (isNumber ? '---:' : '---')).join(' | ')} |`,
      ...rows.map((row) => `| ${row.join(' | ')} |`),
    ].join('\n'),
  )

export type Callout = 'note' | 'info' | 'success' | 'warning' | 'danger' | 'question' | 'abstract' | 'example' | 'tip'

/** `folded`: closed until somebody opens it. */
export const callout = (type: Callout, title: Markdown, body: Markdown, options: { folded?: boolean } = {}): Markdown =>
  md(
    [
      `> [!${type}]${options.folded ? '-' : ''} ${title}`,
      ...(body === '' ? [] : body.split('\n').map((line) => (line === '' ? '>' : `> ${line}`))),
    ].join('\n'),
  )

/** A link to a note of this vault by its whole path; in a table the bar is escaped. */
export const wikilink = (path: string, text: string, place: 'text' | 'table' = 'text'): Markdown =>
  md(`[[${path.replace(/\.md$/, '')}${place === 'table' ? '\\|' : '|'}${linkText(text)}]]`)

export const embed = (path: string): Markdown => md(`![[${path}]]`)

export const mermaid = (lines: readonly string[]): Markdown => md(['```mermaid', ...lines, '```'].join('\n'))

/** `a`, `a and b`, `a, b and c`. */
export const listOf = (items: readonly Markdown[]): Markdown =>
  md(items.length < 2 ? (items[0] ?? '') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`)
