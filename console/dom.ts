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

/** The same as `el`, of a drawing. */
export const svg = <K extends keyof SVGElementTagNameMap>(
  name: K,
  props: Props = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[K] => {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name)
  set(node, props)
  for (const child of children)
    if (child !== null && child !== undefined && child !== false)
      node.append(child instanceof Node ? child : String(child))
  return node
}

export const button = (text: string, act: () => unknown, props: Props = {}): HTMLButtonElement =>
  el('button', { type: 'button', click: () => void act(), ...props }, text)

export type Column<T> = { head: string; cell: (row: T) => Child; isNumber?: boolean }

/** A table that scrolls inside its own box on a narrow screen. */
export const table = <T>(caption: string, columns: readonly Column<T>[], rows: readonly T[]): HTMLElement =>
  el(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption },
    el(
      'table',
      {},
      el('caption', { class: 'hidden' }, caption),
      el(
        'thead',
        {},
        el('tr', {}, ...columns.map(({ head, isNumber }) => el('th', { scope: 'col', class: isNumber && 'n' }, head))),
      ),
      el(
        'tbody',
        {},
        ...rows.map((row) =>
          el(
            'tr',
            {},
            ...columns.map(({ cell, isNumber }, n) =>
              n === 0 ? el('th', { scope: 'row' }, cell(row)) : el('td', { class: isNumber && 'n' }, cell(row)),
            ),
          ),
        ),
      ),
    ),
  )

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
  change: (value: string) => void,
): HTMLSelectElement => {
  const node = el(
    'select',
    { change: () => change(node.value) },
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
