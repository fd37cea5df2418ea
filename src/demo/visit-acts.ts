import type { StandardEventType } from '../types.ts'
import type { Arrival } from './audience.ts'
import type { Random } from './random.ts'
import { homePage, type Page, products, searchPage, searchTerms } from './shop.ts'

/** One look at one page. `from` is the path it was reached from within the site; a landing page has an arrival. */
export type PageView = { page: Page; from: string | undefined; arrival: Arrival | undefined }
/** What happens at a moment of a session; `view` is the page on which it happens. */
export type Step = { type: StandardEventType; atMs: number; view: PageView; eventData: object; isKnown: boolean }

/** What a person can do on a page. Each act writes its steps and lets time pass. */
export type VisitActs = {
  readonly steps: Step[]
  readonly path: () => string
  readonly isKnown: () => boolean
  push(type: StandardEventType, eventData?: object): void
  pass(medianMs: number): void
  land(page: Page, arrival: Arrival): void
  follow(page: Page): void
  read(medianMs: number): void
  click(tagName: 'a' | 'button', id: string, href?: string): void
  search(): void
  fillForm(formId: string, fields: readonly string[], isSent: boolean): void
  watchVideo(): void
  logIn(traits: object): void
  leave(): void
}

/** A page is read for at most ten minutes, so that no pause inside a session comes near the 30 minutes that end one. */
const pauseMsMax = 600_000

export const createVisitActs = (random: Random, startMs: number, startsKnown: boolean): VisitActs => {
  const steps: Step[] = []
  let nowMs = startMs
  let isKnown = startsKnown
  let view: PageView = { page: homePage, from: undefined, arrival: undefined }

  const push = (type: StandardEventType, eventData: object = {}): void => {
    steps.push({ type, atMs: nowMs, view, eventData, isKnown })
  }
  const pass = (medianMs: number): void => {
    nowMs += Math.ceil(Math.min(pauseMsMax, Math.max(40, random.logNormal(medianMs, 0.7))))
  }
  const position = () => ({ x: Math.round(random.next() * 1000) / 1000, y: Math.round(random.next() * 1000) / 1000 })

  const open = (page: Page): void => {
    view = { page, from: view.page.path, arrival: undefined }
    push('pageview', { navigationMethod: 'pushstate' })
  }
  const land = (page: Page, arrival: Arrival): void => {
    view = { page, from: undefined, arrival }
    push('pageview', { navigationMethod: 'initial_load' })
    if (!random.chance(0.2)) return
    pass(1_500)
    const milliseconds = Math.round(random.logNormal(1_900, 0.45))
    const rating = milliseconds <= 2_500 ? 'good' : milliseconds <= 4_000 ? 'needs-improvement' : 'poor'
    push('web_vital', { name: 'LCP', value: milliseconds, rating })
  }
  const read = (medianMs: number): void => {
    const openedMs = nowMs
    const quarters = Math.floor(random.next() ** 2 * 5)
    for (let quarter = 1; quarter <= quarters; quarter++) {
      pass(medianMs / 4)
      const milestone = quarter * 25
      push('scroll_depth', { milestone, timeToMilestone: nowMs - openedMs, scrollPercentage: milestone })
    }
    pass(medianMs)
    happen(random.next())
    if (random.chance(0.45)) push('engagement', { engagedMs: Math.round((nowMs - openedMs) * random.between(0.5, 1)) })
  }
  /** What happens now and then on any page. */
  const happen = (draw: number): void => {
    if (draw < 0.004) push('js_error', { message: 'The cart is not ready', source: '/js/shop.js', line: 214 })
    else if (draw < 0.009)
      push('rage_click', { selector: 'button.filter', count: 3 + random.below(4), position: position() })
    else if (draw < 0.015) push('text_copy', { textLength: 11 + random.below(60) })
    else if (draw < 0.02) push('text_selection', { textLength: 5 + random.below(80) })
    else if (draw < 0.035) push('outbound', { href: 'https://social.example/ourshop', host: 'social.example' })
    else if (draw < 0.045) push('download', { href: '/files/size-guide.pdf', fileType: 'pdf' })
    else if (draw < 0.065) push('page_visibility', { hidden: true, timeSpent: 1_000 + random.below(30_000) })
    else if (draw < 0.085) push('scroll', { scrollPercentage: random.below(101), documentHeight: 3_200 })
    else if (draw < 0.089) push('custom', { name: 'wishlist_add', productId: random.pick(products).productId })
  }
  const click: VisitActs['click'] = (tagName, id, href) => {
    push('click', {
      tagName,
      id,
      classes: tagName === 'a' ? 'card-link' : 'btn',
      href: href ?? null,
      position: position(),
    })
  }
  return {
    steps,
    path: () => view.page.path,
    isKnown: () => isKnown,
    push,
    pass,
    land,
    read,
    click,
    follow(page) {
      if (random.chance(0.6)) click('a', `to${page.path.replaceAll('/', '-')}`, page.path)
      pass(600)
      open(page)
    },
    search() {
      const term = random.pick(searchTerms)
      open(searchPage(term.query))
      pass(400)
      push('search', term)
    },
    fillForm(formId, fields, isSent) {
      push('form_start', { formId, fields: fields.length })
      for (const name of fields.slice(0, 2)) {
        pass(5_000)
        push('form_change', { formId, name, kind: 'text' })
      }
      pass(6_000)
      if (random.chance(0.1)) {
        push('form_error', { formId, name: fields.at(-1), kind: 'text' })
        pass(8_000)
      }
      if (isSent) push('form_submit', { formId, formMethod: 'post', fields: fields.length })
      else push('form_abandon', { formId, lastField: fields.at(1), fieldsTouched: 2 })
    },
    watchVideo() {
      push('video', { action: 'start', videoId: 'workshop', percent: 0 })
      pass(20_000)
      const isWhole = random.chance(0.4)
      push('video', { action: isWhole ? 'complete' : 'progress', videoId: 'workshop', percent: isWhole ? 100 : 50 })
    },
    logIn(traits) {
      isKnown = true
      push('identify', { traits })
      pass(1_000)
    },
    leave() {
      pass(1_500)
      push('page_exit', { timeSpent: nowMs - startMs })
    },
  }
}
