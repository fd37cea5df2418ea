import { el } from './dom.ts'
import { count, dayText, plural } from './format.ts'

export type HourState = 'empty' | 'waiting' | 'delivered' | 'verified' | 'late' | 'stuck' | 'future'
export type Hour = {
  hour: string
  received: number
  delivered: number
  verified: number
  stuck: number
  by_destination: Record<string, number>
  state: HourState
}

const dayMs = 86_400_000
/** A sign beside the colour, for who sees none. */
const signs: Record<HourState, string> = {
  empty: '',
  waiting: '…',
  delivered: '½',
  verified: '✓',
  late: '!',
  stuck: '×',
  future: '',
}
const words: Record<HourState, string> = {
  ...{
    empty: 'nothing was received',
    waiting: 'on its way',
    delivered: 'arrived in one destination',
    future: 'still to come',
  },
  ...{ verified: 'verified everywhere', late: 'has not arrived', stuck: 'is stuck' },
}

/** A row a day, a column an hour, the newest day on top. Arrow keys move, and the hour is told below. */
export const drawCalendar = (box: HTMLElement, hours: readonly Hour[], days: number): void => {
  const known = new Map(hours.map((hour) => [Date.parse(hour.hour), hour]))
  const today = Math.floor(Date.now() / dayMs) * dayMs
  const told = el('p', { class: 'told', 'aria-live': 'polite' }, summary(hours))
  const cells: HTMLTableCellElement[][] = []
  const rows = Array.from({ length: days }, (_, back) => {
    const start = today - back * dayMs
    const own = Array.from({ length: 24 }, (_none, hour) => {
      const at = start + hour * 3_600_000
      const found = known.get(at)
      const state: HourState = found?.state ?? (at > Date.now() ? 'future' : 'empty')
      const text = describe(at, found, state)
      return el(
        'td',
        { 'data-state': state, 'data-at': at, tabindex: -1, title: text, 'aria-label': text },
        signs[state],
      )
    })
    cells.push(own)
    return el('tr', {}, el('th', { scope: 'row' }, dayText(new Date(start).toISOString())), ...own)
  })
  const head = el(
    'tr',
    {},
    el('th', { scope: 'col' }, el('span', { class: 'hidden' }, 'Day')),
    ...Array.from({ length: 24 }, (_, hour) => el('th', { scope: 'col' }, hour)),
  )
  const grid = el('table', { role: 'grid', 'aria-label': 'Hours' }, el('thead', {}, head), el('tbody', {}, ...rows))
  cells[0]?.[0]?.setAttribute('tabindex', '0')
  for (const name of ['focusin', 'mouseover'])
    grid.addEventListener(name, (event) => {
      const text = (event.target as Element).getAttribute('aria-label')
      if (event.target !== grid && text) told.textContent = text
    })
  grid.addEventListener('keydown', (event) => move(event, cells))
  const focused = box.querySelector<HTMLElement>('td:focus')?.dataset.at
  box.replaceChildren(legend(), el('div', { class: 'scroll' }, grid), told)
  // It is drawn anew while somebody reads it.
  const same = cells.flat().find((cell) => cell.dataset.at === focused)
  if (!same) return
  cells[0]?.[0]?.setAttribute('tabindex', '-1')
  same.setAttribute('tabindex', '0')
  same.focus()
}

const describe = (at: number, hour: Hour | undefined, state: HourState): string => {
  const time = new Date(at).toISOString()
  const when = `${dayText(time)}, ${time.slice(11, 13)}:00 UTC`
  if (!hour) return `${when}: ${words[state]}`
  const places = Object.entries(hour.by_destination).map(([name, events]) => `${name} ${count(events)}`)
  return `${when}: ${plural(hour.received, 'event')} received, ${count(hour.verified)} verified everywhere${places.length > 0 ? ` (${places.join(', ')})` : ''}; ${words[state]}`
}

const summary = (hours: readonly Hour[]): string => {
  const missing = hours.filter(({ state }) => state === 'late' || state === 'stuck')
  if (hours.length === 0) return 'No event was received in this time.'
  if (missing.length === 0) return 'No gap: everything that was received has arrived, or is on its way in time.'
  const events = missing.reduce((sum, { received, verified }) => sum + received - verified, 0)
  return `${plural(missing.length, 'hour')} with a gap: ${plural(events, 'event')} received and not verified everywhere.`
}

const legend = (): HTMLElement =>
  el(
    'div',
    { class: 'legend', 'aria-hidden': 'true' },
    ...(
      [
        ['verified', 'verified everywhere'],
        ['delivered', 'in one destination'],
        ['waiting', 'on its way'],
        ['late', 'a gap: late or stuck'],
        ['empty', 'nothing received'],
      ] as const
    ).map(([state, text]) => el('span', {}, el('i', { 'data-state': state }, signs[state]), text)),
  )

const steps: Record<string, [down: number, right: number]> = {
  ...{ ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] },
}

const move = (event: KeyboardEvent, cells: readonly HTMLTableCellElement[][]): void => {
  const step = steps[event.key]
  const row = cells.findIndex((one) => one.includes(event.target as HTMLTableCellElement))
  if (!step || row < 0) return
  const column = cells[row]?.indexOf(event.target as HTMLTableCellElement) ?? 0
  const next = cells[row + step[0]]?.[column + step[1]]
  if (!next) return
  event.preventDefault()
  cells[row]?.[column]?.setAttribute('tabindex', '-1')
  next.setAttribute('tabindex', '0')
  next.focus()
}
