import type { Queryable } from '../db.ts'
import type { Evidence, Fault } from '../storage/destination.ts'
import type { DestinationName } from '../types.ts'

export type Delivery = {
  deliveryId: number
  /** Null for the manifest, which comes last. */
  objectId: number | null
  state: 'pending' | 'verified' | 'parked' | 'quarantined'
  attempts: number
  identity: string | null
}

/**
 * A part's deliveries to one destination: objects in their order, the manifest last. Of a revision that another has taken the
 * place of only the manifest, a link of the chain: its objects are to be delivered nowhere any more.
 */
export const selectDeliveries = (
  db: Queryable,
  partId: number,
  revision: number,
  destination: DestinationName,
): Promise<Delivery[]> =>
  db.query<Delivery>(
    `select delivery_id as "deliveryId", object_id as "objectId", state, attempts, identity from deliveries
     where part_id = $1::bigint and revision = $2::int and destination = $3::text
       and (object_id is null or revision = (select revision from export_parts p where p.part_id = deliveries.part_id))
     order by object_id nulls last`,
    [partId, revision, destination],
  )

export const markVerified = (db: Queryable, id: number, identity: string, evidence: Evidence): Promise<number> =>
  db.execute(
    `update deliveries set state = 'verified', identity = $2::text, evidence = $3::jsonb, verified_at = now(),
            attempts = attempts + 1, fault = null, error = null, next_attempt_at = null
     where delivery_id = $1::bigint`,
    [id, identity, JSON.stringify(evidence)],
  )

const stateAfter: Record<Fault, Delivery['state']> = { retry: 'pending', parked: 'parked', quarantined: 'quarantined' }

export const markFailed = (
  db: Queryable,
  id: number,
  identity: string,
  fault: Fault,
  error: string,
  nextAttemptMs: number | null,
): Promise<number> =>
  db.execute(
    `update deliveries set state = $4::text, identity = $2::text, fault = $3::text, error = $5::text,
            attempts = attempts + 1, next_attempt_at = to_timestamp($6::float8 / 1000)
     where delivery_id = $1::bigint`,
    [id, identity, fault, stateAfter[fault], error, nextAttemptMs],
  )

/** Makes every open delivery due now: somebody asked, perhaps because a bucket was mended. */
export const makeDue = (db: Queryable): Promise<number> =>
  db.execute(
    `update deliveries set next_attempt_at = null where state in ('pending', 'parked') and next_attempt_at is not null`,
  )

/**
 * When each destination may be tried again: at the time of its oldest delivery that failed. Parts that were set aside wait
 * for a person and hold nobody up.
 */
export const selectWaiting = async (
  db: Queryable,
): Promise<{ destination: DestinationName; nextAttemptMs: number }[]> =>
  db.query(
    `select destination, (extract(epoch from min(next_attempt_at)) * 1000)::bigint as "nextAttemptMs"
     from deliveries d
     where state in ('pending', 'parked') and next_attempt_at is not null
       and not exists (select from deliveries q where q.part_id = d.part_id and q.destination = d.destination
                       and q.state = 'quarantined')
     group by destination`,
  )

/**
 * Of these parts, those whose files on the local disk nobody waits for: every destination has them, or one has them and the
 * others are parked, which may take weeks; their files are made again, or brought back, when they can be delivered.
 */
export const selectUnneededFiles = async (db: Queryable, partIds: readonly number[]): Promise<number[]> => {
  const rows = await db.query<{ id: number }>(
    `with parked as (select distinct destination from deliveries where state = 'parked')
     select id from unnest($1::bigint[]) as id
     where not exists (select from export_parts p where p.part_id = id and p.manifest is null)
       and not exists (select from deliveries d
                       where d.part_id = id and d.state in ('pending', 'parked')
                         -- a part that was set aside there waits for a person, not for its files
                         and not exists (select from deliveries q where q.part_id = id
                                         and q.destination = d.destination and q.state = 'quarantined')
                         and (d.destination not in (select destination from parked)
                              or not exists (select from deliveries v
                                             where v.part_id = id and v.object_id is null and v.state = 'verified'
                                               and v.revision = (select revision from export_parts p
                                                                 where p.part_id = id))))`,
    [partIds],
  )
  return rows.map((row) => row.id)
}

/** The outcome of some parts, for the answer of a run. */
export const selectOutcome = (
  db: Queryable,
  partIds: readonly number[],
): Promise<
  {
    destination: string
    state: string
    deliveries: number
    attempts: number
    error: string | null
  }[]
> =>
  db.query(
    `select destination, case when state = 'pending' and attempts > 0 then 'failed' else state end as state,
            count(*) as deliveries, max(attempts) as attempts, max(error) as error
     from deliveries where part_id = any($1::bigint[]) group by 1, 2 order by 1, 2`,
    [partIds],
  )
