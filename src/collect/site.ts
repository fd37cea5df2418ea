/**
 * The site of an event: the lower-case host of its URL without `www.`, `m.` or `mobile.`, else that of the request's
 * Origin, else the id it was sent with. `localhost` is a site. Null when there is none of these.
 *
 * An id in the spelling of the first pixel (`shop-example-com`) is the host it was made from: the one that was seen with
 * this spelling, else the text with dots when it ends like a host. So that events of one site stay together.
 */
export type SiteNames = {
  siteOf(url: string | null, origin: string | undefined, sentId: string | null): string | null
}

/** Hosts that are remembered by their hyphenated spelling. */
const spellingsMax = 10_000
const hostCharsMax = 253
const shortestOrigin = 'https://'.length

export const createSiteNames = (): SiteNames => {
  const hostBySpelling = new Map<string, string>()
  /** By what stands before an address's path: the same few come with nearly every event. */
  const known = new Map<string, string | undefined>()

  const learn = (host: string | undefined): string | undefined => {
    if (host === undefined) return undefined
    const spelling = host.replaceAll('.', '-')
    if (!hostBySpelling.has(spelling) && hostBySpelling.size < spellingsMax) hostBySpelling.set(spelling, host)
    return host
  }

  const learnedHostOf = (url: string | null | undefined): string | undefined => {
    if (!url) return undefined
    const pathAt = url.indexOf('/', shortestOrigin)
    const origin = pathAt === -1 ? url : url.slice(0, pathAt)
    if (origin.length > hostCharsMax) return learn(hostOf(url))
    if (known.has(origin)) return known.get(origin)
    const host = learn(hostOf(origin))
    if (known.size < spellingsMax) known.set(origin, host)
    return host
  }

  return {
    siteOf(url, origin, sentId) {
      const host = learnedHostOf(url) ?? learnedHostOf(origin)
      if (host !== undefined) return host
      if (sentId === null) return null
      const id = bareHost(sentId.trim().toLowerCase())
      if (id === '') return null
      if (id.includes('.')) return id
      return hostBySpelling.get(id) ?? (hostLike.test(id) ? id.replaceAll('-', '.') : id)
    },
  }
}

/** Only the endings that hyphenated ids of real sites have; `my-app` and `landing-page` are names, not hosts. */
const hostLike = /^[a-z0-9]+(?:-[a-z0-9]+)*-(?:com|net|org|info|biz|edu|gov|[a-z]{2})$/

const plainUrl = /^https?:\/\/(?:[^/?#@\\]*@)?([a-z0-9._-]+)(?::\d*)?(?:[/?#]|$)/i

/** The bare host of an http(s) address, or undefined. Hosts that are not plain ASCII take the slow, full parser. */
export const hostOf = (url: string | null | undefined): string | undefined => {
  if (!url) return undefined
  const plain = plainUrl.exec(url)?.[1]
  const host = plain ?? (/^https?:\/\//i.test(url) && URL.canParse(url) ? new URL(url).hostname : undefined)
  return host && host.length <= hostCharsMax ? bareHost(host.toLowerCase()) : undefined
}

/** Without a trailing dot and without www., m. or mobile. */
export const bareHost = (host: string): string => {
  const trimmed = host.endsWith('.') ? host.slice(0, -1) : host
  const bare = trimmed.replace(/^(?:www|m|mobile)\./, '')
  // `m.com` is somebody's host, not the mobile edition of `com`.
  return bare.includes('.') || bare === 'localhost' ? bare : trimmed
}
