import { el, empty, field, select } from './dom.ts'
import { count, share } from './format.ts'

type Fact = { value: number | null; n: number }
export type CohortRow = { week: string; channel: string; size: Fact; returned: (Fact | null)[] }

/** Who came first in which week, and the share that was seen again in the weeks after. */
export const showCohorts = (box: HTMLElement, rows: readonly CohortRow[]): void => {
  if (rows.length === 0) {
    box.replaceChildren(empty('There is no cohort yet.', 'They are made at night, once a week of visits was read.'))
    return
  }
  const channels = [...new Set(rows.map(({ channel }) => channel))].sort((a, b) =>
    a === 'all' ? -1 : b === 'all' ? 1 : a < b ? -1 : 1,
  )
  const body = el('div', {})
  const draw = (channel: string): void => {
    const own = rows.filter((row) => row.channel === channel)
    const weeks = Math.max(0, ...own.map(({ returned }) => returned.length))
    body.replaceChildren(
      el(
        'div',
        { class: 'scroll cohorts', tabindex: 0, role: 'region', 'aria-label': 'Retention' },
        el(
          'table',
          {},
          el('caption', { class: 'hidden' }, `Retention by week, first channel ${channel}`),
          el(
            'thead',
            {},
            el(
              'tr',
              {},
              el('th', { scope: 'col' }, 'First seen in the week of'),
              el('th', { scope: 'col', class: 'n' }, 'Visitors'),
              ...Array.from({ length: weeks }, (_, n) => el('th', { scope: 'col' }, `week ${n + 1}`)),
            ),
          ),
          el(
            'tbody',
            {},
            ...own.map((row) =>
              el(
                'tr',
                {},
                el('th', { scope: 'row' }, row.week),
                el('td', { class: 'n' }, count(row.size.value ?? 0)),
                ...Array.from({ length: weeks }, (_, n) => cell(row.returned[n])),
              ),
            ),
          ),
        ),
      ),
    )
  }
  draw(channels[0] ?? 'all')
  box.replaceChildren(
    el(
      'div',
      { class: 'bar' },
      field(
        'First channel',
        select(
          channels.map((one) => [one, one] as const),
          channels[0] ?? 'all',
          draw,
        ),
      ),
    ),
    body,
  )
}

const cell = (fact: Fact | null | undefined): HTMLElement => {
  const value = fact?.value
  const node = el('td', {}, value === null || value === undefined ? '' : share(value))
  // As an attribute it would be an inline style, which the page's policy forbids.
  if (value)
    node.style.setProperty(
      'background',
      `color-mix(in srgb, var(--tint) ${Math.round(Math.min(1, value * 2.5) * 100)}%, transparent)`,
    )
  return node
}
