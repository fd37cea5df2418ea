import type { Channel } from './channel.ts'
import type { DeviceKind } from './device.ts'

/**
 * One thing that somebody did in a session, in the order of time: the moment, the event type, and a text where the type
 * has one (`pageview`: the path, `search`: the words, `purchase`: the order's key). Measurements that come by themselves
 * (scrolling, engagement, timings) are added up instead.
 */
export type Act = {
  atMs: number
  type: string
  text?: string
  /** Of a `purchase`. */
  revenueMicros?: number
  currency?: string
}

/** Highest and lowest `seq` of a page load, and how many of its events were seen: the gap is what was lost. */
export type PageSeqs = Map<string, { highest: number; lowest: number; seen: number }>

/** One visit. Everything in it can be merged with another's: a late event may join two sessions, and never divides one. */
export type Session = {
  /** Null until it is stored. */
  id: number | null
  siteId: string
  visitorKey: string
  startMs: number
  endMs: number
  userId: string | null
  userAtMs: number
  events: number
  pageviews: number
  engagedMs: number
  channel: Channel
  source: string | null
  campaign: string | null
  /** When the pageview came that gave channel, source and campaign; null before there is one. */
  landedMs: number | null
  device: DeviceKind
  browser: string | null
  os: string | null
  language: string | null
  isBot: boolean
  acts: Act[]
  pages: PageSeqs
}

/** A session that goes on is cut here, so that a machine that never pauses costs no more than this. */
export const actsMax = 500
export const pagesMax = 200

/** What is in the trail whatever the funnels ask for; everything else is counted only. */
export const keptTypes: ReadonlySet<string> = new Set([
  ...[
    'pageview',
    'search',
    'identify',
    'product_view',
    'add_to_cart',
    'remove_from_cart',
    'begin_checkout',
    'purchase',
  ],
  ...['form_start', 'form_submit', 'form_abandon', 'form_error', 'js_error', 'rage_click', 'download', 'outbound'],
])

/** Adds what `from` holds to `into`; they belong to one visitor, and there is no pause between them. */
export const mergeSessions = (into: Session, from: Session): void => {
  into.startMs = Math.min(into.startMs, from.startMs)
  into.endMs = Math.max(into.endMs, from.endMs)
  into.events += from.events
  into.pageviews += from.pageviews
  into.engagedMs += from.engagedMs
  into.isBot ||= from.isBot
  if (from.userId !== null && (into.userId === null || from.userAtMs >= into.userAtMs)) {
    into.userId = from.userId
    into.userAtMs = from.userAtMs
  }
  if (from.landedMs !== null && (into.landedMs === null || from.landedMs < into.landedMs)) {
    into.landedMs = from.landedMs
    into.channel = from.channel
    into.source = from.source
    into.campaign = from.campaign
  }
  if (into.device === 'other' && into.browser === null) {
    into.device = from.device
    into.browser = from.browser
    into.os = from.os
  }
  into.language ??= from.language
  for (const act of from.acts) addAct(into, act)
  for (const [pageId, { highest, lowest, seen }] of from.pages) {
    const known = into.pages.get(pageId)
    if (known) {
      known.highest = Math.max(known.highest, highest)
      known.lowest = Math.min(known.lowest, lowest)
      known.seen += seen
    } else if (into.pages.size < pagesMax) into.pages.set(pageId, { highest, lowest, seen })
  }
}

/** Keeps the acts in the order of time; acts of one moment stay in the order in which they arrived. */
export const addAct = (session: Session, act: Act): void => {
  const { acts } = session
  if (acts.length >= actsMax) return
  let at = acts.length
  while (at > 0 && (acts[at - 1]?.atMs ?? 0) > act.atMs) at--
  acts.splice(at, 0, act)
}

/** The path of the first or last pageview. */
export const pathAt = (acts: readonly Act[], end: 'first' | 'last'): string | null =>
  (end === 'first' ? acts.find(({ type }) => type === 'pageview') : acts.findLast(({ type }) => type === 'pageview'))
    ?.text ?? null

/** How far a shop's visit comes, by its events: the names are in the order of the numbers. */
export const stages = ['none', 'product', 'cart', 'checkout', 'order'] as const
const stageOfType: Record<string, number> = { product_view: 1, add_to_cart: 2, begin_checkout: 3, purchase: 4 }
export const stageOf = (acts: readonly Act[]): number =>
  acts.reduce((furthest, { type }) => Math.max(furthest, stageOfType[type] ?? 0), 0)

export const ordersOf = (acts: readonly Act[]): Act[] => acts.filter(({ type }) => type === 'purchase')
