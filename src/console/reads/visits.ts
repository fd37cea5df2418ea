import { z } from 'zod'
import { AppError } from '../../errors.ts'
import { createSerial } from '../../serial.ts'
import { checkRange, instant, site } from '../read-route.ts'

/** Which visits are looked at: of one site, by when they began, their channel and their device. */
export const visitsQuery = {
  ...{ site, from: instant, to: instant },
  channel: z.string().max(40).optional(),
  device: z.string().max(40).optional(),
}
export type VisitsQuery = z.infer<z.ZodObject<typeof visitsQuery>>

const daysMax = 93
/** Newest first; beyond, a drawing says nothing more, and the database has other work. */
export const visitsMax = 50_000

/**
 * The acts of the visits that are asked for, as `acts(session_id, ord, type, text)`, and `visits(session_id)`. Parameters
 * $1 to $6; the next one is $7.
 */
export const visitActs = `visits as materialized (
    select session_id, trail from sessions
    where site_id = $1::text and started_at >= $2::timestamptz and started_at < $3::timestamptz and not is_bot
      and ($4::text is null or channel = $4::text) and ($5::text is null or device = $5::text)
    order by started_at desc, session_id desc limit $6::int
  ), acts as materialized (
    select session_id, ord, item ->> 1 as type, item ->> 2 as text
    from visits, json_array_elements(trail) with ordinality as t(item, ord)
  )`

export const visitParameters = (query: VisitsQuery): unknown[] => {
  checkRange(query, daysMax)
  return [query.site, query.from, query.to, query.channel ?? null, query.device ?? null, visitsMax]
}

const inTurn = createSerial()
/** Questions that wait for their turn; who would wait longer is told to come back. */
const waitingMax = 20
let waiting = 0

/**
 * One question about visits at a time: each may read all of them, and the database has collectors to serve. Throws
 * `rate_limited` when too many wait.
 */
export const oneAtATime = async <T>(ask: () => Promise<T>): Promise<T> => {
  if (waiting >= waitingMax)
    throw new AppError('rate_limited', 'Too many questions about visits are waiting; ask again in a moment.')
  waiting++
  try {
    return await inTurn(ask)
  } finally {
    waiting--
  }
}
