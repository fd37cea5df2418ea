import { CallError, session as calls, change, get } from './call.ts'
import { button, el } from './dom.ts'
import { showLogin } from './login.ts'
import type { Place, Session, View } from './view.ts'

/** Loaded when they are asked for: the first view is small. */
const views: Record<string, { title: string; load: () => Promise<{ view: View }> }> = {
  delivery: { title: 'Delivery', load: () => import('./views/delivery.ts') },
  traffic: { title: 'Traffic', load: () => import('./views/traffic.ts') },
  usage: { title: 'Usage and domains', load: () => import('./views/usage.ts') },
  journeys: { title: 'Journeys', load: () => import('./views/journeys.ts') },
  notes: { title: 'Notes', load: () => import('./views/notes.ts') },
  privacy: { title: 'Privacy', load: () => import('./views/privacy.ts') },
  webhooks: { title: 'Webhooks', load: () => import('./views/webhooks.ts') },
  api: { title: 'API', load: () => import('./views/api.ts') },
  account: { title: 'Your login', load: () => import('./views/account.ts') },
}

const top = document.querySelector<HTMLElement>('#top')
const main = document.querySelector<HTMLElement>('#main')
let shown = new AbortController()
let present: Session | undefined

const nameInAddress = (): string => {
  const name = location.hash.slice(1).split('/')[0] ?? ''
  return name in views ? name : 'delivery'
}

const frame = (session: Session): void => {
  const links = Object.entries(views)
    .filter(([name]) => name !== 'account')
    .map(([name, { title }]) => el('a', { href: `#${name}`, 'data-view': name }, title))
  const menu = el('nav', { 'aria-label': 'Views', id: 'menu' }, ...links)
  const toggle = button('Menu', () => toggle.setAttribute('aria-expanded', String(menu.classList.toggle('open'))), {
    ...{ class: 'menu', 'aria-expanded': 'false', 'aria-controls': 'menu' },
  })
  menu.addEventListener('click', () => {
    menu.classList.remove('open')
    toggle.setAttribute('aria-expanded', 'false')
  })
  top?.replaceChildren(
    el(
      'div',
      { class: 'brand' },
      el('strong', {}, 'Evothesis'),
      el('span', {}, `${session.client_id} / ${session.node_id}`),
    ),
    toggle,
    menu,
    el(
      'div',
      { class: 'who' },
      el('a', { href: '#account', 'data-view': 'account' }, `${session.holder.name}, ${session.holder.role}`),
      button('Log out', leave),
    ),
  )
}

/** Throws where the server was not reached: then nobody has been logged out. */
const leave = async (): Promise<void> => {
  await change('POST', '/console/logout')
  await start()
}

const show = async (): Promise<void> => {
  if (!main || !present) return
  shown.abort()
  shown = new AbortController()
  const { signal } = shown
  const name = nameInAddress()
  for (const link of document.querySelectorAll<HTMLElement>('[data-view]')) {
    if (link.dataset.view === name) link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
  }
  const root = el('div', { class: `view ${name}` })
  main.replaceChildren(el('p', { class: 'loading' }, 'Loading …'))
  try {
    const { view } = (await views[name]?.load()) ?? { view: undefined }
    if (!view || signal.aborted) return
    document.title = `${view.title} – Evothesis`
    const place: Place = { session: present, signal, root }
    root.append(el('h1', {}, view.title))
    await view.show(place)
    if (signal.aborted) return
    main.replaceChildren(root)
    main.dataset.ready = name
  } catch (error) {
    if (signal.aborted || (error instanceof CallError && error.status === 401)) return
    main.replaceChildren(problem(error, show))
  }
}

/** The first look, and again where the server did not answer it. */
const begin = (): void => {
  start().catch((error: unknown) => main?.replaceChildren(problem(error, begin)))
}

const problem = (error: unknown, again: () => unknown): HTMLElement =>
  el(
    'div',
    { class: 'problem', role: 'alert' },
    el('p', {}, error instanceof Error ? error.message : String(error)),
    button('Try again', again),
  )

const start = async (): Promise<void> => {
  shown.abort()
  const found = await get<Session | { holder: null }>('/console/session')
  if (found.holder === null || !('client_id' in found)) {
    present = undefined
    top?.replaceChildren()
    document.title = 'Log in – Evothesis'
    if (main) showLogin(main, start)
    return
  }
  present = found
  frame(found)
  await show()
}

calls.ended = begin
addEventListener('hashchange', () => {
  void show().then(() => main?.focus())
})
begin()
