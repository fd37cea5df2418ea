type Sent = { eventType: string; timestamp: string; [key: string]: unknown }
type Stored = { event_type: string; created_at: string; [key: string]: unknown }

/** Most events shown, and the storage that keeps them from page to page. */
const shownMax = 60
const key = 'shop_sent'
/** How often the server is asked while its list is shown, in milliseconds. */
const askEveryMs = 2000

/** Looks over the pixel's shoulder: what it hands to the browser is copied into the panel. Before the pixel loads. */
export const watchRequests = (): void => {
  const { fetch } = window
  window.fetch = (input, init) => {
    note(init?.body)
    return fetch(input, init)
  }
  const beacon = navigator.sendBeacon.bind(navigator)
  navigator.sendBeacon = (url, body) => {
    note(body)
    return beacon(url, body)
  }
}

const note = (body: unknown): void => {
  try {
    const batch = JSON.parse(`${body}`) as { events?: Sent[] }
    if (!batch.events) return
    const sent = [...batch.events.reverse(), ...readSent()].slice(0, shownMax)
    sessionStorage.setItem(key, JSON.stringify(sent))
    showSent(sent)
  } catch {
    // Not one of the pixel's requests.
  }
}

const readSent = (): Sent[] => JSON.parse(sessionStorage.getItem(key) ?? '[]') as Sent[]

const query = <E extends HTMLElement>(selector: string): E | null => document.querySelector<E>(selector)

const showSent = (sent: Sent[]): void => {
  for (const count of document.querySelectorAll('[data-sent-count]')) count.textContent = `${sent.length}`
  fill(
    query('[data-sent]'),
    sent.map((event) => ({ type: event.eventType, time: event.timestamp, event })),
  )
}

const fill = (list: HTMLElement | null, entries: { type: string; time: string; event: object }[]): void =>
  list?.replaceChildren(
    ...entries.map(({ type, time, event }) => {
      const item = document.createElement('li')
      const details = document.createElement('details')
      const summary = document.createElement('summary')
      const text = document.createElement('pre')
      summary.textContent = `${new Date(time).toLocaleTimeString('en-GB')}  ${type}`
      text.textContent = JSON.stringify(event, undefined, 2)
      details.append(summary, text)
      item.append(details)
      return item
    }),
  )

export const showPanel = (): void => {
  const toggle = query('.panel-toggle')
  const body = query('#panel-body')
  if (!toggle || !body) return
  showSent(readSent())
  const open = (on: boolean): void => {
    body.hidden = !on
    toggle.setAttribute('aria-expanded', `${on}`)
    sessionStorage.setItem('shop_panel', on ? 'open' : '')
  }
  toggle.addEventListener('click', () => open(!!body.hidden))
  if (sessionStorage.getItem('shop_panel') === 'open') open(true)

  const choice = query<HTMLInputElement>('[data-stored-switch]')
  const show = (): void => {
    const stored = choice?.checked === true
    query('[data-sent]')?.toggleAttribute('hidden', stored)
    query('[data-stored]')?.toggleAttribute('hidden', !stored)
    if (stored) void showStored()
  }
  choice?.addEventListener('change', show)
  setInterval(() => choice?.checked && !body.hidden && void showStored(), askEveryMs)
  query<HTMLFormElement>('[data-files]')?.addEventListener('submit', (event) => {
    event.preventDefault()
    void showFiles(event.target as HTMLFormElement)
  })
}

/** The server answers only for a visitor whose random id one knows: this browser's own. */
const showStored = async (): Promise<void> => {
  const visitor = (localStorage.getItem('evo_id') ?? '').split('\n')[0] ?? ''
  const answer = await fetch(`/demo/stored?visitor=${encodeURIComponent(visitor)}`)
  if (!answer.ok) return
  const { events } = (await answer.json()) as { events: Stored[] }
  fill(
    query('[data-stored]'),
    events.map((event) => ({ type: event.event_type, time: event.created_at, event })),
  )
}

/** Exported files and notes, for who has the admin token; it is kept nowhere. */
const showFiles = async (form: HTMLFormElement): Promise<void> => {
  const token = new FormData(form).get('token')
  const headers = { authorization: `Bearer ${token}` }
  const list = form.querySelector('ul')
  const answer = await fetch('/demo/files', { headers })
  if (!answer.ok) return list?.replaceChildren(answer.status === 401 ? 'The token is not right.' : 'No answer.')
  const { files } = (await answer.json()) as { files: { path: string; bytes: number }[] }
  list?.replaceChildren(
    ...files.map(({ path, bytes }) => {
      const item = document.createElement('li')
      const button = document.createElement('button')
      button.type = 'button'
      button.className = 'plain'
      button.textContent = `${path} (${bytes.toLocaleString('en')} bytes)`
      button.addEventListener('click', async () => {
        const file = await fetch(`/demo/files/${path.split('/').map(encodeURIComponent).join('/')}`, { headers })
        const link = document.createElement('a')
        link.href = URL.createObjectURL(await file.blob())
        link.download = path.split('/').pop() ?? 'file'
        link.click()
        URL.revokeObjectURL(link.href)
      })
      item.append(button)
      return item
    }),
  )
  if (files.length === 0) list?.replaceChildren('No files yet: npx evothesis export run makes some.')
}
