import { load } from 'js-yaml'
import { JSDOM } from 'jsdom'
import MarkdownIt, { type Token } from 'markdown-it'

/** Reads notes as others would: YAML, Markdown and Mermaid by parsers that did not write them. */

export const frontmatterOf = (text: string): Record<string, unknown> => {
  const match = /^\uFEFF?---\r?\n([\s\S]*?)\r?\n---\r?\n/.exec(text)
  return match ? (load(match[1] ?? '') as Record<string, unknown>) : {}
}
const bodyOf = (text: string): string => text.replace(/^---\n[\s\S]*?\n---\n/, '')

type Mermaid = { parse(text: string): Promise<unknown> }
let loaded: Promise<Mermaid> | undefined
/** Obsidian's own version; it needs a document before it is loaded. */
const loadMermaid = (): Promise<Mermaid> => {
  loaded ??= (async () => {
    const { window } = new JSDOM('<!doctype html><body></body>')
    Object.assign(globalThis, { window, document: window.document })
    const { default: mermaid } = await import('mermaid')
    mermaid.initialize({ startOnLoad: false })
    return mermaid as unknown as Mermaid
  })()
  return loaded
}

export const diagramsIn = (text: string): string[] =>
  [...text.matchAll(/^(?:> )?```mermaid\n([\s\S]*?)\n(?:> )?```$/gm)].map((match) => match[1] ?? '')

/** Edges of a Sankey diagram: drawn only without a circle, without nothing, and with values above zero. */
const sankeyProblems = (diagram: string): string[] => {
  const edges = diagram
    .split('\n')
    .slice(2)
    .map((line) => /^"((?:[^"]|"")*)","((?:[^"]|"")*)",([\d.]+)$/.exec(line)?.slice(1) ?? [])
  if (edges.length === 0 || edges.some(([from, to, value]) => !from || !to || !(Number(value) > 0)))
    return ['a band of a Sankey diagram is wrong']
  const onward = new Map<string, string[]>()
  for (const [from = '', to = ''] of edges) onward.set(from, [...(onward.get(from) ?? []), to])
  const state = new Map<string, 'open' | 'done'>()
  const isCircular = (node: string): boolean => {
    if (state.get(node) === 'open') return true
    if (state.get(node) === 'done') return false
    state.set(node, 'open')
    const found = (onward.get(node) ?? []).some(isCircular)
    state.set(node, 'done')
    return found
  }
  return [...onward.keys()].some(isCircular) ? ['a Sankey diagram has a circle'] : []
}

const markdown = new MarkdownIt({ html: true, linkify: true })
// As Obsidian: no words that only look like a host.
markdown.linkify.set({ fuzzyLink: false })
const allowedTokens = new Set([
  ...['paragraph_open', 'paragraph_close', 'heading_open', 'heading_close', 'inline', 'text', 'softbreak', 'fence'],
  ...['bullet_list_open', 'bullet_list_close', 'list_item_open', 'list_item_close', 'blockquote_open'],
  ...['blockquote_close', 'table_open', 'table_close', 'thead_open', 'thead_close', 'tbody_open', 'tbody_close'],
  ...['tr_open', 'tr_close', 'th_open', 'th_close', 'td_open', 'td_close', 'text_special', 'code_inline'],
])
const tokensOf = (tokens: readonly Token[]): Token[] =>
  tokens.flatMap((token) => [token, ...tokensOf(token.children ?? [])])

/** What stands between unescaped bars of a row. */
const cellsOf = (row: string): number => row.replace(/\\\\/g, '').match(/(?<!\\)\|/g)?.length ?? 0

const wikilink = /(?<!\\)!?\[\[([^\]\n]*)\]\]/g

