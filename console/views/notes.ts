import { get } from '../call.ts'
import { button, el, empty, tellFailure } from '../dom.ts'
import { timeText } from '../format.ts'
import { renderNote } from '../markdown.ts'
import type { View } from '../view.ts'

type Listed = { path: string; bytes: number; changed_at: string }
type Page = { folders: { folder: string; notes: number }[]; rows: Listed[]; next: string | null }

/** Their notes are named by day: who looks wants the newest. */
const dayFolders = new Set(['daily_reports', 'dropoff_alerts', 'insights'])

/** The vault's notes, to be read. */
export const view: View = {
  title: 'Notes',
  async show({ root }) {
    const first = await get<Page>('/api/notes', { limit: 1 })
    if (first.folders.length === 0) {
      root.append(
        empty('There is no note yet.', 'The agents write them after they have read a day: npx evothesis notes run'),
      )
      return
    }
    const list = el('div', {})
    const paper = el('article', { class: 'paper', 'aria-live': 'polite' }, empty('Choose a note.'))
    const open = async (path: string): Promise<void> => {
      const note = await get<Listed & { markdown: string }>(
        `/api/notes/${path.split('/').map(encodeURIComponent).join('/')}`,
      )
      paper.replaceChildren(
        el('p', { class: 'note' }, `${note.path}, ${timeText(note.changed_at)}`),
        ...renderNote(note.markdown, (name) => tellFailure(() => openNamed(name))),
      )
      for (const link of list.querySelectorAll<HTMLElement>('a')) {
        if (link.dataset.path === path) link.setAttribute('aria-current', 'true')
        else link.removeAttribute('aria-current')
      }
    }
    /** A wikilink names a note with or without its folder. */
    const openNamed = async (name: string): Promise<void> => {
      const wanted = `${name.split('#')[0]?.split('|')[0]}.md`
      const all = await everyNote()
      const found = all.find((path) => path === wanted) ?? all.find((path) => path.endsWith(`/${wanted}`))
      if (found) await open(found)
      else paper.prepend(empty(`There is no note ${name}.`))
    }
    const showFolder = async (folder: string, after?: string, before: HTMLElement[] = []): Promise<void> => {
      const page = await get<Page>('/api/notes', { folder, limit: 100, after, reverse: dayFolders.has(folder) })
      const items = [
        ...before,
        ...page.rows.map(({ path }) =>
          el(
            'li',
            {},
            el(
              'a',
              {
                href: '#notes',
                'data-path': path,
                click: (event: Event) => {
                  event.preventDefault()
                  tellFailure(() => open(path))
                },
              },
              path.slice(folder === '.' ? 0 : folder.length + 1).replace(/\.md$/, ''),
            ),
          ),
        ),
      ]
      list.replaceChildren(
        ...first.folders.map(({ folder: name, notes }) =>
          button(`${name === '.' ? 'vault' : name} (${notes})`, () => showFolder(name), {
            'aria-pressed': String(name === folder),
            class: 'link folder',
          }),
        ),
        el('ul', {}, ...items),
        ...(page.next === null ? [] : [button('More', () => showFolder(folder, page.next ?? undefined, items))]),
      )
    }
    root.append(el('div', { class: 'vault' }, list, paper))
    await showFolder(
      first.folders.find(({ folder }) => folder === 'daily_reports')?.folder ?? first.folders[0]?.folder ?? '',
    )
  },
}

const everyNote = async (): Promise<string[]> => {
  const all: string[] = []
  for (let after: string | null | undefined; after !== null && all.length < 20_000; ) {
    const page: Page = await get('/api/notes', { limit: 200, after })
    all.push(...page.rows.map(({ path }) => path))
    after = page.next
  }
  return all
}
