import type { StandardEventType } from '../types.ts'
import type { Person, Visit } from './people.ts'
import type { Random } from './random.ts'
import type { Site } from './shop.ts'
import type { PageView, Step } from './visit-acts.ts'

/** An event as the pixel sends it inside an envelope. Keys that a kind of event does not have are absent. */
export type TrafficEvent = {
  eventType: StandardEventType
  eventId: string
  /** ISO 8601 with milliseconds, UTC. */
  timestamp: string
  /** Counts up from 0 on each page, so that a gap shows a loss. */
  seq: number
  userId?: string
  url: string
  path: string
  page?: object
  attribution?: object
  browser?: object
  eventData: object
}

export type EventWriter = (step: Step) => TrafficEvent

/** Turns the steps of one session into the pixel's events. Draws ids from a stream of its own. */
export const createEventWriter = (site: Site, person: Person, visit: Visit, random: Random): EventWriter => {
  const browser = browserOf(person, visit)
  let view: PageView | undefined
  let seq = 0
  return (step) => {
    if (step.view !== view) {
      view = step.view
      seq = 0
    }
    const { page } = step.view
    const url = urlOf(site, step.view)
    return {
      eventType: step.type,
      eventId: random.uuid(),
      timestamp: new Date(step.atMs).toISOString(),
      seq: seq++,
      ...(step.isKnown && { userId: person.userId }),
      url,
      path: page.path,
      ...(step.type === 'pageview' && {
        page: pageOf(site, step.view, url),
        attribution: attributionOf(site, step.view),
        browser,
      }),
      eventData: step.eventData,
    }
  }
}

const queryOf = ({ page, arrival }: PageView): string => {
  const query = new URLSearchParams({ ...arrival?.utm, ...arrival?.clickIds }).toString()
  if (query === '') return page.query ?? ''
  return `${page.query ? `${page.query}&` : '?'}${query}`
}

const urlOf = (site: Site, view: PageView): string =>
  `${site.origin}${view.page.path}${view.arrival ? queryOf(view) : (view.page.query ?? '')}`

const referrerOf = (site: Site, view: PageView): string | null =>
  view.from === undefined ? (view.arrival?.referrer ?? null) : `${site.origin}${view.from}`

const pageOf = (site: Site, view: PageView, url: string): object => ({
  title: `${view.page.title} – ${site.name}`,
  url,
  path: view.page.path,
  referrer: referrerOf(site, view) ?? 'direct',
  queryParams: view.arrival ? queryOf(view) : (view.page.query ?? ''),
  hash: '',
})

const noUtm = { utm_source: null, utm_medium: null, utm_campaign: null, utm_content: null, utm_term: null }
const noClickIds = { gclid: null, gclsrc: null, fbclid: null, msclkid: null, twclid: null, ttclid: null }

/** Each page tells where it was reached from: the landing page its channel, the others the site itself. */
const attributionOf = (site: Site, view: PageView): object => ({
  utmParams: view.arrival ? { ...noUtm, ...view.arrival.utm } : noUtm,
  campaignParams: view.arrival ? { ...noClickIds, ...view.arrival.clickIds } : noClickIds,
  referrer: referrerOf(site, view),
  referrerType: view.arrival?.referrerType ?? 'internal',
  referrerPlatform: view.arrival?.referrerPlatform ?? null,
})

const browserOf = (person: Person, visit: Visit): object => {
  const { kind: _, ...device } = visit.browser.device
  return { ...device, language: person.locale.language, timezone: person.locale.timezone }
}