/** What is wrong with a note; `files`: everything in the vault. Empty: every reader takes it, and nothing in it acts. */
export const problemsOf = async (text: string, files: ReadonlySet<string>): Promise<string[]> => {
  const problems: string[] = []
  const properties = frontmatterOf(text)
  for (const [key, value] of Object.entries(properties)) {
    const parts = Array.isArray(value) ? value : [value]
    if (parts.some((part) => typeof part === 'object' && part !== null && !(part instanceof Date)))
      problems.push(`property ${key} is nested`)
    for (const part of parts)
      if (typeof part === 'string' && /[<>{}[\]%`$|#^:\\]/.test(part))
        problems.push(`property ${key} has marks: ${part}`)
  }
  const withFences = bodyOf(text)
  const body = withFences.replace(/^%% evothesis:(begin|end) [^\n]* %%$/gm, '')

  for (const [link, inner = ''] of body.matchAll(wikilink)) {
    const target = inner.split(/\\?\|/)[0] ?? ''
    if (!files.has(target) && !files.has(`${target}.md`)) problems.push(`${link} leads nowhere`)
  }
  const prose = body.replace(wikilink, 'link')
  for (const token of tokensOf(markdown.parse(prose, {}))) {
    if (!allowedTokens.has(token.type)) problems.push(`a ${token.type}: ${token.content}`)
    if (token.type === 'fence' && token.info !== 'mermaid') problems.push(`a code block of ${token.info}`)
    if (token.type === 'code_inline' && token.content !== 'status') problems.push(`code: ${token.content}`)
  }
  const outside = prose.replace(/^```mermaid\n[\s\S]*?\n```$/gm, '')
  for (const [pattern, what] of [
    [/%%/, 'a comment'],
    [/<%|%>|\{\{|\}\}/, 'a template'],
    [/::/, 'an inline field'],
    [/(?<!\\)[`$]=/, 'an inline query'],
    [/(?<!\\)==/, 'a highlight'],
    [/\w+:\/\/|www\./i, 'an address'],
    [/\[\[/, 'a link'],
    [/(?<!\\)\$/, 'mathematics'],
    [/(^|\s)#[\p{L}\p{N}_/-]/mu, 'a tag'],
    [/(^|\s)\^[a-z0-9-]+$/im, 'a block id'],
    [/[\u202a-\u202e\u2066-\u2069\u200b-\u200f\ufeff\0]/, 'a hidden mark'],
    [/[\ud800-\udbff](?![\udc00-\udfff])/, 'half a character'],
  ] as const)
    if (pattern.test(outside)) problems.push(`${what}: ${pattern.exec(outside)?.[0]}`)
  const rows = outside.split('\n').map((line) => line.replace(/^> /, ''))
  for (const [index, row] of rows.entries())
    if (row.startsWith('|') && rows[index - 1]?.startsWith('|') && cellsOf(row) !== cellsOf(rows[index - 1] ?? ''))
      problems.push(`a row with other columns: ${row}`)
  const mermaid = await loadMermaid()
  for (const diagram of diagramsIn(withFences)) {
    if (/%%|^\s*click\b|javascript:|<(?!br\/>|-)|```|\[\[/im.test(diagram)) problems.push('a diagram that acts')
    if (diagram.startsWith('sankey')) problems.push(...sankeyProblems(diagram))
    await mermaid.parse(diagram).catch((error: unknown) => problems.push(`Mermaid: ${String(error)}\n${diagram}`))
  }
  return problems
}

type Shape = { localName: string; attributes: Iterable<{ name: string; value: string }> }
type Parser = new () => {
  parseFromString(text: string, type: string): { querySelectorAll(of: string): Iterable<Shape> }
}
const shapes = new Set(['svg', 'title', 'rect', 'text', 'path'])
const attributes = new Set([
  ...['xmlns', 'viewBox', 'width', 'height', 'role', 'font-family', 'font-size', 'x', 'y', 'd', 'fill', 'stroke'],
  ...['stroke-opacity', 'stroke-width'],
])

/** What is wrong with a picture: it is to be XML, of shapes and text alone, with nothing that acts or loads. */
export const pictureProblems = (svg: string): string[] => {
  const { DOMParser } = new JSDOM('').window as unknown as { DOMParser: Parser }
  const found = [...new DOMParser().parseFromString(svg, 'image/svg+xml').querySelectorAll('*')]
  return found.flatMap(({ localName, attributes: all }) => [
    ...(shapes.has(localName) ? [] : [`a ${localName}`]),
    ...[...all]
      .filter(({ name, value }) => !attributes.has(name) || /url|:(?!\/\/www\.w3\.org)/.test(value))
      .map(({ name, value }) => `${name}=${value}`),
  ])
}
