import { doc, later, listen, soon, win } from './host.ts'
import { capture, type emit, place } from './queue.ts'
import type { EventData } from './types.ts'
import { cleanUrl, hostOf, isCampaign, isClickId, isSearch, ownHost } from './url.ts'

/** Routers set the title after the address; a route is read this much later. */
const routeSettlesMs = 50

const referrers =
  /(?:^|\.)(?:(google|bing|yahoo|duckduckgo|baidu|yandex)\.\w|(facebook|instagram|twitter|x|t|linkedin|reddit|tiktok|youtube)\.com?$)/

let shownAddress = ''
let referrer = doc.referrer

/** What kind of page led here. */
export const referrerKind = (from: string) => {
  if (!from) return { referrerType: 'direct' }
  const host = hostOf(new URL(from))
  const [, search, social] = referrers.exec(host) ?? []
  return {
    referrerType: host === ownHost ? 'internal' : search ? 'search' : social ? 'social' : 'referral',
    referrerPlatform: search ?? social ?? host,
  }
}

/** Reports the page as it is now, and where the visit came from: campaign parameters, click ids, the referrer. */
export const viewPage = (properties: EventData | undefined, report: typeof emit): void => {
  const utmParams: Record<string, string> = {}
  const campaignParams: Record<string, string> = {}
  new URL(location.href).searchParams.forEach((value, name) => {
    if (isCampaign(name)) utmParams[name.toLowerCase()] = value
    if (isClickId(name)) campaignParams[name.toLowerCase()] = value
  })
  report('pageview', properties, {
    page: { title: doc.title },
    attribution: { utmParams, campaignParams, referrer: referrer && cleanUrl(referrer), ...referrerKind(referrer) },
    browser: {
      language: navigator.language,
      viewportWidth: innerWidth,
      viewportHeight: innerHeight,
      timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    },
  })
}

/** The address without a fragment, unless that is a route. */
const address = (): string => location.href.replace(/#(?![/!]).*/, '')

/** A page is shown: after a load, a change of route, or a return from the bfcache. */
export const showPage = (navigationMethod: string): void => {
  shownAddress = address()
  place.url = cleanUrl(location.href)
  viewPage({ navigationMethod }, capture)
  soon(reportSearch)
}

/**
 * Calls `left` and shows the new page whenever the address changes; the same address is no new page. Routers that
 * change it twice at once count once.
 */
export const watchRoutes = (left: () => void): void => {
  const check = () => {
    later(() => {
      if (address() === shownAddress) return
      left()
      referrer = place.url
      showPage('route')
    }, routeSettlesMs)
  }
  const { navigation } = win as { navigation?: EventTarget }
  if (navigation) {
    listen(navigation, 'currententrychange', check)
    return
  }
  for (const name of ['pushState', 'replaceState'] as const) {
    const original = history[name]
    history[name] = (...args) => {
      original.apply(history, args)
      check()
    }
  }
  listen(win, 'popstate hashchange', check)
}

/** A site search: the words, and how many results where an element tells by `data-search-results`, else null. */
const reportSearch = (): void =>
  new URL(location.href).searchParams.forEach((query, parameter) => {
    const results = +(doc.querySelector<HTMLElement>('[data-search-results]')?.dataset.searchResults as string)
    if (isSearch(parameter) && query) capture('search', { query, parameter, results })
  })
