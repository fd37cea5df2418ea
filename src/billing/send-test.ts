import { randomUUID } from 'node:crypto'
import { insertAudit } from '../audit.ts'
import type { Clock } from '../clock.ts'
import type { Db, Queryable } from '../db.ts'
import { AppError } from '../errors.ts'
import { insertOutbox } from '../outbox.ts'
import type { Secret } from '../secret.ts'
import type { Client } from './endpoint-service.ts'
import { noEndpoint, selectTarget } from './endpoints.ts'
import type { Attempt, Sender } from './send-webhook.ts'
import { type AttemptRow, insertAttempt } from './webhook-deliveries.ts'

export type TestDeps = {
  db: Db
  clock: Clock
  send: Sender
  client: Client
  /** The secrets of an endpoint that the settings name. */
  settingsSecrets: (name: string) => Secret[]
}

/**
 * Sends `webhook.test` to one endpoint, at once and by this process, so that its outcome can be shown; it is in the attempt
 * log like any other, and is not tried again. Throws `not_found`, and `conflict` for an endpoint that takes nothing now.
 */
export const sendTest = async (deps: TestDeps, name: string, by: string): Promise<Attempt & { event: string }> => {
  const { db, clock } = deps
  const nowMs = clock.now()
  const [endpoint] = await db.query<{ id: number }>(
    'select endpoint_id as id from webhook_endpoints where name = $1::text',
    [name],
  )
  if (!endpoint) throw noEndpoint(name)
  const target = await selectTarget(db, endpoint.id, nowMs, deps.settingsSecrets)
  if (!target)
    throw new AppError(
      'conflict',
      `${name} is disabled or asked for a pause; take it into service: evothesis webhooks enable ${name}`,
    )
  const { event, body } = await db.transaction(async (tx) => {
    const event = await insertOutbox(tx, {
      ...{ ...deps.client, type: 'webhook.test', key: randomUUID() },
      ...{ occurredMs: nowMs, data: { message: 'This is a test.' } },
    })
    await insertAudit(tx, { by, nowMs }, 'webhook.tested', name)
    return { event, body: await insertTestDelivery(tx, event, endpoint.id, nowMs) }
  })
  const attempt = await deps.send(target, { id: event, body })
  await recordTest(db, { eventId: event, endpointId: endpoint.id, atMs: nowMs, ...attempt })
  return { event, ...attempt }
}

/** A delivery to one endpoint only, which no worker takes up. Answers the body to send. */
const insertTestDelivery = async (
  tx: Queryable,
  eventId: string,
  endpointId: number,
  nowMs: number,
): Promise<string> => {
  await tx.execute(
    `insert into webhook_deliveries (event_id, endpoint_id, state, attempts, next_attempt_at, settled_at)
     values ($1::text, $2::bigint, 'exhausted', 1, to_timestamp($3::float8 / 1000), to_timestamp($3::float8 / 1000))`,
    [eventId, endpointId, nowMs],
  )
  const [row] = await tx.query<{ body: string }>(
    `update outbox set routed_at = to_timestamp($2::float8 / 1000) where event_id = $1::text returning body`,
    [eventId, nowMs],
  )
  return row?.body ?? ''
}

const recordTest = async (db: Queryable, attempt: AttemptRow): Promise<void> => {
  await insertAttempt(db, attempt)
  await db.execute(
    `update webhook_deliveries set state = case when $3::text is null then 'delivered' else 'exhausted' end
     where event_id = $1::text and endpoint_id = $2::bigint`,
    [attempt.eventId, attempt.endpointId, attempt.error],
  )
}
