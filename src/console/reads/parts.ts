import { z } from 'zod'
import { cursorOf, isoText, next, paged, readCursor, readRoute } from '../read-route.ts'

const place = z.object({
  destination: z.string(),
  state: z.enum(['pending', 'verified', 'parked', 'quarantined']),
  verified_at: z.string().nullable(),
  attempts: z.number(),
  error: z.string().nullable(),
  next_attempt_at: z.string().nullable(),
  advice: z.string().nullable().describe('What happens next, or what somebody must do.'),
})
const part = z.object({
  part: z.string().describe('Epoch and number, as in the names of its files.'),
  revision: z.number(),
  created_at: z.string(),
  received_from: z.string().nullable(),
  received_to: z.string().nullable(),
  events: z.number(),
  pageviews: z.number(),
  erased: z.number(),
  bytes: z.number().describe('Of the raw events.'),
  formats: z.array(z.string()),
  quarantined: z.string().nullable(),
  released_at: z.string().nullable().describe('When its rows left the buffer.'),
  destinations: z.array(place),
})
type Part = z.infer<typeof part>

export const partsRoute = readRoute({
  path: '/api/parts',
  summary: 'Parts, the newest first, with what became of them in each destination and the next step in words.',
  query: z.strictObject({
    ...paged,
    open: z.stringbool().default(false).describe('Only those that have not arrived everywhere.'),
  }),
  answer: z.object({ rows: z.array(part), next }),
  async read({ db }, { after, limit, open }) {
    const [from] = readCursor(after, z.tuple([z.number().int()])) ?? [null]
    const rows = await db.query<
      Omit<Part, 'destinations'> & { id: number; destinations: Omit<z.infer<typeof place>, 'advice'>[] }
    >(
      `select part_id as id, epoch || '-' || seq as part, revision, ${isoText('created_at')} as created_at,
              ${isoText('received_min')} as received_from, ${isoText('received_max')} as received_to, events, pageviews,
              erased, bytes, formats, quarantined, ${isoText('released_at')} as released_at,
              coalesce((select jsonb_agg(jsonb_build_object('destination', destination, 'state', state,
                  'verified_at', ${isoText('verified_at')}, 'attempts', attempts, 'error', error,
                  'next_attempt_at', ${isoText('next_attempt_at')}) order by destination desc)
                from (select destination,
                             case when bool_or(state = 'quarantined') then 'quarantined' when bool_or(state = 'parked') then 'parked'
                                  when bool_and(state = 'verified') then 'verified' else 'pending' end as state,
                             case when bool_and(state = 'verified') then max(verified_at) end as verified_at,
                             max(attempts) filter (where state <> 'verified') as attempts, max(error) as error,
                             min(next_attempt_at) as next_attempt_at
                      from deliveries d where d.part_id = p.part_id and d.revision = p.revision group by 1) x), '[]')
                as destinations
       from export_parts p
       where ($1::bigint is null or part_id < $1::bigint)
         and (not $3::bool or manifest is null or exists (select from deliveries d where d.part_id = p.part_id and d.state <> 'verified'))
       order by part_id desc limit $2::int`,
      [from, limit, open],
    )
    const last = rows.at(-1)
    return {
      rows: rows.map(({ id: _id, destinations, ...row }) => ({
        ...row,
        destinations: destinations.map((one) => ({ ...one, attempts: one.attempts ?? 0, advice: adviceOf(one) })),
      })),
      next: last && rows.length === limit ? cursorOf([last.id]) : null,
    }
  },
})

/** The next step in words. */
const adviceOf = ({ state, attempts, next_attempt_at: at }: Omit<z.infer<typeof place>, 'advice'>): string | null => {
  if (state === 'verified') return null
  if (state === 'parked')
    return 'The destination refuses access. Give it the right keys or the bucket its policy; it is tried again every 15 minutes, and at once by Run now.'
  if (state === 'quarantined')
    return 'Other bytes lie there under the name of our file. Find out who wrote them, move them away, then replay the part: evothesis export replay.'
  if (attempts > 0)
    return at === null ? 'It is tried again with the next run.' : `It is tried again by itself at ${at}.`
  return 'It is delivered with the next run.'
}
