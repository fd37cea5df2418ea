import { clip, fieldOf, fieldsOf, textLimits } from './clip.ts'

/** Where a visit came from: a closed list, so that nothing an event says can become a channel. */
export const channels = ['direct', 'search', 'paid', 'social', 'email', 'referral', 'other'] as const
export type Channel = (typeof channels)[number]
export type Arrival = { channel: Channel; source: string | null; campaign: string | null }

const paidMedium = /^(.*cp[cmvau].*|ppc|retargeting|paid.*|display|banner)$/i
const emailWord = /^e[-_ ]?mail$|^newsletter$/i
const socialMedium = /^(social.*|sm)$/i
const socialHost =
  /(^|\.)(facebook|instagram|twitter|linkedin|reddit|tiktok|youtube|pinterest|threads|bsky)\.\w+$|^(t\.co|x\.com|lnkd\.in)$/
const searchHost = /(^|\.)(google|bing|yahoo|duckduckgo|baidu|yandex|ecosia|qwant|startpage)\.\w+/
/** Ids that advertisements add; Facebook's is on every link there, so that it says nothing. */
const adClickIds = ['gclid', 'gclsrc', 'msclkid', 'ttclid', 'twclid', 'dclid', 'gbraid', 'wbraid']

/**
 * The channel of a pageview, by what its sender recorded (`attribution`; of Segment messages `context.campaign` and the
 * referrer), in the order of the default channel groups of Google Analytics: advertisements, e-mail, social, search,
 * other campaigns, referrals. A page that was reached from its own site is `direct`: no outside visit led here.
 */
export const readArrival = (raw: unknown, siteId: string): Arrival => {
  const event = fieldsOf(raw)
  const context = fieldsOf(fieldOf(event, 'context'))
  const attribution = fieldsOf(fieldOf(event, 'attribution'))
  const utm = fieldsOf(fieldOf(attribution, 'utmParams'))
  const campaignOf = fieldsOf(fieldOf(context, 'campaign'))
  const clickIds = fieldsOf(fieldOf(attribution, 'campaignParams'))
  const word = (key: string): string =>
    clip(fieldOf(utm, `utm_${key}`) ?? fieldOf(campaignOf, key === 'campaign' ? 'name' : key), textLimits.label) ?? ''
  const [source, medium, campaign] = [word('source'), word('medium'), word('campaign')]
  const referrer = fieldOf(attribution, 'referrer') ?? fieldOf(fieldsOf(fieldOf(context, 'page')), 'referrer')
  const host = hostOf(referrer)
  const kind = host === siteId ? 'internal' : (fieldOf(attribution, 'referrerType') ?? kindOf(host))
  const arrival = (channel: Channel, from: string | null): Arrival => ({
    ...{ channel, source: source || from, campaign: campaign || null },
  })
  if (paidMedium.test(medium) || adClickIds.some((id) => typeof fieldOf(clickIds, id) === 'string'))
    return arrival('paid', host)
  if (emailWord.test(medium) || emailWord.test(source)) return arrival('email', 'email')
  if (socialMedium.test(medium) || kind === 'social') return arrival('social', host)
  if (/^organic$/i.test(medium) || kind === 'search') return arrival('search', host)
  if (/^(referral|affiliate|partner)$/i.test(medium)) return arrival('referral', host)
  if (source !== '' || medium !== '') return arrival('other', host)
  if (kind === 'referral') return arrival('referral', host)
  return arrival('direct', null)
}

const hostOf = (referrer: unknown): string | null => {
  if (typeof referrer !== 'string') return null
  const match = /^[a-z]+:\/\/(?:[^/?#@]*@)?([^/?#:]+)/i.exec(referrer)
  return match?.[1] ? (clip(match[1].toLowerCase().replace(/^(www|m|l|mobile)\./, ''), textLimits.label) ?? null) : null
}

const kindOf = (host: string | null): string => {
  if (host === null) return 'direct'
  if (socialHost.test(host)) return 'social'
  return searchHost.test(host) ? 'search' : 'referral'
}
