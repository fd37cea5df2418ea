import type { Db, Queryable } from '../db.ts'
import { noEndpoint } from './endpoints.ts'

/** One attempt to deliver an event: what came back, or why nothing did. */
export type AttemptView = {
  event: string
  type: string
  at: string
  status: number | null
  /** Null: the receiver took it. */
  error: string | null
  duration_ms: number
  /** What became of the delivery since: `pending` is tried again at `next_attempt_at`. */
  state: 'pending' | 'delivered' | 'exhausted' | 'cancelled'
  next_attempt_at: string | null
}

const iso = (column: string): string => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

/** The latest attempts at an endpoint, newest first; only those that failed, where asked for. Throws `not_found`. */
export const selectAttempts = async (
  db: Db,
  name: string,
  { rowsMax, failedOnly }: { rowsMax: number; failedOnly: boolean },
): Promise<AttemptView[]> => {
  const endpointId = await selectEndpointId(db, name)
  return db.query<AttemptView>(
    `select a.event_id as event, type, ${iso('at')} as at, status, error, duration_ms, state,
            case when state = 'pending' then ${iso('next_attempt_at')} end as next_attempt_at
     from webhook_attempts a join outbox using (event_id) join webhook_deliveries using (event_id, endpoint_id)
     where a.endpoint_id = $1::bigint and (not $2::bool or error is not null)
     order by attempt_id desc limit $3::int`,
    [endpointId, failedOnly, rowsMax],
  )
}

const selectEndpointId = async (db: Queryable, name: string): Promise<number> => {
  const [row] = await db.query<{ id: number }>(
    'select endpoint_id as id from webhook_endpoints where name = $1::text',
    [name],
  )
  if (row) return row.id
  throw noEndpoint(name)
}
