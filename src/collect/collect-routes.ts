import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../clock.ts'
import { AppError } from '../errors.ts'
import type { App } from '../http.ts'
import { readBody } from './body.ts'
import type { Committer } from './committer.ts'
import type { Arrival } from './event.ts'
import type { Receipt, Reject, Submission } from './group.ts'
import type { KeyedHash } from './keyed-hash.ts'
import { idCharsMax, userAgentCharsMax } from './limits.ts'
import type { Privacy } from './privacy.ts'
import type { ReadRequest, RequestReader } from './request.ts'

export type CollectDeps = {
  clock: Clock
  committer: Committer
  privacy: Privacy
  keyedHash: KeyedHash
  readRequest: RequestReader
  requestReceiptHours: number
}

/** The content type that every request is given, so that one parser, ours, reads them all. */
const anyContentType = 'application/x-any'

/** `POST /collect` and its preflight. A body is read as it comes; the content type says nothing. */
export const collectRoutes =
  (deps: CollectDeps) =>
  (app: App): void => {
    void app.register(async (scope) => {
      scope.removeAllContentTypeParsers()
      scope.addContentTypeParser(anyContentType, (_request, payload, done) => done(null, payload))
      scope.addHook('onRequest', async (request, reply) => {
        request.raw.headers['content-type'] = anyContentType
        allowOrigin(request, reply)
      })
      scope.options('/collect', async (request, reply) => preflight(request, reply))
      scope.post('/collect', (request, reply) => collect(deps, request, reply))
    })
  }

const collect = async (deps: CollectDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
  let heldBytes = 0
  const hold = (bytes: number): void => {
    deps.committer.hold(bytes)
    heldBytes += bytes
  }
  try {
    const arrival = arrivalOf(deps, request)
    const body = await readBody(request.raw, request.headers['content-encoding'], hold)
    if (deps.privacy.declines({ dnt: header(request, 'dnt'), gpc: header(request, 'sec-gpc') }))
      return answer(reply, 0, false, [])
    const read = deps.readRequest(body, arrival)
    hold(read.bytes)
    const { duplicates, refused } = await deps.committer.submit(submissionOf(deps, request, arrival, read))
    const rejects = [...read.rejects, ...refused].sort((a, b) => a.index - b.index)
    if (!read.isBatch && rejects[0]) throw new AppError(rejects[0].code, rejects[0].message)
    return answer(reply, read.rows.length - refused.length, duplicates[0] === true, rejects)
  } finally {
    deps.committer.letGo(heldBytes)
  }
}

const answer = (reply: FastifyReply, events: number, duplicate: boolean, rejects: readonly Reject[]): FastifyReply => {
  const rejected = rejects.map(({ index, code, message }) => ({ index, code, message }))
  return reply
    .header('content-type', 'application/json; charset=utf-8')
    .send(
      `{"status":"success","events_processed":${events},"duplicate":${duplicate},"rejected":${JSON.stringify(rejected)}}`,
    )
}

const arrivalOf = (deps: CollectDeps, request: FastifyRequest): Arrival => ({
  createdMs: deps.clock.now(),
  origin: request.headers.origin,
  userAgent: deps.privacy.userAgent(request.headers['user-agent']?.slice(0, userAgentCharsMax) ?? '') || null,
  address: deps.privacy.address(request.ip),
})

const submissionOf = (deps: CollectDeps, request: FastifyRequest, arrival: Arrival, read: ReadRequest): Submission => {
  const receipt = receiptOf(deps, read.batchId ?? header(request, 'idempotency-key'), arrival, read)
  return {
    createdMs: arrival.createdMs,
    bytes: read.bytes,
    units: [{ ...(receipt && { receipt }), rows: read.rows, rejects: read.rejects }],
  }
}

/** Scoped by site, visitor and session: no visitor can claim another's key. */
const receiptOf = (
  deps: CollectDeps,
  id: string | undefined,
  arrival: Arrival,
  read: ReadRequest,
): Receipt | undefined => {
  if (id === undefined || id === '' || id.length > idCharsMax) return undefined
  const { siteId, visitorId, sessionId } = read.scope
  return {
    key: deps.keyedHash.uuid('request', JSON.stringify([siteId, visitorId, sessionId, id])),
    digest: read.digest(),
    expiresMs: arrival.createdMs + deps.requestReceiptHours * 3_600_000,
  }
}

const header = (request: FastifyRequest, name: string): string | undefined => {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}

/** Any site may send. The origin is echoed, because a beacon sends with credentials, for which `*` does not count. */
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
    .header('access-control-allow-headers', header(request, 'access-control-request-headers') ?? 'content-type')
    .header('access-control-max-age', '86400')
    .send()
