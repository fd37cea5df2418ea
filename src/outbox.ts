import { createHash } from 'node:crypto'
import type { Tx } from './db.ts'

/** The closed list of events for the outside. A contract: added, never renamed. */
export const outboxEventTypes = [
  'domain.discovered',
  'usage.recorded',
  'usage.threshold_reached',
  'period.closed',
  'period.adjusted',
  'export.delivered',
  'export.failed',
  'export.parked',
  'alert.raised',
  'alert.cleared',
  'webhook.test',
] as const
export type OutboxEventType = (typeof outboxEventTypes)[number]

export type OutboxEvent = {
  clientId: string
  nodeId: string
  type: OutboxEventType
  /** What makes it this event among those of its type and client, for example `n1/0a1b2c3d/42/shop.example.com`. */
  key: string
  occurredMs: number
  /** Whole numbers as JSON numbers, money as text in micro-dollars; well below 20 kB, see `bodyBytesMax`. */
  data: Record<string, unknown>
}

/** Receivers are asked to take 20 kB at least (Standard Webhooks, "payload size"). */
export const bodyBytesMax = 20_000 - 1

/**
 * Writes an event for the outside. Call it in the transaction of the event's cause: then it is sent if, and only if, the
 * cause was committed. The id is derived from client, type and key, so that a cause which happens again (a retried
 * transaction, a rebuilt database, two nodes that see the same) is one event for every receiver that drops known ids.
 * Resolves to the id; an event that is there already is left as it is.
 */
export const insertOutbox = async (tx: Pick<Tx, 'execute'>, event: OutboxEvent): Promise<string> => {
  const eventId = outboxEventId(event)
  await tx.execute(
    `insert into outbox (event_id, type, occurred_at, body)
     values ($1::text, $2::text, to_timestamp($3::float8 / 1000), $4::text) on conflict (event_id) do nothing`,
    [eventId, event.type, event.occurredMs, renderBody(eventId, event)],
  )
  return eventId
}

/** 128 bits of SHA-256; no dot, which separates the parts of the signed text. */
export const outboxEventId = ({ clientId, type, key }: Pick<OutboxEvent, 'clientId' | 'type' | 'key'>): string =>
  `evt_${createHash('sha256')
    .update(JSON.stringify([clientId, type, key]))
    .digest('hex')
    .slice(0, 32)}`

/**
 * A CloudEvents 1.0 event in its JSON format. `subject` is the client, which is what meters such as OpenMeter book usage
 * on; `timestamp` is an extension attribute that repeats `time` under the name which Standard Webhooks gives it.
 * Data that would make the body too large is left out, never the event.
 */
const renderBody = (eventId: string, event: OutboxEvent): string => {
  const time = new Date(event.occurredMs).toISOString()
  const render = (data: Record<string, unknown>): string =>
    JSON.stringify({
      specversion: '1.0',
      id: eventId,
      type: event.type,
      source: `/clients/${event.clientId}/nodes/${event.nodeId}`,
      subject: event.clientId,
      time,
      timestamp: time,
      datacontenttype: 'application/json',
      // A sentence for people where there is one: chat services such as Slack show what stands under this name.
      ...(typeof data.text === 'string' && { text: data.text }),
      data,
    })
  const body = render(event.data)
  if (Buffer.byteLength(body) <= bodyBytesMax) return body
  const small = Object.entries(event.data).filter(([, value]) => JSON.stringify(value ?? null).length <= 500)
  const cut = render({ ...Object.fromEntries(small.slice(0, 30)), truncated: true })
  return Buffer.byteLength(cut) <= bodyBytesMax ? cut : render({ truncated: true })
}
