import { getDomain } from 'tldts'
import { bareHost, hostOf } from './site.ts'

export type SitesAllowed = {
  /** True when events of this site may be stored. */
  site(siteId: string | null): boolean
  /** True when a page of this origin may send. A request without an origin comes from no page. */
  origin(origin: string | undefined): boolean
  /** True when a page of this origin may send events of this site: both belong to one registrable domain. */
  pair(origin: string | undefined, siteId: string | null): boolean
}

/** `patterns`: hosts, `*.example.com` for those below one; none allows every site. */
export const createSitesAllowed = (patterns: readonly string[] | undefined): SitesAllowed => {
  if (!patterns || patterns.length === 0) return { site: () => true, origin: () => true, pair: () => true }
  const exact = new Set<string>()
  const below: string[] = []
  for (const pattern of patterns.map((one) => one.toLowerCase()))
    if (pattern.startsWith('*.')) below.push(pattern.slice(1))
    else exact.add(bareHost(pattern))

  const site = (siteId: string | null): boolean =>
    siteId !== null && (exact.has(siteId) || below.some((end) => siteId.endsWith(end) && siteId.length > end.length))
  return {
    site,
    origin: (origin) => origin === undefined || site(hostOf(origin) ?? null),
    pair: (origin, siteId) => origin === undefined || sameDomain(hostOf(origin) ?? '', siteId ?? ''),
  }
}

const sameDomain = (a: string, b: string): boolean => a === b || (getDomain(a) ?? a) === (getDomain(b) ?? b)
