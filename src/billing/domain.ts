import { getDomain } from 'tldts'
import { foldedSite } from '../types.ts'

/** The domain of events that name no site. */
export const noDomain = '(none)'

/**
 * The domain a site is billed under: its registrable domain by the public suffix list, private suffixes on
 * (`shop.example.co.uk` → `example.co.uk`, `alice.github.io` → itself), else the site id as it is.
 */
export const domainOf = (siteId: string): string =>
  siteId === '' ? noDomain : (getDomain(siteId, { allowPrivateDomains: true, validateHostname: false }) ?? siteId)

const localEndings = /(^|\.)(localhost|local|test|invalid|internal|example|home\.arpa)$/
const ipv4 = /^\d{1,3}(\.\d{1,3}){3}$/

/** Sums of sites that are not named: those of a part (`(other)`) and of `usage.recorded`. Never billed. */
export const isSum = (domain: string): boolean => domain === foldedSite || domain === '(unapproved)'

/** Somebody's own machine or network, or a sum: collected and exported like any other, never billed. */
export const isLocal = (domain: string): boolean =>
  isSum(domain) ||
  localEndings.test(domain) ||
  ipv4.test(domain) ||
  domain.startsWith('[') ||
  /^[0-9a-f:]*:[0-9a-f:.]*$/.test(domain)

/** `example.com` matches itself; `*.example.com` all below it. */
export const matchesPattern = (domain: string, pattern: string): boolean =>
  pattern.startsWith('*.') ? domain.endsWith(pattern.slice(1)) : domain === pattern
