import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.ts'
import type { App } from '../http.ts'
import { type Json, type JsonObject, parseJson, writeJson } from '../json.ts'
import { digestOf, type KeyedHash } from '../keyed-hash.ts'
import type { Committer } from './committer.ts'
import { type Arrival, isReject } from './event.ts'
import type { Receipt, Unit } from './group.ts'
import type { Intake } from './intake.ts'
import { eventsMax, requestRowBytesMax } from './limits.ts'
import type { Privacy } from './privacy.ts'
import { eventsAtOnce, othersTurn } from './request.ts'
import { idOf, isObject } from './row.ts'
import { readSegmentMessage } from './segment-event.ts'
import { senderScope } from './sender-scope.ts'
import type { SiteNames } from './site.ts'
import type { SiteRates } from './site-rates.ts'
import type { SitesAllowed } from './sites-allowed.ts'
import type { WriteKeys } from './write-keys.ts'

export type SegmentDeps = {
  committer: Committer
  intake: Intake
  keyedHash: KeyedHash
  privacy: Privacy
  siteNames: SiteNames
  sitesAllowed: SitesAllowed
  siteRates: SiteRates
  writeKeys: WriteKeys
  eventBytesMax: number
  messageReceiptHours: number
  ratePerSecond: number
}

const batchPaths = ['/v1/batch', '/v1/import', '/v1/b', '/batch', '/b', '/beacon/v1/batch']
const singlePaths: Record<string, string> = {
  ...{ track: 'track', page: 'page', screen: 'screen', identify: 'identify', group: 'group', alias: 'alias' },
  ...{ t: 'track', p: 'page', s: 'screen', i: 'identify', g: 'group', a: 'alias' },
}

/**
 * The HTTP API of Segment, as its SDKs and RudderStack's use it: they send here by changing their host. Answers exactly
 * 200 {"success":true} when all is durable (some SDKs take no other 2xx); a message that is refused goes to the rejects.
 */
export const segmentRoutes =
  (deps: SegmentDeps) =>
  (app: App): void => {
    const posts: Parameters<typeof senderScope>[2] = {}
    for (const path of batchPaths) posts[path] = (request, reply) => receive(deps, request, reply, undefined)
    for (const [path, kind] of Object.entries(singlePaths))
      posts[`/v1/${path}`] = (request, reply) => receive(deps, request, reply, kind)
    // What SDKs measure of themselves is read and dropped.
    posts['/v1/m'] = async (request, reply) => {
      await deps.intake.receive(request, async () => undefined)
      return success(reply)
    }
    senderScope(app, deps, posts)
  }

const receive = async (
  deps: SegmentDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  kind: string | undefined,
): Promise<FastifyReply> => {
  const keyInHeader = deps.writeKeys.inHeader(request)
  if (keyInHeader !== undefined) deps.writeKeys.require(keyInHeader)
  await deps.intake.receive(request, async ({ arrival, body, hold }) => {
    const { value, marked } = parseBody(body)
    if (!isObject(value)) throw new AppError('body_unreadable', 'The body must be a JSON object.')
    const writeKey = deps.writeKeys.require(
      keyInHeader ?? (typeof value.writeKey === 'string' ? value.writeKey : undefined),
    )
    const { writeKey: _writeKey, ...withoutKey } = value
    const messages = kind === undefined ? messagesOf(value) : [withoutKey]
    const units = await unitsOf(deps, messages, {
      arrival,
      marked,
      kind,
      writeKey,
      body: value,
      escapes: body.includes('\\u'),
    })
    const bytes = bytesOf(units)
    hold(bytes)
    deps.siteRates.take(units.flatMap(({ rows }) => rows))
    await deps.committer.submit({ createdMs: arrival.createdMs, bytes, units })
  })
  return success(reply)
}

const success = (reply: FastifyReply): FastifyReply =>
  reply.header('content-type', 'application/json; charset=utf-8').send('{"success":true}')

const parseBody = (body: string): { value: Json; marked: boolean } => {
  try {
    return parseJson(body)
  } catch {
    throw new AppError('body_unreadable', 'The body is not JSON.')
  }
}

const messagesOf = (body: JsonObject): Json[] => {
  const { batch } = body
  if (!Array.isArray(batch) || batch.length === 0)
    throw new AppError('events_missing', 'A batch needs batch, a non-empty array.')
  if (batch.length > eventsMax) throw new AppError('events_too_many', `A batch holds at most ${eventsMax} messages.`)
  return batch
}

/** Context and integrations of the batch hold for messages that have none of their own, key by key. */
const withBatchContext = (message: Json, { context, integrations }: JsonObject): Json => {
  if (!isObject(message) || (!isObject(context) && !isObject(integrations))) return message
  const merged = (own: Json | undefined, shared: Json | undefined): Json | undefined =>
    isObject(shared) && (own === undefined || isObject(own)) ? { ...structuredClone(shared), ...own } : own
  const [mergedContext, mergedIntegrations] = [
    merged(message.context, context),
    merged(message.integrations, integrations),
  ]
  return {
    ...message,
    ...(mergedContext !== undefined && { context: mergedContext }),
    ...(mergedIntegrations !== undefined && { integrations: mergedIntegrations }),
  }
}

/** One unit a message: SDKs put messages into other batches when they retry. */
const unitsOf = async (
  deps: SegmentDeps,
  messages: readonly Json[],
  context: {
    arrival: Arrival
    marked: boolean
    kind: string | undefined
    writeKey: string
    body: JsonObject
    escapes: boolean
  },
): Promise<Unit[]> => {
  const { arrival, marked } = context
  const rewrite = deps.privacy.rewrite(context.escapes)
  const reading = { ...deps, arrival, rewrite, marked, kind: context.kind, sentAt: context.body.sentAt }
  let bytes = 0
  const units: Unit[] = []
  for (const [index, sent] of messages.entries()) {
    if (index > 0 && index % eventsAtOnce === 0) await othersTurn()
    const message = context.kind === undefined ? withBatchContext(sent, context.body) : sent
    const made = readSegmentMessage(message, index, reading)
    bytes += isReject(made) ? made.payload.length : made.line.length
    if (bytes > requestRowBytesMax)
      throw new AppError('body_too_large', `The messages grow beyond ${requestRowBytesMax} bytes with their context.`)
    const receipt = receiptOf(deps, message, context)
    units.push({
      ...(receipt && { receipt }),
      rows: isReject(made) ? [] : [made],
      rejects: isReject(made) ? [made] : [],
    })
  }
  return units
}

/** Read after the message, so the digest is over what is stored: rewritten in place. */
const receiptOf = (
  deps: SegmentDeps,
  message: Json,
  { arrival, marked, writeKey }: { arrival: Arrival; marked: boolean; writeKey: string },
): Receipt | undefined => {
  if (!isObject(message)) return undefined
  const messageId = idOf(message.messageId)
  if (typeof messageId !== 'string') return undefined
  const { sentAt: _sentAt, _metadata, ...same } = message
  return {
    key: deps.keyedHash.uuid('message', JSON.stringify([writeKey, messageId])),
    digest: digestOf([writeJson(same, marked)]),
    expiresMs: arrival.createdMs + deps.messageReceiptHours * 3_600_000,
  }
}

const bytesOf = (units: readonly Unit[]): number => {
  let bytes = 0
  for (const { rows, rejects } of units) {
    for (const row of rows) bytes += row.line.length
    for (const reject of rejects) bytes += reject.payload.length
  }
  return bytes
}
