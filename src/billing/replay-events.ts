import type { Db, Tx } from '../db.ts'
import { AppError } from '../errors.ts'
import { noEndpoint } from './endpoints.ts'

export type Replay = {
  fromMs: number
  toMs: number
  /** Null: all that want the event. */
  endpoint: string | null
  eventTypes: readonly string[] | null
  nowMs: number
}

/**
 * Sends what happened in [from, to) once more, under the same ids, to one endpoint or to all that want it; tests are not
 * repeated. Answers how many deliveries were opened. Throws `not_found` and `conflict` for an endpoint that is not there
 * or not in service.
 */
export const replayEvents = (db: Db, replay: Replay): Promise<number> =>
  db.transaction(async (tx) => {
    if (replay.endpoint !== null) await checkInService(tx, replay.endpoint)
    return tx.execute(
      `insert into webhook_deliveries (event_id, endpoint_id, next_attempt_at)
       select event_id, endpoint_id, to_timestamp($3::float8 / 1000)
       from outbox join webhook_endpoints on state = 'active' and (event_types is null or type = any(event_types))
       where occurred_at >= to_timestamp($1::float8 / 1000) and occurred_at < to_timestamp($2::float8 / 1000)
         and ($4::text is null or name = $4::text) and ($5::text[] is null or type = any($5::text[]))
         and type <> 'webhook.test'
       on conflict (event_id, endpoint_id) do update set state = 'pending', attempts = 0, leased_until = null,
         settled_at = null, next_attempt_at = excluded.next_attempt_at`,
      [replay.fromMs, replay.toMs, replay.nowMs, replay.endpoint, replay.eventTypes],
    )
  })

const checkInService = async (tx: Tx, name: string): Promise<void> => {
  const [found] = await tx.query<{ state: string }>('select state from webhook_endpoints where name = $1::text', [name])
  if (!found) throw noEndpoint(name)
  if (found.state !== 'active')
    throw new AppError('conflict', `${name} is disabled; enable it first: evothesis webhooks enable ${name}`)
}
