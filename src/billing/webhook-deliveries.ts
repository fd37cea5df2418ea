import type { Queryable } from '../db.ts'

export type Claimed = { eventId: string; type: string; body: string; attempts: number }

const at = (parameter: number): string => `to_timestamp($${parameter}::float8 / 1000)`

/**
 * Writes the deliveries of events that have none yet, one for each active endpoint that wants the event. Rows that
 * another worker is at are skipped, not waited for. Answers how many events were routed.
 */
export const routeEvents = (db: Queryable, nowMs: number, rowsMax: number): Promise<number> =>
  db.execute(
    `with fresh as (
       select event_id, type from outbox where routed_at is null order by occurred_at limit $2::int for update skip locked
     ), routed as (
       insert into webhook_deliveries (event_id, endpoint_id, next_attempt_at)
       select event_id, endpoint_id, ${at(1)}
       from fresh join webhook_endpoints on state = 'active' and (event_types is null or type = any(event_types))
       on conflict do nothing
     )
     update outbox set routed_at = ${at(1)} where event_id in (select event_id from fresh)`,
    [nowMs, rowsMax],
  )

/** Endpoints with something to send now. */
export const selectDueEndpoints = async (db: Queryable, nowMs: number): Promise<number[]> => {
  const rows = await db.query<{ id: number }>(
    `select endpoint_id as id from webhook_endpoints e
     where state = 'active' and (paused_until is null or paused_until <= ${at(1)})
       and exists (select from webhook_deliveries d
                   where d.endpoint_id = e.endpoint_id and d.state = 'pending' and next_attempt_at <= ${at(1)}
                     and (leased_until is null or leased_until <= ${at(1)}))
     order by 1`,
    [nowMs],
  )
  return rows.map((row) => row.id)
}

/**
 * Takes due deliveries of an endpoint for a worker, the oldest first. A lease, not a lock held while sending: a request of
 * 20 s would keep a transaction open, and a worker that was killed gives its work back when the lease ends.
 */
export const claimDeliveries = (
  db: Queryable,
  endpointId: number,
  { nowMs, leaseMs, rowsMax }: { nowMs: number; leaseMs: number; rowsMax: number },
): Promise<Claimed[]> =>
  db.query<Claimed>(
    `update webhook_deliveries d set leased_until = ${at(3)}
     from outbox o
     where o.event_id = d.event_id and d.endpoint_id = $1::bigint and d.event_id in (
       select event_id from webhook_deliveries
       where endpoint_id = $1::bigint and state = 'pending' and next_attempt_at <= ${at(2)}
         and (leased_until is null or leased_until <= ${at(2)})
       order by next_attempt_at, event_id limit $4::int for update skip locked)
     returning d.event_id as "eventId", o.type, o.body, d.attempts`,
    [endpointId, nowMs, nowMs + leaseMs, rowsMax],
  )

export type AttemptRow = {
  eventId: string
  endpointId: number
  atMs: number
  status: number | null
  error: string | null
  durationMs: number
}

export const insertAttempt = (db: Queryable, attempt: AttemptRow): Promise<number> =>
  db.execute(
    `insert into webhook_attempts (event_id, endpoint_id, at, status, error, duration_ms)
     select $1::text, $2::bigint, ${at(3)}, $4::int, $5::text, $6::int
     where exists (select from webhook_deliveries where event_id = $1::text and endpoint_id = $2::bigint)`,
    [attempt.eventId, attempt.endpointId, attempt.atMs, attempt.status, attempt.error, Math.round(attempt.durationMs)],
  )

/** Records what an attempt came to. A delivery that was settled meanwhile (a lease that ended too early) stays settled. */
export const settleDelivery = (
  db: Queryable,
  key: { eventId: string; endpointId: number; nowMs: number },
  outcome: { state: 'delivered' | 'exhausted' } | { state: 'pending'; nextAttemptMs: number },
): Promise<number> =>
  db.execute(
    `update webhook_deliveries
     set attempts = attempts + 1, leased_until = null, state = $4::text,
         next_attempt_at = coalesce(${at(5)}, next_attempt_at),
         settled_at = case when $4::text = 'pending' then null else ${at(3)} end
     where event_id = $1::text and endpoint_id = $2::bigint and state = 'pending'`,
    [
      ...[key.eventId, key.endpointId, key.nowMs, outcome.state],
      outcome.state === 'pending' ? outcome.nextAttemptMs : null,
    ],
  )

/** An attempt succeeded: whatever was wrong with the endpoint is over. */
export const markEndpointWell = (db: Queryable, endpointId: number): Promise<number> =>
  db.execute(
    `update webhook_endpoints set failing_since = null, paused_until = null
     where endpoint_id = $1::bigint and (failing_since is not null or paused_until is not null)`,
    [endpointId],
  )

/** An attempt failed. Answers since when all have. */
export const markEndpointFailing = async (
  db: Queryable,
  endpointId: number,
  nowMs: number,
  pausedUntilMs: number | null,
): Promise<number> => {
  const [row] = await db.query<{ since: number }>(
    `update webhook_endpoints set failing_since = coalesce(failing_since, ${at(2)}),
            paused_until = greatest(paused_until, ${at(3)})
     where endpoint_id = $1::bigint returning (extract(epoch from failing_since) * 1000)::bigint as since`,
    [endpointId, nowMs, pausedUntilMs],
  )
  return row?.since ?? nowMs
}

/** Takes an endpoint out of service and gives up what waits for it. Answers false when it was disabled already. */
export const disableEndpoint = async (
  db: Queryable,
  endpointId: number,
  reason: string,
  nowMs: number,
): Promise<boolean> => {
  const changed = await db.execute(
    `update webhook_endpoints set state = 'disabled', disabled_reason = $2::text
     where endpoint_id = $1::bigint and state = 'active'`,
    [endpointId, reason],
  )
  await db.execute(
    `update webhook_deliveries set state = 'cancelled', leased_until = null, settled_at = ${at(2)}
     where endpoint_id = $1::bigint and state = 'pending'`,
    [endpointId, nowMs],
  )
  return changed > 0
}

/** Old events go, in small steps; those that still wait to be sent, to an endpoint in service, stay. */
export const deleteOldEvents = (db: Queryable, beforeMs: number, rowsMax: number): Promise<number> =>
  db.execute(
    `delete from outbox where event_id in (
       select event_id from outbox o
       where occurred_at < ${at(1)} and routed_at is not null
         and not exists (select from webhook_deliveries d join webhook_endpoints e using (endpoint_id)
                         where d.event_id = o.event_id and d.state = 'pending' and e.state = 'active')
       limit $2::int)`,
    [beforeMs, rowsMax],
  )

/** Events that no endpoint has settled yet: the outbox is empty when this is 0. */
export const countWaiting = async (db: Queryable): Promise<number> => {
  const [row] = await db.query<{ waiting: number }>(
    `select (select count(*) from outbox where routed_at is null)
          + (select count(*) from webhook_deliveries where state = 'pending') as waiting`,
  )
  return row?.waiting ?? 0
}
