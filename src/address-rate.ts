import { isIPv6 } from 'node:net'
import type { RateLimitPluginOptions } from '@fastify/rate-limit'
import type { FastifyRequest } from 'fastify'
import { addressGroups, plainAddress } from './address.ts'

/** Addresses that a rate is counted for; beyond, the one that was longest quiet starts afresh. */
const countedAddressesMax = 20_000

/** A rate per sender's address, as @fastify/rate-limit takes it: a window of one second, or of as many as one request needs. */
export const addressRate = (perSecond: number): RateLimitPluginOptions => ({
  max: Math.max(1, Math.round(perSecond)),
  timeWindow: perSecond < 1 ? Math.round(1000 / perSecond) : 1000,
  cache: countedAddressesMax,
  keyGenerator: (request: FastifyRequest) => networkOf(request.ip),
  addHeadersOnExceeding: { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false },
})

/** One customer of IPv6 has a /64, at least, to choose addresses from. */
const networkOf = (ip: string): string => {
  const address = plainAddress(ip)
  return isIPv6(address) ? addressGroups(address).slice(0, 4).join(':') : address
}
