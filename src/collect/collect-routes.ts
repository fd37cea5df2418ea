import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.ts'
import type { App } from '../http.ts'
import type { KeyedHash } from '../keyed-hash.ts'
import type { Committer } from './committer.ts'
import type { Arrival } from './event.ts'
import type { Receipt, Reject } from './group.ts'
import { headerOf, type Intake } from './intake.ts'
import { idCharsMax } from './limits.ts'
import type { ReadRequest, RequestReader } from './request.ts'
import { senderScope } from './sender-scope.ts'
import type { SiteRates } from './site-rates.ts'
import type { WriteKeys } from './write-keys.ts'

export type CollectDeps = {
  committer: Committer
  intake: Intake
  keyedHash: KeyedHash
  readRequest: RequestReader
  writeKeys: WriteKeys
  siteRates: SiteRates
  requestReceiptHours: number
  ratePerSecond: number
}

/** `POST /collect` for pages, and `POST /api/v1/events`, the same with a write key, for servers. */
export const collectRoutes =
  (deps: CollectDeps) =>
  (app: App): void =>
    senderScope(app, deps, {
      '/collect': (request, reply) => collect(deps, request, reply),
      '/api/v1/events': async (request, reply) => {
        deps.writeKeys.require(deps.writeKeys.inHeader(request))
        return collect(deps, request, reply)
      },
    })

const collect = async (deps: CollectDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
  // A text, not the reply: that one is a thenable, and would be awaited until it is sent.
  const answered = await deps.intake.receive(request, async ({ arrival, body, hold }) => {
    const read = await deps.readRequest(body, arrival)
    hold(read.bytes)
    deps.siteRates.take(read.rows)
    const { createdMs } = arrival
    const receipt = receiptOf(deps, read.batchId ?? headerOf(request, 'idempotency-key'), arrival, read)
    const unit = { ...(receipt && { receipt }), rows: read.rows, rejects: read.rejects }
    const { duplicates, refused } = await deps.committer.submit({ createdMs, bytes: read.bytes, units: [unit] })
    const rejects = [...read.rejects, ...refused].sort((a, b) => a.index - b.index)
    if (!read.isBatch && rejects[0]) throw new AppError(rejects[0].code, rejects[0].message)
    return answerText(read.rows.length - refused.length, duplicates[0] === true, rejects)
  })
  return reply.header('content-type', 'application/json; charset=utf-8').send(answered ?? answerText(0, false, []))
}

const answerText = (events: number, duplicate: boolean, rejects: readonly Reject[]): string => {
  const rejected = JSON.stringify(rejects.map(({ index, code, message }) => ({ index, code, message })))
  return `{"status":"success","events_processed":${events},"duplicate":${duplicate},"rejected":${rejected}}`
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
