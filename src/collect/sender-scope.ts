import rateLimit from '@fastify/rate-limit'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { addressRate } from '../address-rate.ts'
import type { App } from '../http.ts'
import { headerOf } from './intake.ts'

/** The content type that every request is given, so that one parser, ours, reads them all. */
const anyContentType = 'application/x-any'
const preflightSeconds = 86_400

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
    if (options.ratePerSecond > 0) await scope.register(rateLimit, addressRate(options.ratePerSecond))
    for (const [path, answer] of Object.entries(posts)) {
      scope.options(path, { config: { rateLimit: false } }, async (request, reply) => preflight(request, reply))
      scope.post(path, answer)
    }
  })
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
