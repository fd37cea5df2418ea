import { timingSafeEqual } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import type { Db, Queryable } from '../db.ts'
import { AppError } from '../errors.ts'
import { type App, actorOf, requireAdmin } from '../http.ts'
import type { KeyedHash } from '../keyed-hash.ts'
import type { Holder } from '../roles.ts'
import type { Secret } from '../secret.ts'
import { requireOwnPage, sessionCookieOf, setSessionCookie } from '../session-cookie.ts'
import { confirmFactor, offerFactor, removeFactor, requireCode } from './second-factor.ts'
import { beginSession, endSession, findSession, type SessionHolder, sessionSeconds, sha256 } from './sessions.ts'

export type LoginDeps = {
  db: Db
  clock: Clock
  adminToken: Secret
  keyedHash: KeyedHash
  clientId: string
  nodeId: string
}

/** Logins of an address in a minute; nobody mistypes more often. */
const loginsMax = 10

const loginBody = z.strictObject({ token: z.string().min(1).max(500), code: z.string().max(10).optional() })
const codeBody = z.strictObject({ code: z.string().max(10) })

/**
 * `POST /console/login` {token, code?} gives the browser a session, `POST /console/logout` ends it, `GET /console/session`
 * says whose it is, `POST /console/code/offer|confirm|remove` gives a token a second factor.
 */
export const loginRoutes = (app: App, deps: LoginDeps): void => {
  const { db, clock, adminToken, keyedHash } = deps
  const ownToken = { onRequest: requireAdmin(adminToken.reveal()), config: { role: 'client' as const } }
  let count: ReturnType<App['createRateLimit']> | undefined
  app.addHook('onReady', async () => {
    count = app.createRateLimit({ max: loginsMax, timeWindow: 60_000 })
  })

  app.post('/console/login', async (request, reply) => {
    requireOwnPage(request)
    const counted = await count?.(request)
    if (counted && !counted.isAllowed && counted.isExceeded)
      throw new AppError('rate_limited', 'Too many logins from here; wait for a minute.')
    const { token, code } = read(loginBody, request)
    const nowMs = clock.now()
    const found = await findToken(db, token, adminToken, nowMs)
    if (!found) throw new AppError('unauthorized', 'This token does not count: it may be mistyped, ended or revoked.')
    const { tokenId, expiresMs, ...holder } = found
    if (tokenId !== null) await requireCode(db, keyedHash, { tokenId, code, by: holder.name, nowMs })
    const endMs = Math.min(nowMs + sessionSeconds * 1000, expiresMs)
    const login = { token, holder, before: sessionCookieOf(request), expiresMs: endMs, nowMs }
    const value = await beginSession(db, login)
    setSessionCookie(request, reply, { value, seconds: Math.max(1, Math.floor((endMs - nowMs) / 1000)) })
    return fresh(reply).send({ holder, expires_at: new Date(endMs).toISOString() })
  })

  app.post('/console/logout', async (request, reply) => {
    requireOwnPage(request)
    const session = sessionCookieOf(request)
    const holder = session === undefined ? undefined : await app.findSession(session)
    if (session !== undefined && holder) await endSession(db, session, holder.name, clock.now())
    setSessionCookie(request, reply, null)
    return fresh(reply).send({ holder: null })
  })

  app.get('/console/session', async (request, reply) => {
    const session = sessionCookieOf(request)
    if (session !== undefined) requireOwnPage(request)
    const found = session === undefined ? undefined : await findSession(db, session, adminToken, clock.now())
    return fresh(reply).send(found ? sessionView(found, deps) : { holder: null })
  })

  app.post('/console/code/offer', ownToken, async (request, reply) => {
    const { tokenId, name } = await ownTokenOf(deps, request)
    return fresh(reply).send(await offerFactor(db, keyedHash, { tokenId, account: `${name} (${deps.clientId})` }))
  })
  for (const [verb, change] of [
    ['confirm', confirmFactor],
    ['remove', removeFactor],
  ] as const)
    app.post(`/console/code/${verb}`, ownToken, async (request) => {
      const { tokenId, session } = await ownTokenOf(deps, request)
      const { code } = read(codeBody, request)
      await change(db, keyedHash, { tokenId, session, code, by: actorOf(request), nowMs: clock.now() })
      return { has_code: verb === 'confirm' }
    })
}

const sessionView = (found: SessionHolder, { clientId, nodeId }: LoginDeps) => ({
  holder: { name: found.name, role: found.role },
  ...{ expires_at: new Date(found.expiresMs).toISOString(), has_code: found.hasCode },
  ...{ can_have_code: found.tokenId !== null, client_id: clientId, node_id: nodeId },
})

/** The token that the session stands for. The admin token, and programs, have no second factor. */
const ownTokenOf = async ({ db, clock, adminToken }: LoginDeps, request: FastifyRequest) => {
  const session = sessionCookieOf(request)
  const found = session === undefined ? undefined : await findSession(db, session, adminToken, clock.now())
  if (session === undefined || !found?.tokenId)
    throw new AppError('conflict', 'Log in to the console with a token of your own: evothesis token create.')
  return { session, tokenId: found.tokenId, name: found.name }
}

const findToken = async (
  db: Queryable,
  token: string,
  adminToken: Secret,
  nowMs: number,
): Promise<(Holder & { tokenId: string | null; expiresMs: number }) | undefined> => {
  if (timingSafeEqual(sha256(token), sha256(adminToken.reveal())))
    return { name: 'admin API', role: 'operator', tokenId: null, expiresMs: Number.POSITIVE_INFINITY }
  const [found] = await db.query<Holder & { tokenId: string; expiresMs: number }>(
    `select token_id::text as "tokenId", name, role, (extract(epoch from expires_at) * 1000)::float8 as "expiresMs"
     from access_tokens
     where sha256 = $1::bytea and revoked_at is null and expires_at > to_timestamp($2::float8 / 1000)`,
    [sha256(token), nowMs],
  )
  return found
}

const fresh = (reply: FastifyReply): FastifyReply => reply.header('cache-control', 'no-store')

const read = <T>(schema: z.ZodType<T>, request: FastifyRequest): T => {
  const parsed = schema.safeParse(request.body ?? {})
  if (parsed.success) return parsed.data
  throw new AppError('request_invalid', z.prettifyError(parsed.error))
}
