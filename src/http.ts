import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import rateLimit from '@fastify/rate-limit'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import { plainAddress } from './address.ts'
import { addressRate } from './address-rate.ts'
import { AppError, type ErrorCode, errorCodes, isAppError } from './errors.ts'
import type { Log } from './log.ts'
import { type Holder, mayActAs, type Role } from './roles.ts'
import { requireOwnPage, sessionCookieOf } from './session-cookie.ts'

export type App = FastifyInstance
/** A room's routes: each room exports one such function, and the composition root registers it. */
export type Routes = (app: App) => void

export type AppOptions = {
  log: Log
  /** Fastify's notion of TRUST_PROXY. */
  trustProxy: boolean | string
  /** Requests per second and address to routes that need the admin token, with it or without; none or 0: any number. */
  adminRatePerSecond?: number
  /** Whose token it is, beside the admin token; nobody's where this is not given. */
  findHolder?: (token: string) => Promise<Holder | undefined>
  /** Who is logged in with this session of the console; nobody where this is not given. */
  findSession?: (session: string) => Promise<Holder | undefined>
  /** Answers what no route does; `not_found` otherwise. */
  answerTheRest?: (request: FastifyRequest, reply: FastifyReply) => unknown
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Counts a request against its address; throws rate_limited. */
    countAdminRequest(request: FastifyRequest): Promise<void>
    findHolder(token: string): Promise<Holder | undefined>
    findSession(session: string): Promise<Holder | undefined>
  }
  interface FastifyRequest {
    /** Who asks, once `requireAdmin` has let them in. */
    holder: Holder | null
  }
  interface FastifyContextConfig {
    /** The role that a route needs; without it reading needs a viewer, and everything else an operator. */
    role?: Role
  }
}

/** Seconds a client waits before it tries again, where the answer says so. */
const retryAfterSeconds = 5
/** Small bodies only: the collect routes read theirs themselves, with a limit of their own. */
const bodyBytesMax = 1_000_000

/**
 * The HTTP server without its routes: limits, request ids, and every error as an RFC 9457 problem document with a code
 * of the closed list. A stranger sees code and meaning; the cause is logged with the request id, without query or body.
 */
export const createApp = (options: AppOptions): App => {
  const app = fastify({
    trustProxy: options.trustProxy,
    bodyLimit: bodyBytesMax,
    requestTimeout: 30_000,
    keepAliveTimeout: 65_000,
    routerOptions: { maxParamLength: 500, ignoreTrailingSlash: true },
    genReqId: () => randomUUID(),
    logger: false,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
  })
  limitAdminRequests(app, options.adminRatePerSecond ?? 0)
  app.decorate('findHolder', options.findHolder ?? (async () => undefined))
  app.decorate('findSession', options.findSession ?? (async () => undefined))
  app.decorateRequest('holder', null)
  app.setErrorHandler((error, request, reply) => {
    const problem = toAppError(error)
    if (problem.status >= 500)
      options.log.error({ err: problem, request: request.id, route: request.routeOptions.url }, problem.message)
    return sendProblem(reply, problem)
  })
  app.setNotFoundHandler(
    options.answerTheRest ??
      ((_request, reply) => sendProblem(reply, new AppError('not_found', errorCodes.not_found[1]))),
  )
  return app
}

const limitAdminRequests = (app: App, perSecond: number): void => {
  let count: ReturnType<App['createRateLimit']> | undefined
  void app.register(rateLimit, { ...addressRate(Math.max(1, perSecond)), global: false }).after(() => {
    if (perSecond > 0) count = app.createRateLimit()
  })
  app.decorate('countAdminRequest', async (request) => {
    const counted = await count?.(request)
    if (counted && !counted.isAllowed && counted.isExceeded)
      throw new AppError('rate_limited', errorCodes.rate_limited[1])
  })
}

