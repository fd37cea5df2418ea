import { get } from './call.ts'
import { button, el, empty, field, svg } from './dom.ts'
import { type Draw, fontFamily, showDrawing, type Theme } from './drawing.ts'
import { count, share } from './format.ts'

type Counted = {
  visits: number
  steps: { step: string; visits: number; of_first: number | null; of_before: number | null }[]
}

const stepsMax = 8
const eventTypes = [
  ...['pageview', 'product_view', 'add_to_cart', 'begin_checkout', 'purchase', 'search', 'identify'],
  ...['form_start', 'form_submit', 'form_error', 'download', 'outbound', 'js_error', 'rage_click'],
]
const storeKey = 'evothesis-funnel'
const standard = ['event:pageview', 'event:product_view', 'event:add_to_cart', 'event:begin_checkout', 'event:purchase']

/** A funnel whose steps are put in order by dragging, or by the keyboard, and counted anew each time. */
export const showFunnel = (
  box: HTMLElement,
  query: () => Record<string, string>,
  pages: readonly string[],
): { refresh(): Promise<void> } => {
  let steps = readSteps()
  let dragged: number | undefined
  const list = el('ol', { class: 'steps', 'aria-label': 'Steps' })
  const result = el('div', { 'aria-live': 'polite' })
  const said = el('span', { class: 'hidden', role: 'status' })

  const set = async (next: string[], focusAt?: number): Promise<void> => {
    steps = next
    localStorage.setItem(storeKey, JSON.stringify(steps))
    drawList()
    if (focusAt !== undefined) list.children[focusAt]?.querySelector('button')?.focus()
    await refresh()
  }
  const move = (from: number, to: number): void => {
    if (to < 0 || to >= steps.length || from === to) return
    const next = [...steps]
    next.splice(to, 0, ...next.splice(from, 1))
    said.textContent = `${nameOf(next[to] ?? '')} is step ${to + 1} now.`
    void set(next, to)
  }
  const drawList = (): void =>
    list.replaceChildren(
      ...steps.map((step, n) => {
        const item = el(
          'li',
          {
            draggable: 'true',
            dragstart: (event: DragEvent) => {
              dragged = n
              event.dataTransfer?.setData('text/plain', step)
            },
            dragover: (event: Event) => {
              event.preventDefault()
              item.classList.add('over')
            },
            dragleave: () => item.classList.remove('over'),
            drop: (event: Event) => {
              event.preventDefault()
              if (dragged !== undefined) move(dragged, n)
            },
            keydown: (event: KeyboardEvent) => {
              if (!event.altKey || !['ArrowUp', 'ArrowDown'].includes(event.key)) return
              event.preventDefault()
              move(n, n + (event.key === 'ArrowUp' ? -1 : 1))
            },
          },
          el('span', { class: 'grip', 'aria-hidden': 'true' }, '⠿'),
          el('span', { class: 'name' }, nameOf(step)),
          button('↑', () => move(n, n - 1), { 'aria-label': `Move ${nameOf(step)} up` }),
          button('↓', () => move(n, n + 1), { 'aria-label': `Move ${nameOf(step)} down` }),
          button('×', () => set(steps.filter((_one, k) => k !== n)), { 'aria-label': `Remove ${nameOf(step)}` }),
        )
        return item
      }),
    )
  const refresh = async (): Promise<void> => {
    if (steps.length === 0) return result.replaceChildren(empty('Add a step.'))
    const parameters = new URLSearchParams(query())
    for (const step of steps) parameters.append('step', step)
    const counted = await get<Counted>(`/api/funnel?${parameters}`)
    if (counted.visits === 0) return result.replaceChildren(empty('There is no visit in this time.'))
    const draw: Draw = (theme) => drawFunnel(counted, theme)
    result.replaceChildren(showDrawing('funnel', draw))
  }
  const added = el('input', { list: 'funnel-steps', placeholder: '/path or event type', maxlength: 300 })
  const add = (event: Event): void => {
    event.preventDefault()
    const text = added.value.trim()
    if (text === '' || steps.length >= stepsMax) return
    added.value = ''
    void set([...steps, text.startsWith('/') ? `page:${text}` : `event:${text.replaceAll(/\W/g, '_')}`])
  }
  box.replaceChildren(
    el('p', { class: 'hint' }, 'Drag steps into order, or use the arrows (with the keyboard: Alt and an arrow key).'),
    list,
    said,
    el(
      'form',
      { class: 'bar', submit: add },
      field('Further step', added),
      el('button', {}, 'Add'),
      button('Standard steps', () => set([...standard])),
    ),
    el('datalist', { id: 'funnel-steps' }, ...[...eventTypes, ...pages].map((value) => el('option', { value }))),
    result,
  )
  drawList()
  return { refresh }
}

const readSteps = (): string[] => {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(storeKey) ?? 'null')
    if (Array.isArray(kept) && kept.length > 0 && kept.every((one) => typeof one === 'string'))
      return kept.slice(0, stepsMax)
  } catch {
    // Not ours.
  }
  return [...standard]
}

const nameOf = (step: string): string => step.slice(step.indexOf(':') + 1)

const [width, rowHeight] = [900, 58]

const drawFunnel = ({ visits, steps }: Counted, theme: Theme): SVGSVGElement => {
  const height = steps.length * rowHeight + 20
  const most = Math.max(1, steps[0]?.visits ?? 0)
  const group = svg('g', {})
  for (const [n, step] of steps.entries()) {
    const y = 12 + n * rowHeight
    const length = (step.visits / most) * (width - 330)
    const text = `${nameOf(step.step)}: ${count(step.visits)} visits, ${share(step.of_first)} of the first step`
    group.append(
      svg(
        'g',
        { tabindex: 0, role: 'img', 'aria-label': text },
        svg('title', {}, text),
        svg('rect', { x: 190, y, width: width - 330, height: 30, fill: theme.bar, opacity: 0.45 }),
        svg('rect', { x: 190, y, width: Math.max(1, length), height: 30, fill: theme.node }),
        svg(
          'text',
          { x: 8, y: y + 20, fill: theme.ink, 'font-size': 13, 'font-family': fontFamily },
          `${n + 1}. ${nameOf(step.step).slice(0, 24)}`,
        ),
        svg(
          'text',
          { x: width - 132, y: y + 20, fill: theme.ink, 'font-size': 13, 'font-family': fontFamily },
          `${count(step.visits)} · ${share(step.of_first)}`,
        ),
      ),
    )
    if (step.of_before !== null)
      group.append(
        svg(
          'text',
          { x: 192, y: y - 8, fill: theme.soft, 'font-size': 11, 'font-family': fontFamily },
          `${share(step.of_before)} go on`,
        ),
      )
  }
  group.append(
    svg(
      'text',
      { x: 8, y: height - 2, fill: theme.soft, 'font-size': 11, 'font-family': fontFamily },
      `of ${count(visits)} visits`,
    ),
  )
  return svg(
    'svg',
    { viewBox: `0 0 ${width} ${height}`, xmlns: 'http://www.w3.org/2000/svg' },
    svg('rect', { width, height, fill: theme.ground }),
    group,
  )
}
