export type Child = Node | string | number | null | undefined | false
type Props = Record<string, string | number | boolean | null | undefined | ((event: never) => void)>

const set = (node: Element, props: Props): void => {
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'function') node.addEventListener(name, value as unknown as EventListener)
    else if (value === true) node.setAttribute(name, '')
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, String(value))
  }
}

/** An element. Children that are texts become text and nothing else, whatever they hold; functions are listeners. */
export const el = <K extends keyof HTMLElementTagNameMap>(
  name: K,
  props: Props = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] => {
  const node = document.createElement(name)
  set(node, props)
  for (const child of children)
    if (child !== null && child !== undefined && child !== false)
      node.append(child instanceof Node ? child : String(child))
  return node
}

/** Puts children in the place of what was there. */
export const fill = (node: Element, ...children: readonly Child[]): void =>
  node.replaceChildren(
    ...children
      .filter((child): child is Node | string | number => child !== null && child !== undefined && child !== false)
      .map((child) => (child instanceof Node ? child : String(child))),
  )

/** The same as `el`, of a drawing, which is also kept as a file: what XML does not have (XML 1.0, 2.2) is shown as a box. */
export const svg = <K extends keyof SVGElementTagNameMap>(
  name: K,
  props: Props = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[K] => {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name)
  set(
    node,
    Object.fromEntries(
      Object.entries(props).map(([key, value]) => [key, typeof value === 'string' ? forXml(value) : value]),
    ),
  )
  for (const child of children)
    if (child !== null && child !== undefined && child !== false)
      node.append(child instanceof Node ? child : forXml(String(child)))
  return node
}

const forXml = (text: string): string =>
  text.replaceAll(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD')

/** A button. What its act throws is told: nobody is left with a press that did nothing. */
export const button = (text: string, act: () => unknown, props: Props = {}): HTMLButtonElement =>
  el('button', { type: 'button', click: () => tellFailure(async () => act()), ...props }, text)

/** Does it, and says why where it fails. */
export const tellFailure = (act: () => Promise<unknown>): void => {
  act().catch((error: unknown) => toast(error instanceof Error ? error.message : String(error), true))
}

/** `isText`: sentences, which need room. */
export type Column<T> = { head: string; cell: (row: T) => Child; isNumber?: boolean; isText?: boolean }

/** A table with more words in a row is too wide for a phone: there a row is a card, a cell a line of it. */
const wordColumnsMax = 2
/** One with more figures than fit is scrolled there. */
const narrowColumnsMax = 4

/** A table that scrolls inside its own box on a narrow screen, or becomes cards. Roles are said, for cards lose their own. */
export const table = <T>(caption: string, columns: readonly Column<T>[], rows: readonly T[]): HTMLElement => {
  const isCards =
    columns.filter(({ isNumber }) => !isNumber).length > wordColumnsMax || columns.some(({ isText }) => isText)
  return el(
    'div',
    {
      class: isCards ? 'scroll cards' : columns.length > narrowColumnsMax ? 'scroll wide' : 'scroll',
      tabindex: 0,
      role: 'region',
      'aria-label': caption,
    },
    el(
      'table',
      { role: 'table' },
      el('caption', { class: 'hidden' }, caption),
      el(
        'thead',
        { role: 'rowgroup' },
        el(
          'tr',
          { role: 'row' },
          ...columns.map((one) => el('th', { scope: 'col', role: 'columnheader', class: kindOf(one) }, one.head)),
        ),
      ),
      el('tbody', { role: 'rowgroup' }, ...rows.map((row) => el('tr', { role: 'row' }, ...cellsOf(columns, row)))),
    ),
  )
}

const cellsOf = <T>(columns: readonly Column<T>[], row: T): HTMLElement[] =>
  columns.map((column, n) =>
    n === 0
      ? el('th', { scope: 'row', role: 'rowheader' }, column.cell(row))
      : el('td', { role: 'cell', class: kindOf(column), 'data-head': column.head }, el('div', {}, column.cell(row))),
  )

const kindOf = ({ isNumber, isText }: { isNumber?: boolean; isText?: boolean }): string | undefined =>
  isNumber ? 'n' : isText ? 'text' : undefined

/** What stands where there is nothing yet: a sentence, and what to do next. */
export const empty = (text: string, hint?: string): HTMLElement =>
  el('p', { class: 'empty' }, text, hint && el('span', { class: 'hint' }, ` ${hint}`))

export const section = (title: string, ...children: readonly Child[]): HTMLElement =>
  el('section', {}, el('h2', {}, title), ...children)

/** A word for a state, with its colour; the word says it without the colour. */
export const state = (text: string, kind: 'good' | 'bad' | 'wait' | 'plain'): HTMLElement =>
  el('span', { class: `state ${kind}` }, text)

export const field = (label: string, input: HTMLElement): HTMLElement =>
  el('label', { class: 'field' }, el('span', {}, label), input)

export const select = (
  options: readonly (readonly [value: string, text: string])[],
  chosen: string,
  change: (value: string) => unknown,
): HTMLSelectElement => {
  const node = el(
    'select',
    { change: () => tellFailure(async () => change(node.value)) },
    ...options.map(([value, text]) => el('option', { value, selected: value === chosen }, text)),
  )
  return node
}

/** A short message that goes away by itself; screen readers say it. */
export const toast = (text: string, isBad = false): void => {
  const node = el('div', { class: isBad ? 'toast bad' : 'toast' }, text)
  document.querySelector('#toasts')?.append(node)
  setTimeout(() => node.remove(), isBad ? 9_000 : 4_000)
}
