import { lexer, type Token, type Tokens } from 'marked'
import { el } from './dom.ts'
import { drawMermaid } from './mermaid.ts'

/**
 * A note as elements. marked reads it; what is shown is built here, each text as a text: whatever a visitor sent into a
 * note, HTML included, is seen and never run. Links lead to the web or to other notes, pictures are not fetched.
 */
export const renderNote = (markdown: string, openNote: (name: string) => void): Node[] => {
  const [, front, body = markdown] = /^---\n([\s\S]*?)\n---\n?([\s\S]*)$/.exec(markdown) ?? []
  return [...(front === undefined ? [] : [properties(front)]), ...blocks(lexer(withoutComments(body)), openNote)]
}

/** Obsidian's comments, and marks of what a person may edit. */
const withoutComments = (text: string): string =>
  text.replaceAll(/%%[\s\S]*?%%/g, '').replaceAll(/<!--[\s\S]*?-->/g, '')

const properties = (front: string): Node => {
  const pairs = front.split('\n').flatMap((line) => {
    const [, name, value] = /^([\w-]+):\s*(.*)$/.exec(line) ?? []
    return name && value ? [[name, value.replace(/^"(.*)"$/, '$1')] as const] : []
  })
  return el(
    'details',
    {},
    el('summary', { class: 'note' }, 'Properties'),
    el('dl', {}, ...pairs.flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, value)])),
  )
}

type Open = (name: string) => void

const blocks = (tokens: readonly Token[], open: Open): Node[] =>
  tokens.flatMap((token) => block(token as Tokens.Generic, open))

const block = (token: Tokens.Generic, open: Open): Node[] => {
  switch (token.type) {
    case 'space':
      return []
    case 'heading':
      return [el(token.depth < 2 ? 'h2' : 'h3', {}, ...inline(token.tokens ?? [], open))]
    case 'paragraph':
    case 'text':
      return [el('p', {}, ...inline(token.tokens ?? [token as Token], open))]
    case 'code':
      return token.lang === 'mermaid'
        ? [drawMermaid(String(token.text))]
        : [el('pre', { tabindex: 0 }, el('code', {}, String(token.text)))]
    case 'blockquote':
      return [callout(token, open)]
    case 'list':
      return [
        el(
          token.ordered ? 'ol' : 'ul',
          {},
          ...(token.items as Tokens.ListItem[]).map((item) => el('li', {}, ...blocks(item.tokens, open))),
        ),
      ]
    case 'table':
      return [tableOf(token as Tokens.Table, open)]
    case 'hr':
      return [el('hr')]
    default:
      return [el('p', {}, String(token.raw ?? ''))]
  }
}

/** `> [!warning] Title` of Obsidian. */
const callout = (token: Tokens.Generic, open: Open): Node => {
  const inner = String(token.text)
  const [, kind, title] = /^\[!(\w+)\][+-]?[ \t]*(.*)/.exec(inner) ?? []
  if (!kind) return el('blockquote', {}, ...blocks(token.tokens ?? [], open))
  const rest = inner.split('\n').slice(1).join('\n')
  return el('blockquote', { class: kind }, el('strong', {}, title || kind), ...blocks(lexer(rest), open))
}

const tableOf = ({ header, rows }: Tokens.Table, open: Open): Node =>
  el(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Table' },
    el(
      'table',
      {},
      el(
        'thead',
        {},
        el(
          'tr',
          {},
          ...header.map((cell) => el('th', { scope: 'col', class: side(cell) }, ...inline(cell.tokens, open))),
        ),
      ),
      el(
        'tbody',
        {},
        ...rows.map((row) =>
          el('tr', {}, ...row.map((cell) => el('td', { class: side(cell) }, ...inline(cell.tokens, open)))),
        ),
      ),
    ),
  )

/** Figures stand on the right where the note says so. */
const side = ({ align }: Tokens.TableCell): string | undefined => (align === 'right' ? 'n' : undefined)

const inline = (tokens: readonly Token[], open: Open): Node[] =>
  tokens.flatMap((token) => span(token as Tokens.Generic, open))

const span = (token: Tokens.Generic, open: Open): Node[] => {
  const within = (): Node[] => inline(token.tokens ?? [], open)
  switch (token.type) {
    case 'strong':
    case 'em':
    case 'del':
      return [el(token.type, {}, ...within())]
    case 'codespan':
      return [el('code', {}, plain(String(token.text)))]
    case 'br':
      return [el('br')]
    case 'link':
      return [linkOf(String(token.href), within())]
    case 'image':
      return [el('span', { class: 'note' }, `[picture: ${plain(String(token.text))}]`)]
    case 'escape':
      return [document.createTextNode(plain(String(token.text)))]
    case 'text':
      return token.tokens ? within() : wikilinks(plain(String(token.text)), open)
    default:
      // Raw HTML among them: shown as it is written.
      return [document.createTextNode(String(token.raw ?? ''))]
  }
}

/** Only to the web; `javascript:` and its like are text. */
const linkOf = (href: string, children: Node[]): Node =>
  /^https?:\/\//i.test(href)
    ? el('a', { href, rel: 'noopener noreferrer', target: '_blank' }, ...children)
    : el('span', {}, ...children)

const wikilinks = (text: string, open: Open): Node[] =>
  text.split(/(!?\[\[[^\]\n]+\]\])/).map((piece) => {
    const [, inside] = /^!?\[\[([^\]]+)\]\]$/.exec(piece) ?? []
    if (!inside) return document.createTextNode(piece)
    const [name = '', shown] = inside.split('|')
    if (piece.startsWith('!') && name.endsWith('.svg'))
      return el('img', {
        src: `/api/pictures/${name.split('/').map(encodeURIComponent).join('/')}`,
        alt: name.split('/').at(-1) ?? '',
      })
    return el(
      'a',
      {
        href: '#notes',
        click: (event: Event) => {
          event.preventDefault()
          open(name.replace(/\\$/, ''))
        },
      },
      shown ?? name.split('/').at(-1) ?? name,
    )
  })

/** marked writes texts for HTML; here they are texts, so its entities are read back. */
const plain = (text: string): string =>
  text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&')
