import { cumulative, type Random } from './random.ts'

/** Who visits: where people come from, and what they hold in their hands. */
export const channels = ['direct', 'search', 'social', 'paid', 'email', 'referral'] as const
export type Channel = (typeof channels)[number]

export const deviceKinds = ['mobile', 'desktop', 'tablet'] as const
export type DeviceKind = (typeof deviceKinds)[number]

/** How a session arrives: what its landing page's URL and referrer tell. */
export type Arrival = {
  channel: Channel
  utm: Record<string, string>
  clickIds: Record<string, string>
  referrer: string | null
  referrerType: 'direct' | 'search' | 'social' | 'referral'
  referrerPlatform: string | null
}

export type Device = {
  kind: DeviceKind
  userAgent: string
  screenWidth: number
  screenHeight: number
  viewportWidth: number
  viewportHeight: number
  devicePixelRatio: number
}

/** Shares of sessions by channel, in the order of `channels`: the first visit of a person, and the later ones. */
const firstVisitShares = cumulative([0.2, 0.32, 0.16, 0.18, 0.04, 0.1])
const laterVisitShares = cumulative([0.42, 0.2, 0.08, 0.07, 0.19, 0.04])

export const drawChannel = (random: Random, isFirstVisit: boolean): Channel =>
  channels[random.draw(isFirstVisit ? firstVisitShares : laterVisitShares)] ?? 'direct'

const campaigns = ['autumn_launch', 'always_on', 'gift_guide'] as const
const partners = [
  'https://thegoodlist.example/shops',
  'https://craftnews.example/',
  'https://wiki.example/shops',
] as const

export const drawArrival = (random: Random, channel: Channel): Arrival => {
  const arrival = (
    referrerType: Arrival['referrerType'],
    referrerPlatform: string | null,
    referrer: string | null,
    utm: Record<string, string> = {},
    clickIds: Record<string, string> = {},
  ): Arrival => ({ channel, utm, clickIds, referrer, referrerType, referrerPlatform })
  const google = ['search', 'google', 'https://www.google.com/'] as const
  switch (channel) {
    case 'direct':
      return arrival('direct', null, null)
    case 'search':
      return random.chance(0.8) ? arrival(...google) : arrival('search', 'bing', 'https://www.bing.com/')
    case 'social':
      if (random.chance(0.5)) return arrival('social', 'instagram', 'https://l.instagram.com/')
      return arrival('social', 'facebook', 'https://m.facebook.com/', {
        ...{ utm_source: 'facebook', utm_medium: 'social', utm_campaign: random.pick(campaigns) },
      })
    case 'paid': {
      const utm = { utm_medium: 'cpc', utm_campaign: random.pick(campaigns), utm_content: `ad_${1 + random.below(4)}` }
      const draw = random.next()
      if (draw < 0.6) return arrival(...google, { utm_source: 'google', ...utm }, { gclid: `Cj0${random.letters(20)}` })
      if (draw < 0.75)
        return arrival(
          ...(['search', 'bing', 'https://www.bing.com/'] as const),
          ...([{ utm_source: 'bing', ...utm }, { msclkid: random.letters(32) }] as const),
        )
      return arrival(
        ...(['social', 'facebook', 'https://l.facebook.com/'] as const),
        ...([{ utm_source: 'facebook', ...utm }, { fbclid: `IwAR${random.letters(24)}` }] as const),
      )
    }
    case 'email':
      return arrival('direct', null, null, {
        ...{ utm_source: 'newsletter', utm_medium: 'email', utm_campaign: random.pick(campaigns) },
      })
    case 'referral':
      return arrival('referral', null, random.pick(partners))
  }
}

const device = (
  kind: DeviceKind,
  userAgent: string,
  screen: [number, number],
  chrome: number,
  ratio: number,
): Device => ({
  kind,
  userAgent,
  screenWidth: screen[0],
  screenHeight: screen[1],
  viewportWidth: screen[0],
  viewportHeight: screen[1] - chrome,
  devicePixelRatio: ratio,
})
const appleWebKit = 'AppleWebKit/605.1.15 (KHTML, like Gecko)'
const chromium = 'AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0'
const devices: readonly Device[] = [
  device(
    'mobile',
    `Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) ${appleWebKit} Version/18.6 Mobile/15E148 Safari/604.1`,
    ...([[393, 852], 193, 3] as [[number, number], number, number]),
  ),
  device('mobile', `Mozilla/5.0 (Linux; Android 10; K) ${chromium} Mobile Safari/537.36`, [412, 915], 131, 2.625),
  device('mobile', 'Mozilla/5.0 (Android 15; Mobile; rv:144.0) Gecko/144.0 Firefox/144.0', [360, 800], 120, 3),
  device('desktop', `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${chromium} Safari/537.36`, [1920, 1080], 151, 1),
  device(
    'desktop',
    `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${chromium} Safari/537.36 Edg/142.0.0.0`,
    [1536, 864],
    162,
    1.25,
  ),
  device(
    'desktop',
    `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${appleWebKit} Version/26.0 Safari/605.1.15`,
    [1512, 982],
    174,
    2,
  ),
  device('desktop', 'Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0', [2560, 1440], 140, 1),
  device(
    'tablet',
    `Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X) ${appleWebKit} Version/17.7 Mobile/15E148 Safari/604.1`,
    [820, 1180],
    74,
    2,
  ),
]
const deviceShares = cumulative([0.3, 0.24, 0.02, 0.2, 0.06, 0.11, 0.02, 0.05])

export const drawDevice = (random: Random): Device => devices[random.draw(deviceShares)] as Device

const locales = [
  { language: 'en-US', timezone: 'America/New_York', country: 'US', city: 'Boston' },
  { language: 'en-US', timezone: 'America/Los_Angeles', country: 'US', city: 'Portland' },
  { language: 'en-GB', timezone: 'Europe/London', country: 'GB', city: 'Leeds' },
  { language: 'de-DE', timezone: 'Europe/Berlin', country: 'DE', city: 'Köln' },
  { language: 'fr-FR', timezone: 'Europe/Paris', country: 'FR', city: 'Lyon' },
] as const
export type Locale = (typeof locales)[number]
const localeShares = cumulative([0.34, 0.22, 0.2, 0.14, 0.1])
export const drawLocale = (random: Random): Locale => locales[random.draw(localeShares)] ?? locales[0]
