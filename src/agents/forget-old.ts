import type { Clock } from '../clock.ts'
import type { Db } from '../db.ts'
import { type Calendar, dayMs, isoOf } from './days.ts'

/** Rows of one statement: short locks, and others come in between. */
const rowsMax = 5_000

/**
 * Removes what is older than PROFILE_RETENTION_DAYS, counted from the end of the data. What a visitor's removed sessions
 * counted stays with the visitor as long as they come back.
 */
export const forgetOld = async (
  deps: { db: Db; clock: Clock; calendar: Calendar; keepDays: number; pauseMs: number; signal: AbortSignal },
  asOfMs: number,
): Promise<number> => {
  const { db, clock, calendar, signal } = deps
  const limitMs = calendar.startOf(calendar.dayOf(asOfMs - deps.keepDays * dayMs))
  const [at, day] = [isoOf(limitMs), calendar.dayOf(limitMs)]
  let removed = 0
  const repeat = async (statement: string, values: unknown[]): Promise<void> => {
    for (let rows = rowsMax; rows === rowsMax && !signal.aborted; ) {
      rows = await db.execute(statement, values)
      removed += rows
      if (rows === rowsMax) await clock.sleep(deps.pauseMs, signal)
    }
  }
  await repeat(
    `with old as (select session_id from sessions where ended_at < $1::timestamptz limit ${rowsMax}),
     gone as (delete from sessions s using old where s.session_id = old.session_id
              returning s.site_id, s.visitor_key, s.orders, s.revenue_micros),
     kept as (update visitors v set past_sessions = past_sessions + g.sessions, sessions = v.sessions - g.sessions,
                past_orders = past_orders + g.orders, orders = v.orders - g.orders,
                past_revenue_micros = past_revenue_micros + g.revenue, revenue_micros = v.revenue_micros - g.revenue
              from (select site_id, visitor_key, count(*)::int as sessions, sum(orders)::int as orders,
                           sum(revenue_micros)::bigint as revenue from gone group by 1, 2) as g
              where v.site_id = g.site_id and v.visitor_key = g.visitor_key)
     select 1 from gone`,
    [at],
  )
  for (const [table, key, column, value] of [
    ['visitors', 'site_id, visitor_key', 'last_seen', at],
    ['identities', 'site_id, visitor_key, user_id', 'last_at', at],
    ['orders', 'site_id, order_key', 'at', at],
    ['facts', 'fact_id', 'window_to', at],
    ['page_days', 'site_id, day, path, device', 'day', day],
    ['funnel_days', 'site_id, funnel_id, day', 'day', day],
    ['site_days', 'site_id, day', 'day', day],
    ['judged_days', 'site_id, day', 'day', day],
    ['unread_events', 'site_id, quarter', 'quarter', at],
  ] as const)
    await repeat(
      `delete from ${table} where (${key}) in (select ${key} from ${table} where ${column} < $1::${column === 'day' ? 'date' : 'timestamptz'} limit ${rowsMax})`,
      [value],
    )
  await repeat(
    `delete from reports where (kind, site_id, key) in (
       select kind, site_id, key from reports where kind in ('day', 'insight') and day < $1::date limit ${rowsMax})`,
    [day],
  )
  await repeat(
    `delete from dropoff_alerts where alert_id in (
       select alert_id from dropoff_alerts where state = 'closed' and to_day < $1::date limit ${rowsMax})`,
    [day],
  )
  // The latest value of a trait is what is known today, however old it is; it goes with the user.
  await repeat(
    `delete from traits where (user_id, name, at) in (
       select t.user_id, t.name, t.at from traits t
       where t.at < $1::timestamptz and (exists (select from traits n where n.user_id = t.user_id and n.name = t.name and n.at > t.at)
         or not exists (select from identities i where i.user_id = t.user_id)) limit ${rowsMax})`,
    [at],
  )
  return removed
}
