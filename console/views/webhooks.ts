import { change, get } from '../call.ts'
import { button, el, empty, field, section, state, table, toast } from '../dom.ts'
import { count, plural, timeText } from '../format.ts'
import { may, type Place, type View } from '../view.ts'

type Endpoint = {
  name: string
  url: string
  event_types: string[] | null
  origin: string
  state: 'active' | 'disabled'
  disabled_reason: string | null
  failing_since: string | null
  pending: number
  exhausted: number
  last_attempt: { at: string; status: number | null; error: string | null } | null
}
type Attempt = {
  event: string
  type: string
  at: string
  status: number | null
  error: string | null
  duration_ms: number
  state: string
  next_attempt_at: string | null
}

/** Who is told what happened, whether they took it, and once more where they did not. */
export const view: View = {
  title: 'Webhooks',
  async show(place) {
    const { root } = place
    const list = el('div', {})
    const attempts = el('div', {})
    const refresh = async (): Promise<void> => {
      const { endpoints } = await get<{ endpoints: Endpoint[] }>('/webhooks')
      list.replaceChildren(
        endpoints.length === 0
          ? empty(
              'Nobody is told yet.',
              may(place, 'operator') ? 'Add an endpoint below.' : 'An operator adds endpoints.',
            )
          : table(
              'Endpoints',
              columns(place, (name) => showAttempts(name), refresh),
              endpoints,
            ),
      )
    }
    const showAttempts = async (name: string): Promise<void> => {
      const found = await get<{ attempts: Attempt[] }>(`/webhooks/${encodeURIComponent(name)}/attempts`, { limit: 100 })
      attempts.replaceChildren(
        el('h2', {}, `Attempts at ${name}`),
        found.attempts.length === 0
          ? empty('Nothing was sent yet.', 'Send a test.')
          : table(
              'Attempts',
              attemptColumns(place, name, async () => {
                await showAttempts(name)
                await refresh()
              }),
              found.attempts,
            ),
      )
      attempts.scrollIntoView({ block: 'nearest' })
    }
    root.append(
      section('Endpoints', list),
      ...(may(place, 'operator') ? [section('Add one', addForm(refresh)), section('Replay', replayForm(refresh))] : []),
      el('section', {}, attempts),
    )
    await refresh()
  },
}

const attempt = async (work: () => Promise<string>): Promise<void> => {
  try {
    toast(await work())
  } catch (error) {
    toast((error as Error).message, true)
  }
}

const columns = (place: Place, show: (name: string) => Promise<void>, refresh: () => Promise<void>) => [
  { head: 'Name', cell: (one: Endpoint) => one.name },
  { head: 'Address', cell: (one: Endpoint) => el('code', {}, one.url) },
  { head: 'Events', cell: (one: Endpoint) => one.event_types?.join(', ') ?? 'all' },
  {
    head: 'State',
    cell: (one: Endpoint) =>
      el(
        'span',
        {},
        state(one.state, one.state === 'disabled' ? 'bad' : one.failing_since ? 'wait' : 'good'),
        one.disabled_reason
          ? ` ${one.disabled_reason}`
          : one.failing_since
            ? ` failing since ${timeText(one.failing_since)}`
            : '',
      ),
  },
  { head: 'Waiting', isNumber: true, cell: (one: Endpoint) => count(one.pending) },
  { head: 'Given up', isNumber: true, cell: (one: Endpoint) => count(one.exhausted) },
  {
    head: 'Last attempt',
    cell: (one: Endpoint) =>
      one.last_attempt
        ? `${timeText(one.last_attempt.at)}: ${one.last_attempt.error ?? one.last_attempt.status ?? ''}`
        : 'none',
  },
  {
    head: 'Actions',
    cell: (one: Endpoint) => {
      const path = `/webhooks/${encodeURIComponent(one.name)}`
      const act = (verb: string, done: (answer: { status: number | null; error: string | null }) => string) => () =>
        attempt(async () => {
          const answer = await change<{ status: number | null; error: string | null }>('POST', `${path}/${verb}`)
          await refresh()
          return done(answer)
        })
      return el(
        'div',
        { class: 'bar' },
        button('Attempts', () => show(one.name), { 'aria-label': `Attempts at ${one.name}` }),
        may(place, 'operator') &&
          button(
            'Send a test',
            act('send-test', ({ status, error }) =>
              error === null ? `${one.name} took it (${status}).` : `${one.name} did not take it: ${error}`,
            ),
            { 'aria-label': `Send a test to ${one.name}` },
          ),
        may(place, 'operator') &&
          one.state === 'active' &&
          button(
            'Disable',
            act('disable', () => `${one.name} is told nothing any more.`),
            { 'aria-label': `Disable ${one.name}` },
          ),
        may(place, 'operator') &&
          one.state === 'disabled' &&
          button(
            'Enable',
            act('enable', () => `${one.name} is told again.`),
            { 'aria-label': `Enable ${one.name}` },
          ),
      )
    },
  },
]

