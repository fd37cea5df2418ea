import type { Tx } from '../db.ts'

export type VisitorRef = { siteId: string; visitorKey: string }

const refs = (visitors: readonly VisitorRef[]): [string[], string[]] => [
  visitors.map(({ siteId }) => siteId),
  visitors.map(({ visitorKey }) => visitorKey),
]

/** The sessions of one visitor, by index whatever the planner thinks: see `selectSessionsNear`. */
const sessionsOf = (owner: string): string =>
  `cross join lateral (select session_id, site_id, visitor_key, started_at, ended_at, user_id, channel, orders, revenue_micros,
                              is_bot
     from sessions s where s.site_id = ${owner}.site_id and s.visitor_key = ${owner}.visitor_key offset 0) as s`

/** Sums up visitors from their sessions; what older, deleted sessions counted stays. */
export const refreshVisitors = (tx: Tx, visitors: readonly VisitorRef[]): Promise<number> =>
  tx.execute(
    `insert into visitors (site_id, visitor_key, first_seen, last_seen, first_channel, last_channel, sessions, orders,
                           revenue_micros, is_bot)
     select s.site_id, s.visitor_key, min(s.started_at), max(s.ended_at), (array_agg(s.channel order by s.started_at))[1],
            (array_agg(s.channel order by s.started_at desc))[1], count(*), sum(s.orders), sum(s.revenue_micros),
            bool_or(s.is_bot)
     from unnest($1::text[], $2::text[]) as w(site_id, visitor_key) ${sessionsOf('w')}
     group by 1, 2
     on conflict (site_id, visitor_key) do update set
       first_seen = case when visitors.past_sessions > 0 then visitors.first_seen else excluded.first_seen end,
       first_channel = case when visitors.past_sessions > 0 then visitors.first_channel else excluded.first_channel end,
       last_seen = excluded.last_seen, last_channel = excluded.last_channel, sessions = excluded.sessions,
       orders = excluded.orders, revenue_micros = excluded.revenue_micros, is_bot = excluded.is_bot`,
    refs(visitors),
  )

export type Login = VisitorRef & { userId: string; atMs: number }

/** A user on more visitors than this is no person (an account that everybody uses), and gets no more of them. */
export const visitorsPerUserMax = 50
/** A visitor with more users than this is a shared machine: what was done before the first login belongs to nobody. */
export const usersPerVisitorMax = 5

/** Notes who identified themselves on which visitor. Two users never become one, whatever they share. */
export const writeLogins = (tx: Tx, logins: readonly Login[]): Promise<number> =>
  tx.execute(
    `insert into identities (site_id, visitor_key, user_id, first_at, last_at)
     select site_id, visitor_key, user_id, to_timestamp(min(at_ms) / 1000), to_timestamp(max(at_ms) / 1000)
     from unnest($1::text[], $2::text[], $3::text[], $4::float8[]) as w(site_id, visitor_key, user_id, at_ms)
     where (select count(*) from identities i where i.user_id = w.user_id) < $5::int
     group by 1, 2, 3
     on conflict (site_id, visitor_key, user_id) do update set
       first_at = least(identities.first_at, excluded.first_at), last_at = greatest(identities.last_at, excluded.last_at)`,
    [...refs(logins), logins.map(({ userId }) => userId), logins.map(({ atMs }) => atMs), visitorsPerUserMax],
  )

/**
 * Says of each session of these visitors whose it is: that of the user it was last used by, else of the user before; what
 * lies before the first login belongs to that login's user. So a shared device is divided at each login.
 */
export const resolvePersons = (tx: Tx, visitors: readonly VisitorRef[]): Promise<number> =>
  tx.execute(
    `with users as (
       select i.site_id, i.visitor_key, count(*) as users
       from unnest($1::text[], $2::text[]) as w(site_id, visitor_key) join identities i using (site_id, visitor_key)
       group by 1, 2),
     known as (
       select s.session_id, s.site_id, s.visitor_key, s.started_at, u.users, i.user_id
       from users u ${sessionsOf('u')}
       left join identities i on i.site_id = s.site_id and i.visitor_key = s.visitor_key and i.user_id = s.user_id),
     spans as (
       select *, count(user_id) over (partition by site_id, visitor_key order by started_at, session_id) as span from known),
     owned as (
       select session_id, site_id, visitor_key, users, span,
              max(user_id) over (partition by site_id, visitor_key, span) as user_id,
              first_value(user_id) over (partition by site_id, visitor_key order by user_id is null, started_at, session_id)
                as first_user
       from spans),
     persons as (
       select session_id, coalesce('user:' || coalesce(user_id, case when users <= $3::int then first_user end),
                                   'visitor:' || site_id || ':' || visitor_key) as person_key
       from owned)
     update sessions s set person_key = p.person_key from persons p
     where s.session_id = p.session_id and s.person_key <> p.person_key`,
    [...refs(visitors), usersPerVisitorMax],
  )

export type TraitRow = { userId: string; name: string; atMs: number; value: string }

/** Notes what a user said, where it differs from what they said before. */
export const writeTraits = (tx: Tx, rows: readonly TraitRow[]): Promise<number> =>
  tx.execute(
    `insert into traits (user_id, name, at, value)
     select distinct on (user_id, name, at_ms) user_id, name, to_timestamp(at_ms / 1000), value
     from unnest($1::text[], $2::text[], $3::float8[], $4::text[]) as w(user_id, name, at_ms, value)
     where value is distinct from (select t.value from traits t where t.user_id = w.user_id and t.name = w.name
                                   and t.at <= to_timestamp(w.at_ms / 1000) order by t.at desc limit 1)
     on conflict (user_id, name, at) do nothing`,
    [
      rows.map(({ userId }) => userId),
      rows.map(({ name }) => name),
      rows.map(({ atMs }) => atMs),
      rows.map(({ value }) => value),
    ],
  )

export type OrderRow = VisitorRef & { orderKey: string; atMs: number; revenueMicros: number; currency: string | null }

/** Notes orders, the first of each that came; resolves to the `site orderKey` of those that were not known. */
export const writeOrders = async (tx: Tx, rows: readonly OrderRow[]): Promise<Set<string>> => {
  const fresh = await tx.query<{ site_id: string; order_key: string }>(
    `insert into orders (site_id, order_key, visitor_key, at, revenue_micros, currency)
     select distinct on (site_id, order_key) site_id, order_key, visitor_key, to_timestamp(at_ms / 1000), revenue_micros, currency
     from unnest($1::text[], $2::text[], $3::text[], $4::float8[], $5::bigint[], $6::text[])
       with ordinality as w(site_id, visitor_key, order_key, at_ms, revenue_micros, currency, place)
     order by site_id, order_key, place
     on conflict (site_id, order_key) do nothing returning site_id, order_key`,
    [
      ...refs(rows),
      rows.map(({ orderKey }) => orderKey),
      rows.map(({ atMs }) => atMs),
      rows.map(({ revenueMicros }) => revenueMicros),
      rows.map(({ currency }) => currency),
    ],
  )
  return new Set(fresh.map(({ site_id, order_key }) => `${site_id} ${order_key}`))
}
