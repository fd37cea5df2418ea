import { type Channel, type Device, drawChannel, drawDevice, drawLocale, type Locale } from './audience.ts'
import { drawMomentOfWeek, hourMs, weekMs, weekOf, weekStartMs } from './calendar.ts'
import { createRandom, type Random } from './random.ts'

/** A browser of a person: what the data calls a visitor. */
export type Browser = { visitorId: string; device: Device }
/** One session that a person is going to have. */
export type Visit = {
  startMs: number
  browser: Browser
  channel: Channel
  /** No earlier session of this browser lies in the window. */
  isFirst: boolean
  /** Declines to be measured: nothing but this decision is sent. */
  declines: boolean
  /** Logged in during an earlier session of this browser. */
  isKnown: boolean
  logsIn: boolean
}
export type Person = {
  siteIndex: number
  userId: string
  traits: Record<string, string | number>
  locale: Locale
  visits: Visit[]
}

/** The time that is generated: from `startMs` up to, not including, `untilMs`. */
export type Window = { startMs: number; untilMs: number }

/**
 * Share of people who come back in the n-th week after their first. People who first came up to eight weeks before the
 * window are part of it, so that the mixture of new and returning people, and every rate that depends on it, is the
 * same from the first day to the last: nothing but the planted anomaly may look like one.
 */
export const weeklyRetention = [0.26, 0.18, 0.14, 0.11, 0.09, 0.08, 0.07, 0.06] as const
/** Share of people with a second session in the week of their first. */
const secondVisitShare = 0.2
/** Two sessions of one browser are at least this far apart; a session is far shorter. */
const visitGapMs = 3 * hourMs
const identifiedShare = 0.25
const secondBrowserShare = 0.15
const loginShare = 0.5
const declineShare = 0.02

/** Person number `index` of this seed: the same one, whenever asked. Has no visits when none falls into the window. */
export const planPerson = (seed: number, index: number, siteWeights: Float64Array, window: Window): Person => {
  const random = createRandom(seed, index, 1)
  const siteIndex = random.draw(siteWeights)
  const identifies = random.chance(identifiedShare)
  const browsers = [drawBrowser(random)]
  if (identifies && random.chance(secondBrowserShare)) browsers.push(drawBrowser(random))
  const locale = drawLocale(random)
  const visits = drawVisits(random, browsers, identifies, window)
  return { siteIndex, ...drawAccount(random, index, locale), locale, visits }
}

const drawBrowser = (random: Random): Browser => ({
  visitorId: `vis_${random.letters(20)}`,
  device: drawDevice(random),
})

const drawVisits = (random: Random, browsers: Browser[], identifies: boolean, window: Window): Visit[] => {
  const firstWeek = weekOf(window.startMs) - weeklyRetention.length
  const birthWeek = firstWeek + random.below(weekOf(window.untilMs - 1) - firstWeek + 1)
  const moments = weeksOfVisits(random, birthWeek)
    .map((week) => ({ week, browser: random.chance(0.6) ? browsers[0] : browsers.at(-1) }))
    .map(({ week, browser }) => ({ browser, startMs: momentIn(random, week, browser) }))
    .sort((a, b) => a.startMs - b.startMs)
  const declines = random.chance(declineShare)
  const visits: Visit[] = []
  const seen = new Map<Browser, { lastMs: number; isKnown: boolean }>()
  for (const [ordinal, { browser, startMs }] of moments.entries()) {
    const channel = drawChannel(random, ordinal === 0)
    const logsIn = random.chance(loginShare)
    if (!browser || startMs < window.startMs || startMs >= window.untilMs) continue
    const past = seen.get(browser)
    if (past && startMs - past.lastMs < visitGapMs) continue
    const isKnown = past?.isKnown ?? false
    visits.push({
      startMs,
      browser,
      channel,
      isFirst: !past,
      declines,
      isKnown,
      logsIn: identifies && !isKnown && logsIn,
    })
    seen.set(browser, { lastMs: startMs, isKnown: isKnown || (identifies && logsIn) })
    if (declines) break
  }
  return visits
}

const weeksOfVisits = (random: Random, birthWeek: number): number[] => [
  birthWeek,
  ...(random.chance(secondVisitShare) ? [birthWeek] : []),
  ...weeklyRetention.flatMap((share, index) => (random.chance(share) ? [birthWeek + index + 1] : [])),
]

const momentIn = (random: Random, week: number, browser: Browser | undefined): number =>
  weekStartMs(week) + (drawMomentOfWeek(random, browser?.device.kind ?? 'mobile') % weekMs)

const firstNames = ['ada', 'bela', 'chen', 'dina', 'emil', 'fatou', 'goran', 'hana'] as const
const tiers = ['basic', 'plus', 'gold'] as const

/** Most accounts have a number for an id, some an address; not everybody gives every trait. */
const drawAccount = (random: Random, index: number, locale: Locale): Pick<Person, 'userId' | 'traits'> => {
  const isAddress = random.chance(0.25)
  const userId = isAddress ? `${random.pick(firstNames)}.${index}@mail.example` : `customer_${1000 + index}`
  const traits: Record<string, string | number> = { tier: random.pick(tiers), country: locale.country }
  if (random.chance(0.7)) traits.age = Math.round(Math.min(90, Math.max(18, random.logNormal(38, 0.32))))
  if (random.chance(0.6)) traits.gender = random.pick(['female', 'male', 'other'] as const)
  if (random.chance(0.8)) traits.city = locale.city
  return { userId, traits }
}