/** Answers with the problem document of an error. */
export const sendProblem = (reply: FastifyReply, error: AppError): FastifyReply => {
  const [status, meaning] = errorCodes[error.code]
  if (status === 503 || status === 429) void reply.header('retry-after', retryAfterSeconds)
  return reply
    .status(status)
    .type('application/problem+json')
    .send({
      type: `https://evothesis.com/errors#${error.code}`,
      title: meaning,
      status,
      code: error.code,
      // The message of a server-side failure may name hosts, files or rows.
      ...(status < 500 && { detail: error.message }),
      instance: reply.request.id,
    })
}

/** Errors that fastify itself raises, by its own codes. */
const frameworkCodes: Record<string, ErrorCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_JSON_BODY: 'body_unreadable',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'body_unreadable',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'body_unreadable',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'body_unreadable',
  FST_ERR_BAD_URL: 'not_found',
}

const toAppError = (error: unknown): AppError => {
  if (isAppError(error)) return error
  const { code, statusCode } = error as { code?: string; statusCode?: number }
  const known = code === undefined ? undefined : frameworkCodes[code]
  if (known) return new AppError(known, errorCodes[known][1], { cause: error })
  if (statusCode === 429) return new AppError('rate_limited', errorCodes.rate_limited[1])
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new AppError('request_invalid', errorCodes.request_invalid[1], { cause: error })
  return new AppError('internal', errorCodes.internal[1], { cause: error })
}

/**
 * Lets in who may: `Authorization: Bearer …` with the admin token, compared in constant time, or with a token of the role
 * that the route needs; or, from its own pages, a session of the console. Counts the request first, so that nobody tries tokens faster than RATE_LIMIT_ADMIN. Throws
 * unauthorized, forbidden.
 */
export const requireAdmin =
  (adminToken: string) =>
  async (request: FastifyRequest): Promise<void> => {
    await request.server.countAdminRequest(request)
    const holder = await senderOf(request, adminToken)
    if (!holder) throw new AppError('unauthorized', 'Send the admin token as Authorization: Bearer ….')
    const needed = request.routeOptions.config.role ?? (isRead(request) ? 'viewer' : 'operator')
    if (!mayActAs(holder.role, needed)) throw new AppError('forbidden', `A ${holder.role} may not do this.`)
    request.holder = holder
  }

/** Whether whoever opened a connection that lasts still may use it: tokens and sessions end, and are revoked. */
export const stillHolds = async (request: FastifyRequest, adminToken: string): Promise<boolean> =>
  (await senderOf(request, adminToken)) !== undefined

const senderOf = async (request: FastifyRequest, adminToken: string): Promise<Holder | undefined> => {
  const sent = /^Bearer\s+(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
  return sent === undefined ? sessionHolder(request) : holderOf(request, sent, adminToken)
}

const isRead = ({ method }: FastifyRequest): boolean => method === 'GET' || method === 'HEAD'

const holderOf = async (request: FastifyRequest, token: string, adminToken: string): Promise<Holder | undefined> =>
  sameText(token, adminToken) ? { name: 'admin API', role: 'operator' } : request.server.findHolder(token)

const sessionHolder = async (request: FastifyRequest): Promise<Holder | undefined> => {
  const session = sessionCookieOf(request)
  if (session === undefined) return undefined
  requireOwnPage(request)
  return request.server.findSession(session)
}

const sameText = (a: string, b: string): boolean =>
  timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest())

/** Who does something, for the audit log. */
export const actorOf = ({ holder }: FastifyRequest): string => holder?.name ?? 'nobody'

/** The same, but a request from this machine needs no token: a scraper of metrics. */
export const requireAdminOrLocal = (adminToken: string) => {
  const admin = requireAdmin(adminToken)
  return async (request: FastifyRequest): Promise<void> => {
    if (!isLocal(request)) await admin(request)
  }
}

/** On this machine, and not on behalf of somebody else through a proxy on this machine. */
export const isLocal = (request: FastifyRequest): boolean => {
  const address = plainAddress(request.socket.remoteAddress ?? '')
  const forwarded = request.headers['x-forwarded-for'] ?? request.headers.forwarded ?? request.headers['x-real-ip']
  return forwarded === undefined && (address === '::1' || address.startsWith('127.'))
}
