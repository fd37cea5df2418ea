import { lookup as systemLookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'
import { AppError } from '../errors.ts'

export type Address = { address: string; family: 4 | 6 }
export type Lookup = (host: string) => Promise<Address[]>

/**
 * Not the public internet: this network, private and shared space, loopback, link-local (cloud metadata), documentation,
 * benchmarks, multicast, reserved. IANA's special-purpose registries (RFC 6890 and its updates).
 */
const blockedV4 = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
  ...['224.0.0.0/4', '240.0.0.0/4'],
]
/** Only 2000::/3 is global unicast; of it, these carry other addresses inside, or are documentation. */
const blockedV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']

const listOf = (ranges: readonly string[], family: 'ipv4' | 'ipv6'): BlockList => {
  const list = new BlockList()
  for (const range of ranges) {
    const [network = '', bits = ''] = range.split('/')
    list.addSubnet(network, Number(bits), family)
  }
  return list
}
const blocked = { ipv4: listOf(blockedV4, 'ipv4'), ipv6: listOf(blockedV6, 'ipv6') }
const globalV6 = listOf(['2000::/3'], 'ipv6')

/** Whether an IP address is one of the public internet. IPv4 inside IPv6 (mapped, NAT64, 6to4, Teredo) is not. */
export const isPublicAddress = (address: string): boolean => {
  if (isIP(address) === 4) return !blocked.ipv4.check(address, 'ipv4')
  return isIP(address) === 6 && globalV6.check(address, 'ipv6') && !blocked.ipv6.check(address, 'ipv6')
}

const lookupAll: Lookup = async (host) =>
  (await systemLookup(host, { all: true })).map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }))

/**
 * Checks an address without asking for its name: https, no password in it, and no private IP address, unless private ones
 * are allowed. Throws `forbidden` with the reason.
 */
export const checkAddress = (url: URL, { allowPrivate }: { allowPrivate: boolean }): void => {
  const isWeb = url.protocol === 'https:' || (allowPrivate && url.protocol === 'http:')
  if (!isWeb)
    throw new AppError(
      'forbidden',
      `${url.protocol}//${url.host} is not https; set WEBHOOK_ALLOW_PRIVATE to allow http.`,
    )
  if (url.username !== '' || url.password !== '')
    throw new AppError('forbidden', `The address of ${url.host} holds a password; webhooks are signed, take it out.`)
  const host = hostOf(url)
  if (isIP(host) !== 0 && !allowPrivate) refuseHidden(host, [host])
}

const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '')

const refuseHidden = (host: string, addresses: readonly string[]): void => {
  const hidden = addresses.find((one) => !isPublicAddress(one))
  if (hidden === undefined) return
  throw new AppError(
    'forbidden',
    `${host} leads to ${hidden}, which is no public address; set WEBHOOK_ALLOW_PRIVATE to allow it.`,
  )
}

/**
 * Resolves a host once, to the addresses of which one is then connected to: a name that answers otherwise at a second question
 * ("DNS rebinding") gains nothing, because there is none. Every address of the name must be public, unless private ones
 * are allowed. Throws `forbidden` with the reason, or the resolver's own error.
 */
export const resolveAddresses = async (
  url: URL,
  { allowPrivate, lookup = lookupAll }: { allowPrivate: boolean; lookup?: Lookup | undefined },
): Promise<Address[]> => {
  checkAddress(url, { allowPrivate })
  const host = hostOf(url)
  const family = isIP(host)
  const found = family === 0 ? await lookup(host) : [{ address: host, family: family === 6 ? 6 : 4 } as const]
  if (found.length === 0) throw new AppError('forbidden', `${host} has no address.`)
  if (!allowPrivate)
    refuseHidden(
      host,
      found.map((one) => one.address),
    )
  return found
}
