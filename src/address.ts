import { isIPv4, isIPv6 } from 'node:net'

/**
 * What is kept of a sender's address when it is truncated: the /24 of IPv4, the /48 of IPv6, as recommended for
 * web statistics (a /48 is one customer site, a /24 some hundred). Null for what is no address.
 */
export const truncateAddress = (address: string): string | null => {
  const plain = plainAddress(address)
  if (isIPv4(plain)) return plain.replace(/\.\d+$/, '.0')
  if (!isIPv6(plain)) return null
  return `${addressGroups(plain).slice(0, 3).join(':')}::`
}

/** Without a zone, and IPv4 as IPv4 where it arrived in IPv6's clothes. */
export const plainAddress = (address: string): string => {
  const bare = address.replace(/%.*$/, '').toLowerCase()
  return bare.startsWith('::ffff:') && isIPv4(bare.slice(7)) ? bare.slice(7) : bare
}

/** The groups of an IPv6 address, however it was shortened; without leading zeros. */
export const addressGroups = (address: string): string[] => {
  const [head = '', tail] = address.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const missing = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length)
  const groups = [...before, ...Array.from({ length: missing }, () => '0'), ...after]
  return groups.map((group) => group.replace(/^0+(?=.)/, ''))
}