const addForm = (refresh: () => Promise<void>): HTMLElement => {
  const name = el('input', { required: true, maxlength: 40 })
  const url = el('input', { required: true, type: 'url', maxlength: 2000 })
  const secret = el('div', {})
  const add = (event: Event): void => {
    event.preventDefault()
    void attempt(async () => {
      const made = await change<{ secret: string }>('POST', '/webhooks', {
        name: name.value.trim(),
        url: url.value.trim(),
      })
      secret.replaceChildren(
        el('p', {}, 'Its signing secret, shown this once: ', el('code', { class: 'secret' }, made.secret)),
      )
      await refresh()
      return `${name.value} is told from now on.`
    })
  }
  return el(
    'div',
    {},
    el('form', { class: 'bar', submit: add }, field('Name', name), field('Address', url), el('button', {}, 'Add')),
    secret,
  )
}

const replayForm = (refresh: () => Promise<void>): HTMLElement => {
  const day = new Date().toISOString().slice(0, 10)
  const from = el('input', { type: 'date', value: day, required: true })
  const to = el('input', { type: 'date', value: day, required: true })
  const endpoint = el('input', { maxlength: 40, placeholder: 'all' })
  const replay = (event: Event): void => {
    event.preventDefault()
    // The second day is meant whole.
    const end = new Date(Date.parse(to.value) + 86_400_000).toISOString()
    void attempt(async () => {
      const name = endpoint.value.trim()
      const { deliveries } = await change<{ deliveries: number }>('POST', '/webhooks/replay', {
        from: `${from.value}T00:00:00Z`,
        to: end,
        ...(name && { endpoint: name }),
      })
      await refresh()
      return `${plural(deliveries, 'delivery', 'deliveries')} will be sent again.`
    })
  }
  return el(
    'form',
    { class: 'bar', submit: replay },
    field('From', from),
    field('To', to),
    field('Endpoint', endpoint),
    el('button', {}, 'Send all of it again'),
  )
}

const attemptColumns = (place: Place, name: string, changed: () => Promise<void>) => [
  { head: 'When', cell: (one: Attempt) => timeText(one.at) },
  { head: 'Event', cell: (one: Attempt) => one.type },
  {
    head: 'Answer',
    cell: (one: Attempt) =>
      one.error === null ? state(String(one.status ?? 'taken'), 'good') : state(String(one.status ?? 'failed'), 'bad'),
  },
  { head: 'Reason', isText: true, cell: (one: Attempt) => one.error ?? '' },
  { head: 'Took', isNumber: true, cell: (one: Attempt) => `${count(one.duration_ms)} ms` },
  {
    head: 'Since',
    cell: (one: Attempt) => (one.next_attempt_at ? `again at ${timeText(one.next_attempt_at)}` : one.state),
  },
  { head: 'Id', cell: (one: Attempt) => el('code', {}, one.event) },
  ...(may(place, 'operator')
    ? [
        {
          head: 'Action',
          // A test is sent by its own button, and what waits is sent by itself.
          cell: (one: Attempt) =>
            one.type !== 'webhook.test' &&
            one.state !== 'pending' &&
            button(
              'Send again',
              () =>
                attempt(async () => {
                  await change('POST', '/webhooks/replay', { event: one.event, endpoint: name })
                  await changed()
                  return `${one.type} will be sent to ${name} again.`
                }),
              { 'aria-label': `Send ${one.type} of ${timeText(one.at)} again` },
            ),
        },
      ]
    : []),
]
