import { button, el, field } from './dom.ts'
import { count } from './format.ts'
import type { Place } from './view.ts'

/** Rows that are shown, the newest on top. */
const rowsMax = 200

type Row = {
  event_type: string
  site_id: string | null
  visitor_id: string | null
  url: string | null
  created_at: string
  raw_event_data: unknown
}

/** Events as they are stored, in a list that can be held still. */
export const showLive = (box: HTMLElement, place: Place): void => {
  const list = el('ol', { class: 'live', 'aria-label': 'Live events', tabindex: 0 })
  const said = el('p', { class: 'note', role: 'status' }, 'Waiting for events …')
  const inputs = { site: el('input', {}), type: el('input', {}), visitor: el('input', {}) }
  let source: EventSource | undefined
  let seen = 0
  let skipped = 0

  const add = (node: HTMLElement): void => {
    list.prepend(node)
    while (list.childElementCount > rowsMax) list.lastElementChild?.remove()
  }
  const say = (): void => {
    said.textContent = `${count(seen)} shown${skipped > 0 ? `, ${count(skipped)} left out because they came faster than one can read` : ''}.`
  }
  const stop = (): void => {
    source?.close()
    source = undefined
    toggle.textContent = 'Go on'
  }
  const start = (): void => {
    source?.close()
    const query = new URLSearchParams()
    for (const [name, input] of Object.entries(inputs)) if (input.value.trim()) query.set(name, input.value.trim())
    source = new EventSource(`/events/stream?${query}`)
    toggle.textContent = 'Pause'
    source.addEventListener('event', ({ data }) => {
      seen++
      add(rowOf(JSON.parse(data) as Row))
      say()
    })
    source.addEventListener('skipped', ({ data }) => {
      skipped += (JSON.parse(data) as { events: number }).events
      say()
    })
    source.addEventListener('gap', () =>
      add(el('li', { class: 'note' }, 'A gap: the connection was away for too long.')),
    )
    source.addEventListener('alert', ({ data }) => {
      const { state, text } = JSON.parse(data) as { state: string; text: string }
      add(el('li', { class: 'note' }, el('strong', {}, `Alert ${state}: `), text))
    })
    source.addEventListener('error', () => {
      if (source?.readyState === EventSource.CLOSED)
        said.textContent = 'The stream has ended; log in again or try later.'
    })
  }
  const toggle = button('Pause', () => (source ? stop() : start()))
  const form = el(
    'form',
    {
      class: 'bar',
      submit: (event: Event) => {
        event.preventDefault()
        list.replaceChildren()
        start()
      },
    },
    field('Site', inputs.site),
    field('Event type', inputs.type),
    field('Visitor', inputs.visitor),
    el('button', {}, 'Filter'),
    toggle,
  )
  box.append(form, said, list)
  start()
  place.signal.addEventListener('abort', () => source?.close())
}

const rowOf = (row: Row): HTMLElement =>
  el(
    'li',
    {},
    el('time', {}, row.created_at.slice(11, 19)),
    el('span', {}, row.event_type),
    el(
      'details',
      {},
      el('summary', {}, [row.site_id, row.url, row.visitor_id].filter(Boolean).join(' · ') || '(no site)'),
      el('pre', {}, JSON.stringify(row, null, 2)),
    ),
  )
