import { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import { AppError } from '../errors.ts'
import { type App, actorOf, requireAdmin } from '../http.ts'
import type { KeyedHash } from '../keyed-hash.ts'
import type { AccessDeps } from './access.ts'
import { personDocument } from './document.ts'
import { type PersonId, requestErasure, selectErasureViews } from './requests.ts'

const personSchema = z.strictObject({ visitor: z.string().optional(), user: z.string().optional() })
const erasureId = z.uuid()

/**
 * `POST /privacy/forget` {visitor | user} asks for an erasure (202), `GET /privacy/erasures[/:id]` says how far it is,
 * `POST /privacy/export` {visitor | user} answers with all events of the person; all for the admin token. Ids of people
 * travel in bodies only: addresses end up in logs.
 */
export const privacyRoutes = (
  app: App,
  deps: AccessDeps & { clock: Clock; keyedHash: KeyedHash; adminToken: string },
): void => {
  const { db, clock, keyedHash } = deps
  const onRequest = requireAdmin(deps.adminToken)

  app.post('/privacy/forget', { onRequest, config: { role: 'client' } }, async (request, reply) => {
    const who = { by: actorOf(request), nowMs: clock.now() }
    const asked = await requestErasure(db, keyedHash, bodyOf(request), who)
    const [erasure] = await selectErasureViews(db, asked.erasureId)
    return reply.status(202).send(erasure)
  })

  app.get('/privacy/erasures', { onRequest }, async () => ({ erasures: await selectErasureViews(db) }))

  app.get<{ Params: { id: string } }>('/privacy/erasures/:id', { onRequest }, async (request) => {
    const { id } = request.params
    const [erasure] = erasureId.safeParse(id).success ? await selectErasureViews(db, id) : []
    if (!erasure) throw new AppError('not_found', 'There is no erasure with this id.')
    return erasure
  })

  app.post('/privacy/export', { onRequest, config: { role: 'client' } }, async (request, reply) => {
    const asked = { keyedHash, id: bodyOf(request), by: actorOf(request), nowMs: clock.now() }
    const document = await personDocument(deps, asked)
    return reply.type('application/json; charset=utf-8').send(Readable.from(document))
  })
}

const bodyOf = (request: FastifyRequest): PersonId => {
  const parsed = personSchema.safeParse(request.body ?? {})
  if (!parsed.success) throw new AppError('request_invalid', z.prettifyError(parsed.error))
  return parsed.data
}
