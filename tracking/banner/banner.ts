import { bannerStyles } from './styles.ts'

/**
 * The consent banner, a file of its own beside the pixel: asks once per version, remembers the answer, and tells the pixel. Load it
 * after `tracking.js`, and give the pixel `data-consent="pending"`.
 *
 * `data-categories` (default `analytics,marketing`), `data-required` (the one that lets the pixel run, default the first),
 * `data-version`, `data-privacy-url`, `data-open="never"` to show it only by `evothesisConsent.open()`, and its texts:
 * `data-title`, `data-text`, `data-accept`, `data-reject`, `data-save`, `data-choose`.
 */
type Choice = { version: string; categories: string[]; granted: boolean }
type Pixel = { consent(state: string, details: object): void }

const key = 'consent_choice'
const options = (document.currentScript as HTMLScriptElement | null)?.dataset ?? {}
const option = (name: string, fallback: string): string => options[name] ?? fallback
const categories = option('categories', 'analytics,marketing').split(',')
const required = option('required', categories[0] ?? '')
const version = option('version', '1')

const readChoice = (): Choice | undefined => {
  try {
    const choice = JSON.parse(localStorage.getItem(key) ?? 'null') as Choice | null
    return choice?.version === version ? choice : undefined
  } catch {
    return undefined
  }
}

const tellPixel = ({ granted, categories }: Choice): void =>
  (window as { evothesis?: Pixel }).evothesis?.consent(granted ? 'granted' : 'denied', { categories, version })

const decide = (chosen: string[]): void => {
  const choice = { version, categories: chosen, granted: chosen.includes(required) }
  try {
    localStorage.setItem(key, JSON.stringify(choice))
  } catch {
    // Asked again on the next page.
  }
  tellPixel(choice)
  dispatchEvent(new CustomEvent('evothesis:consent', { detail: choice }))
}

const element = <K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] => {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...children)
  return made
}

/** In a shadow root: the styles of the site do not reach it, its own are set by CSS variables. */
const open = (): void => {
  document.querySelector('evothesis-consent')?.remove()
  const host = document.createElement('evothesis-consent')
  const root = host.attachShadow({ mode: 'open' })
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(bannerStyles)
  root.adoptedStyleSheets = [sheet]
  const before = document.activeElement
  const close = (chosen: string[]) => (): void => {
    host.remove()
    if (before instanceof HTMLElement) before.focus()
    decide(chosen)
  }
  const earlier = readChoice()?.categories ?? []
  const boxes = categories.map((category) =>
    element('input', { type: 'checkbox', name: category, checked: earlier.includes(category) }),
  )
  const save = (): void => close(boxes.filter((box) => box.checked).map((box) => box.name))()
  const privacyUrl = option('privacyUrl', '')
  const dialog = element(
    'section',
    { tabIndex: -1 },
    element('h2', { id: 'title' }, option('title', 'Your privacy')),
    element(
      'p',
      {},
      option('text', 'May we count how this site is used? You can change your mind at any time. '),
      ...(privacyUrl ? [element('a', { href: privacyUrl }, 'Privacy')] : []),
    ),
    element(
      'details',
      { open: earlier.length > 0 },
      element('summary', {}, option('choose', 'Choose')),
      ...boxes.map((box) => element('label', {}, box, ` ${box.name}`)),
      element('button', { onclick: save }, option('save', 'Save my choice')),
    ),
    element(
      'div',
      {},
      element('button', { onclick: close([]) }, option('reject', 'Reject all')),
      element('button', { onclick: close(categories) }, option('accept', 'Accept all')),
    ),
  )
  dialog.setAttribute('role', 'dialog')
  dialog.setAttribute('aria-labelledby', 'title')
  root.append(dialog)
  document.body.append(host)
  dialog.focus()
}

;(window as { evothesisConsent?: object }).evothesisConsent = { open, choice: readChoice }
const choice = readChoice()
// A grant is remembered by the pixel itself; a refusal is remembered here, so that nothing of the pixel's is stored.
if (choice && !choice.granted) tellPixel(choice)
else if (!choice && option('open', 'auto') !== 'never') open()
