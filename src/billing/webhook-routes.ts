import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Actor } from '../audit.ts'
import type { Clock } from '../clock.ts'
import type { Db } from '../db.ts'
import { AppError } from '../errors.ts'
import { type App, actorOf, requireAdmin } from '../http.ts'
import { outboxEventTypes } from '../outbox.ts'
import { selectAttempts } from './attempts.ts'
import { type Client, disableByHand, enableEndpoint, removeEndpoint } from './endpoint-service.ts'
import { addEndpoint, checkEventTypes, endpointView, rotateSecret, selectEndpoints } from './endpoints.ts'
import { replayEvents } from './replay-events.ts'
import { sendTest, type TestDeps } from './send-test.ts'

export type WebhookRoutesDeps = TestDeps & {
  db: Db
  clock: Clock
  adminToken: string
  client: Client
  allowPrivate: boolean
}

const added = z.strictObject({
  name: z.string().max(100),
  url: z.string().max(4000),
  event_types: z.array(z.string().max(100)).min(1).max(50).nullish(),
})
/** A moment with its zone, or a day in UTC. */
const instant = z.union([z.iso.datetime({ offset: true }), z.iso.date()])
const replayed = z.union([
  z.strictObject({ event: z.string().min(1).max(200), endpoint: z.string().max(100).nullish() }),
  z.strictObject({
    from: instant,
    to: instant,
    endpoint: z.string().max(100).nullish(),
    event_types: z.array(z.string().max(100)).min(1).max(50).nullish(),
  }),
])
const attemptsQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  failed: z.stringbool().default(false),
})
const rotateQuery = z.strictObject({ force: z.stringbool().default(false) })

type Named = { Params: { name: string } }

/**
 * `GET /webhooks`, `POST /webhooks` (`{name, url, event_types?}`), `DELETE /webhooks/:name`,
 * `POST /webhooks/:name/enable|disable|rotate|send-test`, `GET /webhooks/:name/attempts` (`?limit=`, `?failed=true`),
 * `POST /webhooks/replay` (`{from, to, endpoint?, event_types?}` or `{event, endpoint?}`); all for the admin token. A secret is answered once, by
 * the request that made it.
 */
export const webhookRoutes = (app: App, deps: WebhookRoutesDeps): void => {
  const { db, clock } = deps
  const onRequest = requireAdmin(deps.adminToken)
  const actor = (request: FastifyRequest): Actor => ({ by: actorOf(request), nowMs: clock.now() })

  app.get('/webhooks', { onRequest }, async () => ({
    endpoints: (await selectEndpoints(db, clock.now())).map(endpointView),
    event_types: outboxEventTypes,
  }))

  app.post('/webhooks', { onRequest }, async (request, reply) => {
    const { name, url, event_types } = read(added, request.body)
    const { secret } = await addEndpoint(db, {
      ...{ name, url, eventTypes: event_types ?? null, allowPrivate: deps.allowPrivate },
      ...actor(request),
    })
    return once(reply.status(201)).send({ name, url, secret })
  })

  app.post('/webhooks/replay', { onRequest }, async (request) => {
    const wanted = read(replayed, request.body)
    const endpoint = wanted.endpoint ?? null
    if ('event' in wanted)
      return { deliveries: await replayEvents(db, { event: wanted.event, endpoint }, actor(request)) }
    const [fromMs, toMs] = [Date.parse(wanted.from), Date.parse(wanted.to)]
    if (fromMs >= toMs) throw new AppError('request_invalid', 'from must be before to.')
    const eventTypes = checkEventTypes(wanted.event_types ?? null)
    return { deliveries: await replayEvents(db, { fromMs, toMs, eventTypes, endpoint }, actor(request)) }
  })

  app.delete<Named>('/webhooks/:name', { onRequest }, async (request) => {
    const { name } = request.params
    await removeEndpoint(db, name, actor(request))
    return { name, state: 'removed' }
  })

  app.post<Named>('/webhooks/:name/enable', { onRequest }, async (request) => {
    const { name } = request.params
    await enableEndpoint(db, name, actor(request), deps.client)
    return { name, state: 'active' }
  })

  app.post<Named>('/webhooks/:name/disable', { onRequest }, async (request) => {
    const { name } = request.params
    await disableByHand(db, name, actor(request))
    return { name, state: 'disabled' }
  })

  app.post<Named>('/webhooks/:name/rotate', { onRequest }, async (request, reply) => {
    const { name } = request.params
    const { force } = read(rotateQuery, request.query)
    return once(reply).send({ name, secret: await rotateSecret(db, name, { ...actor(request), force }) })
  })

  app.post<Named>('/webhooks/:name/send-test', { onRequest }, async (request) => {
    const { name } = request.params
    const { event, status, error, durationMs } = await sendTest(deps, name, actor(request).by)
    return { name, event, status, error, duration_ms: durationMs }
  })

  app.get<Named>('/webhooks/:name/attempts', { onRequest }, async (request) => {
    const { limit, failed } = read(attemptsQuery, request.query)
    return { attempts: await selectAttempts(db, request.params.name, { rowsMax: limit, failedOnly: failed }) }
  })
}

/** What holds a secret is kept by nobody on the way. */
const once = (reply: FastifyReply): FastifyReply => reply.header('cache-control', 'no-store')

const read = <T>(schema: z.ZodType<T>, sent: unknown): T => {
  const parsed = schema.safeParse(sent)
  if (parsed.success) return parsed.data
  throw new AppError('request_invalid', z.prettifyError(parsed.error))
}
