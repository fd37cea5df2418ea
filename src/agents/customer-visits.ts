import type { Queryable } from '../db.ts'
import type { Channel } from './channel.ts'
import { isoOf } from './days.ts'
import type { DeviceKind } from './device.ts'
import type { PersonRow } from './people.ts'
import { userIdOf } from './segments.ts'
import type { Act } from './session.ts'
import { msOf, readTrail } from './session-rows.ts'

export const customerQuery = `select site_id, session_id, visitor_key, person_key, ${msOf('started_at')} as started,
    ${msOf('ended_at')} as ended, channel, source, campaign, device, browser, os, language, entry_path, exit_path, pageviews,
    engaged_ms, orders, trail
  from sessions where site_id = any($1::text[]) and person_key = any($2::text[]) and not is_bot
    and started_at < $3::timestamptz
  order by person_key, started_at, session_id`

type VisitRow = {
  site_id: string
  session_id: number
  visitor_key: string
  person_key: string
  started: number
  ended: number
  channel: Channel
  source: string | null
  campaign: string | null
  device: DeviceKind
  browser: string | null
  os: string | null
  language: string | null
  entry_path: string | null
  exit_path: string | null
  pageviews: number
  engaged_ms: number
  orders: number
  trail: string
}
export type CustomerVisit = Omit<VisitRow, 'trail'> & { acts: Act[] }
export type TraitRow = { user_id: string; name: string; at: number; value: string }

export const selectVisits = async (
  db: Queryable,
  rows: readonly PersonRow[],
  untilMs: number,
): Promise<CustomerVisit[]> => {
  const found = await db.query<VisitRow>(customerQuery, [
    [...new Set(rows.flatMap(({ sites }) => sites))],
    rows.map(({ person_key }) => person_key),
    isoOf(untilMs),
  ])
  return found.map(({ trail, ...visit }) => ({ ...visit, acts: readTrail(trail, visit.started) }))
}

export const selectTraits = (db: Queryable, rows: readonly PersonRow[]): Promise<TraitRow[]> =>
  db.query<TraitRow>(
    `select user_id, name, ${msOf('at')} as at, value from traits where user_id = any($1::text[]) order by user_id, name, traits.at`,
    [rows.map(({ person_key }) => userIdOf(person_key))],
  )

export const groupBy = <T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> => {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group) group.push(item)
    else groups.set(keyOf(item), [item])
  }
  return groups
}
