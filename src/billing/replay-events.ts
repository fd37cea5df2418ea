import { type Actor, insertAudit } from '../audit.ts'
import type { Db, Tx } from '../db.ts'
import { AppError } from '../errors.ts'
import { noEndpoint } from './endpoints.ts'

/** What happened in [from, to), or one event; null: all endpoints that want it, all types. */
export type Replay = ({ fromMs: number; toMs: number; eventTypes: readonly string[] | null } | { event: string }) & {
  endpoint: string | null
}

/**
 * Sends events once more, under the same ids, to one endpoint or to all that want them; tests are not repeated. Answers
 * how many deliveries were opened. Throws `not_found` and `conflict` for an endpoint that is not there or not in service,
 * and `not_found` for an event that nobody is sent.
 */
export const replayEvents = (db: Db, replay: Replay, actor: Actor): Promise<number> =>
  db.transaction(async (tx) => {
    const { endpoint } = replay
    if (endpoint !== null) await checkInService(tx, endpoint)
    const [event, fromMs, toMs, types] =
      'event' in replay ? [replay.event, null, null, null] : [null, replay.fromMs, replay.toMs, replay.eventTypes]
    const opened = await tx.execute(
      `insert into webhook_deliveries (event_id, endpoint_id, next_attempt_at)
       select event_id, endpoint_id, to_timestamp($3::float8 / 1000)
       from outbox join webhook_endpoints on state = 'active' and (event_types is null or type = any(event_types))
       where ($6::text is null and occurred_at >= to_timestamp($1::float8 / 1000)
              and occurred_at < to_timestamp($2::float8 / 1000) or event_id = $6::text)
         and ($4::text is null or name = $4::text) and ($5::text[] is null or type = any($5::text[]))
         and type <> 'webhook.test'
       on conflict (event_id, endpoint_id) do update set state = 'pending', attempts = 0, leased_until = null,
         settled_at = null, next_attempt_at = excluded.next_attempt_at`,
      [fromMs, toMs, actor.nowMs, endpoint, types, event],
    )
    if (event !== null && opened === 0)
      throw new AppError('not_found', 'There is no such event to send: it may be too old, a test, or wanted by nobody.')
    await insertAudit(tx, actor, 'webhook.replayed', endpoint ?? '', { ...replay, deliveries: opened })
    return opened
  })

const checkInService = async (tx: Tx, name: string): Promise<void> => {
  const [found] = await tx.query<{ state: string }>('select state from webhook_endpoints where name = $1::text', [name])
  if (!found) throw noEndpoint(name)
  if (found.state !== 'active')
    throw new AppError('conflict', `${name} is disabled; enable it first: evothesis webhooks enable ${name}`)
}
