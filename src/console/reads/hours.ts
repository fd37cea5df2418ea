import { z } from 'zod'
import type { Db } from '../../db.ts'
import { checkRange, instant, isoText, readRoute } from '../read-route.ts'

/** What became of the events that arrived in an hour (UTC). */
const hour = z.object({
  hour: z.string(),
  received: z.number().describe('Events that were stored, less those that were erased since.'),
  delivered: z.number().describe('Of these, how many have arrived in one destination at least.'),
  verified: z.number().describe('Of these, how many were read back from every destination.'),
  by_destination: z.record(z.string(), z.number()),
  stuck: z.number().describe('Events of parts that are quarantined, or whose destination refuses access.'),
  state: z.enum(['empty', 'waiting', 'delivered', 'verified', 'late', 'stuck']),
})
type Hour = z.infer<typeof hour>

/** An hour that is over this long and has not arrived everywhere is late, whatever the schedule. */
const lateMs = 2 * 3_600_000
const daysMax = 93

export const hoursRoute = readRoute({
  path: '/api/hours',
  summary: 'The calendar of hours: received, delivered, verified. Hours without an event are left out.',
  query: z.strictObject({ from: instant, to: instant }),
  answer: z.object({ hours: z.array(hour) }),
  async read({ db, clock }, query) {
    checkRange(query, daysMax)
    const rows = await selectHours(db, query)
    return { hours: rows.map((row) => ({ ...row, state: stateOf(row, clock.now()) })) }
  },
})

const stateOf = (row: Omit<Hour, 'state'>, nowMs: number): Hour['state'] => {
  if (row.received === 0) return 'empty'
  if (row.verified >= row.received) return 'verified'
  if (row.stuck > 0) return 'stuck'
  if (nowMs - Date.parse(row.hour) > 3_600_000 + lateMs) return 'late'
  return row.delivered >= row.received ? 'delivered' : 'waiting'
}

/**
 * From the ledger and from what parts hold, which outlives the ledger. A part counts as arrived where its manifest, which
 * is written last, was read back.
 */
const selectHours = (db: Db, { from, to }: { from: string; to: string }): Promise<Omit<Hour, 'state'>[]> =>
  db.query<Omit<Hour, 'state'>>(
    `with there as (
       select part_id, destination,
              coalesce((select d.state from deliveries d where d.part_id = p.part_id and d.revision = p.revision
                        and d.object_id is null and d.destination = x.destination),
                       case when p.adopted then 'verified' end) = 'verified' as is_there
       from export_parts p, unnest(p.destinations) as x(destination)
       where part_id in (select part_id from part_usage where quarter >= $1::timestamptz and quarter < $2::timestamptz)
     ), parts as (
       select part_id, bool_and(coalesce(is_there, false)) as everywhere, bool_or(coalesce(is_there, false)) as somewhere,
              array_agg(destination) filter (where is_there) as places
       from there group by 1
     ), counted as (
       select date_trunc('hour', u.quarter) as hour, u.events - u.erased as events, everywhere, somewhere, places,
              quarantined is not null or exists (select from deliveries d where d.part_id = p.part_id
                                                 and d.state in ('parked', 'quarantined')) as stuck
       from part_usage u join export_parts p using (part_id) left join parts using (part_id)
       where u.quarter >= $1::timestamptz and u.quarter < $2::timestamptz
       union all
       select date_trunc('hour', s.quarter), s.events - s.erased, false, false, null, false
       from batches b join batch_sites s using (batch_id)
       where b.part_id is null and s.quarter >= $1::timestamptz and s.quarter < $2::timestamptz
     ), places as (
       select hour, place, sum(events)::bigint as events from counted, unnest(places) as place group by 1, 2
     )
     select ${isoText('c.hour')} as hour, sum(events)::bigint as received,
            coalesce(sum(events) filter (where somewhere), 0)::bigint as delivered,
            coalesce(sum(events) filter (where everywhere), 0)::bigint as verified,
            coalesce(sum(events) filter (where stuck and not everywhere), 0)::bigint as stuck,
            coalesce((select jsonb_object_agg(place, p.events) from places p where p.hour = c.hour), '{}') as by_destination
     from counted c group by c.hour order by c.hour`,
    [from, to],
  )
