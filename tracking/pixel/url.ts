import { listed } from './options.ts'
import { redactText } from './redact.ts'

/** Click ids of the advertising networks. */
export const isClickId = (name: string): boolean => /\wclk?id$|^[gw]braid$|^gclsrc$/i.test(name)
export const isCampaign = (name: string): boolean => /^utm_/i.test(name)
export const isSearch = (name: string): boolean => listed('search', name, 'q,query,s,search')

export const hostOf = (url: { hostname: string }): string => url.hostname.replace(/^(www|m)\./, '')
export const ownHost = hostOf(location)

/**
 * An address without what may be private: no user, no fragment (except the path in `#/path` and `#!path`), of the query only
 * campaigns, click ids, site search and what `data-query` lists, private values replaced. Of `mailto:` only the scheme.
 */
export const cleanUrl = (href: string | URL | null): string => {
  const url = new URL(href || '', location.href)
  if (!url.host) return url.protocol
  let query = ''
  url.searchParams.forEach((value, name) => {
    if (isCampaign(name) || isClickId(name) || isSearch(name) || listed('query', name))
      query += `${query ? '&' : '?'}${name}=${encodeURIComponent(redactText(value))}`
  })
  return url.origin + redactText(url.pathname) + query + redactText(`${/^#[/!][^?]*/.exec(url.hash) ?? ''}`)
}
