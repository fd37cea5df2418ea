import type { Queryable } from '../db.ts'
import type { Destination } from '../storage/destination.ts'
import type { DestinationName } from '../types.ts'

export type DestinationStatus = {
  destination: DestinationName
  state: 'up to date' | 'behind' | 'failing' | 'parked' | 'quarantined'
  /** The last part whose manifest was verified there. */
  last_part: { epoch: string; part: number; verified_at: string } | null
  parts_waiting: number
  events_waiting: number
  parts_quarantined: number
  /** Age of the oldest event that has not arrived there, in seconds; 0 when all have. */
  lag_seconds: number
  attempts: number
  error: string | null
  next_attempt_at: string | null
}
export type ExportStatus = {
  epoch: string
  buffered: { events: number; batches: number }
  unclaimed: { events: number; batches: number }
  parts: number
  last_part_at: string | null
  destinations: DestinationStatus[]
}

/** What the exporter has done and what waits, derived from ledger, parts and deliveries; nothing of it is stored. */
export const selectStatus = async (
  db: Queryable,
  destinations: readonly Destination[],
  nowMs: number,
): Promise<ExportStatus> => {
  const [totals] = await db.query<Omit<ExportStatus, 'destinations'>>(
    `select (select epoch from epochs where is_current) as epoch,
            (select jsonb_build_object('events', coalesce(sum(events), 0), 'batches', count(*)) from batches) as buffered,
            (select jsonb_build_object('events', coalesce(sum(events), 0), 'batches', count(*))
             from batches where part_id is null) as unclaimed,
            (select count(*) from export_parts) as parts,
            (select max(encoded_at) from export_parts) as last_part_at`,
  )
  if (!totals) throw new Error('A select without from has one row.')
  return {
    ...totals,
    destinations: await Promise.all(destinations.map((destination) => selectDestination(db, destination.name, nowMs))),
  }
}

type DestinationRow = Omit<DestinationStatus, 'destination' | 'state' | 'lag_seconds'> & {
  parked: number
  failing: number
  oldest: number | null
}

const selectDestination = async (db: Queryable, name: DestinationName, nowMs: number): Promise<DestinationStatus> => {
  const [row] = await db.query<DestinationRow>(
    `with open as (
       select part_id, bool_or(state = 'parked') as parked, bool_or(state = 'pending' and attempts > 0) as failing,
              max(attempts) as attempts, max(error) as error, max(next_attempt_at) as next_attempt_at
       from deliveries where destination = $1::text and state in ('pending', 'parked') group by part_id
     ), waiting as (
       select part_id, events, received_min from export_parts
       where part_id in (select part_id from open) or (manifest is null and $1::text = any(destinations))
     )
     select (select jsonb_build_object('epoch', epoch, 'part', seq, 'verified_at', d.verified_at)
             from deliveries d join export_parts using (part_id)
             where destination = $1::text and state = 'verified' and object_id is null
             order by part_id desc limit 1) as last_part,
            (select count(*) from waiting) as parts_waiting,
            (select coalesce(sum(events), 0)::bigint from waiting)
              + (select coalesce(sum(events), 0)::bigint from batches where part_id is null) as events_waiting,
            (select count(distinct part_id) from deliveries
             where destination = $1::text and state = 'quarantined') as parts_quarantined,
            (select count(*) from open where parked) as parked,
            (select count(*) from open where failing) as failing,
            coalesce((select max(attempts) from open), 0) as attempts,
            (select error from open where error is not null order by part_id limit 1) as error,
            (select next_attempt_at from open where next_attempt_at is not null order by part_id limit 1)
              as next_attempt_at,
            (extract(epoch from least((select min(received_min) from waiting),
                                      (select min(created_min) from batches where part_id is null))) * 1000)::bigint
              as oldest`,
    [name],
  )
  if (!row) throw new Error('A select without from has one row.')
  const { parked, failing, oldest, ...shown } = row
  const state = parked
    ? 'parked'
    : failing
      ? 'failing'
      : row.parts_quarantined > 0
        ? 'quarantined'
        : row.events_waiting > 0
          ? 'behind'
          : 'up to date'
  const lag = oldest === null ? 0 : Math.max(0, Math.round((nowMs - oldest) / 1000))
  return { destination: name, state, ...shown, lag_seconds: lag }
}
