import rateLimit from '@fastify/rate-limit'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { App } from '../http.ts'
import { plainAddress } from './address.ts'
import { headerOf } from './intake.ts'

/** The content type that every request is given, so that one parser, ours, reads them all. */
const anyContentType = 'application/x-any'
const preflightSeconds = 86_400
/** Addresses that a rate is counted for; beyond, the one that was longest quiet starts afresh. */
const countedAddressesMax = 20_000

/**
 * A scope of routes that senders use: bodies are left unread whatever their content type, any origin may read the answer,
 * and each address has a rate. `/path` in `posts` also answers its preflight.
 */
export const senderScope = (
  app: App,
  options: { ratePerSecond: number },
  posts: Record<string, (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>>,
): void => {
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser(anyContentType, (_request, payload, done) => done(null, payload))
    scope.addHook('onRequest', async (request, reply) => {
      request.raw.headers['content-type'] = anyContentType
      allowOrigin(request, reply)
    })
    if (options.ratePerSecond > 0) await scope.register(rateLimit, limitOf(options.ratePerSecond))
    for (const [path, answer] of Object.entries(posts)) {
      scope.options(path, { config: { rateLimit: false } }, async (request, reply) => preflight(request, reply))
      scope.post(path, answer)
    }
  })
}

/** A window of one second, or of as many as one request needs. */
const limitOf = (perSecond: number) => ({
  max: Math.max(1, Math.round(perSecond)),
  timeWindow: perSecond < 1 ? Math.round(1000 / perSecond) : 1000,
  cache: countedAddressesMax,
  keyGenerator: (request: FastifyRequest) => networkOf(request.ip),
  addHeadersOnExceeding: { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false },
})

/** One customer of IPv6 has a /64, at least, to choose addresses from. */
const networkOf = (ip: string): string => {
  const address = plainAddress(ip)
  return address.includes(':') && !address.startsWith('::') ? address.split(':').slice(0, 4).join(':') : address
}

/** The origin is echoed, because a beacon sends with credentials, for which `*` does not count. There are no cookies. */
const allowOrigin = (request: FastifyRequest, reply: FastifyReply): void => {
  const origin = request.headers.origin
  if (origin === undefined) return
  void reply.header('access-control-allow-origin', origin)
  void reply.header('access-control-allow-credentials', 'true')
  void reply.header('access-control-expose-headers', 'retry-after')
  void reply.header('vary', 'Origin')
}

const preflight = (request: FastifyRequest, reply: FastifyReply): FastifyReply =>
  reply
    .status(204)
    .header('access-control-allow-methods', 'POST, OPTIONS')
    .header('access-control-allow-headers', headerOf(request, 'access-control-request-headers') ?? 'content-type')
    .header('access-control-max-age', String(preflightSeconds))
    .send()
