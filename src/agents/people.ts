import type { Tx } from '../db.ts'
import { dayMs, isoOf } from './days.ts'
import { buyersMin, type RfmLimits } from './rfm.ts'
import { msOf } from './session-rows.ts'
import { type BgNbd, fitBgNbd, type History } from './statistics/bg-nbd.ts'
import { wilson } from './statistics/wilson.ts'

/** One person over all that is kept: all their devices and sites together. */
export type PersonRow = {
  person_key: string
  visits: number
  pageviews: number
  engaged_ms: number
  orders: number
  /** Those whose worth is known and in the client's currency, which `revenue_micros` adds up. */
  paid_orders: number
  revenue_micros: number
  stage: number
  first_ms: number
  last_ms: number
  first_order_ms: number | null
  last_order_ms: number | null
  order_visits: number
  first_channel: string
  last_channel: string
  device: string
  sites: string[]
}

/**
 * Up to $1; $2 is the client's currency. Orders in another one count, and their worth, which cannot be added, does not: only
 * orders that are known to be paid in it are added up.
 */
export const peopleQuery = `with paid as (
    select s.person_key, count(*)::int as orders, sum(o.revenue_micros)::bigint as micros
    from orders o join sessions s on s.site_id = o.site_id and s.visitor_key = o.visitor_key
      and o.at between s.started_at and s.ended_at
    where not s.is_bot and s.started_at < $1::timestamptz and o.revenue_micros > 0
      and (o.currency is null or $2::text is null or o.currency = $2::text)
    group by person_key)
  select person_key, count(*)::int as visits, sum(pageviews)::int as pageviews,
    sum(engaged_ms)::bigint as engaged_ms, sum(s.orders)::int as orders,
    coalesce(max(p.orders), 0)::int as paid_orders, coalesce(max(p.micros), 0)::bigint as revenue_micros,
    max(stage)::int as stage, min(started_at) as first_at, max(ended_at) as last_at,
    min(started_at) filter (where s.orders > 0) as first_order, max(started_at) filter (where s.orders > 0) as last_order,
    (count(*) filter (where s.orders > 0))::int as order_visits,
    (array_agg(channel order by started_at))[1] as first_channel,
    (array_agg(channel order by started_at desc))[1] as last_channel,
    (array_agg(device order by started_at desc))[1] as device, array_agg(distinct site_id) as sites
  from sessions s left join paid p using (person_key)
  where not is_bot and started_at < $1::timestamptz group by person_key`

/** What most orders of a client are paid in, over all sites; the first in the alphabet among equals. */
export const selectCurrency = async (tx: Tx): Promise<string | undefined> => {
  const [row] = await tx.query<{ currency: string }>(
    `select currency from orders where currency is not null group by 1 order by count(*) desc, currency limit 1`,
  )
  return row?.currency
}

/** Sums up everybody into a table of this transaction, which the functions below read. */
export const gatherPeople = async (tx: Tx, untilMs: number, currency: string | undefined): Promise<void> => {
  // A utility statement takes no parameters; the instant is written by us, and a currency is three letters (readOrder).
  const query = peopleQuery
    .replaceAll('$1', `'${isoOf(untilMs)}'`)
    .replaceAll('$2', currency && /^[A-Z]{3}$/.test(currency) ? `'${currency}'` : 'null')
  await tx.execute(`create temp table people on commit drop as ${query}`)
  await tx.execute('create index on people (person_key)')
  await tx.execute('analyze people')
}

const pageRows = 5_000
const rowColumns = `person_key, visits, pageviews, engaged_ms, orders, paid_orders, revenue_micros, stage, ${msOf('first_at')} as first_ms,
  ${msOf('last_at')} as last_ms, ${msOf('first_order')} as first_order_ms, ${msOf('last_order')} as last_order_ms,
  order_visits, first_channel, last_channel, device, sites`

export const readPeople = async function* (tx: Tx): AsyncGenerator<PersonRow[], void> {
  for (let after = ''; ; ) {
    const rows: PersonRow[] = await tx.query<PersonRow>(
      `select ${rowColumns} from people where person_key > $1::text order by person_key limit ${pageRows}`,
      [after],
    )
    if (rows.length > 0) yield rows
    const last = rows.at(-1)
    if (!last || rows.length < pageRows) return
    after = last.person_key
  }
}

/** Identified people, those seen last first. */
export const selectCustomers = (tx: Tx, most: number): Promise<PersonRow[]> =>
  tx.query<PersonRow>(
    `select ${rowColumns} from people where person_key like 'user:%' order by last_at desc, person_key limit $1::int`,
    [most],
  )

/** Limits of the quintiles over all buyers; null with too few of them. */
export const selectRfmLimits = async (tx: Tx, untilMs: number): Promise<RfmLimits | null> => {
  const quintiles = 'percentile_cont(array[0.2, 0.4, 0.6, 0.8]) within group'
  const [row] = await tx.query<{ buyers: number } & RfmLimits>(
    `select count(*)::int as buyers,
            ${quintiles} (order by -extract(epoch from $1::timestamptz - last_order)::float8 / 86400) as recency,
            ${quintiles} (order by orders::float8) as frequency,
            ${quintiles} (order by revenue_micros::float8 / 1e6) as monetary
     from people where orders > 0`,
    [isoOf(untilMs)],
  )
  return row && row.buyers >= buyersMin ? row : null
}

const weekDays = 7
/** A model of repeat orders needs time in which they could come. */
const historyDaysMin = 42

/** The BG/NBD model of this shop's buyers; null with too few of them, or too short a history. */
export const fitCustomers = async (tx: Tx, untilMs: number): Promise<BgNbd | null> => {
  const [range] = await tx.query<{ days: number | null }>(
    'select extract(epoch from $1::timestamptz - min(first_at))::float8 / 86400 as days from people',
    [isoOf(untilMs)],
  )
  if ((range?.days ?? 0) < historyDaysMin) return null
  const rows = await tx.query<{ x: number; tx: number; age: number; people: number }>(
    `select order_visits - 1 as x, round(extract(epoch from last_order - first_order) / 86400)::float8 as tx,
            round(extract(epoch from $1::timestamptz - first_order) / 86400)::float8 as age, count(*)::int as people
     from people where orders > 0 group by 1, 2, 3 order by 1, 2, 3`,
    [isoOf(untilMs)],
  )
  return fitBgNbd(
    rows.flatMap(({ x, tx: last, age, people }) =>
      Array.from({ length: people }, (): History => ({ x, tx: last / weekDays, age: age / weekDays })),
    ),
  )
}

/** The order history of a buyer in weeks, as the model reads it. */
export const historyOf = (row: PersonRow, untilMs: number): History | null =>
  row.first_order_ms === null || row.last_order_ms === null
    ? null
    : {
        x: row.order_visits - 1,
        tx: (row.last_order_ms - row.first_order_ms) / dayMs / weekDays,
        age: (untilMs - row.first_order_ms) / dayMs / weekDays,
      }

/** How likely an order is within the horizon, by what became of people who stood as this one does now. */
export type Propensity = { share: number; low: number; high: number; n: number }
export type PropensityTable = { get(row: PersonRow): Propensity | null }

export const propensityDays = 14
const cellPeopleMin = 30

const bucketOf = (value: number, limits: readonly number[]): number => limits.filter((limit) => value > limit).length
const visitLimits = [1, 2, 4] as const
const recencyLimits = [3, 7, 14, 30] as const

/**
 * Looks at everybody as they stood two weeks before the end (visits, how far they came, days since the last visit), and
 * counts who ordered in those two weeks. No model: a share of people who were alike, with its interval and their number.
 */
export const learnPropensity = async (tx: Tx, untilMs: number): Promise<PropensityTable> => {
  const cutMs = untilMs - propensityDays * dayMs
  const rows = await tx.query<{ visits: number; stage: number; recency: number; people: number; bought: number }>(
    `with past as (
       select person_key, count(*)::int as visits, max(stage)::int as stage,
              floor(extract(epoch from $1::timestamptz - max(ended_at)) / 86400)::int as recency
       from sessions where not is_bot and started_at < $1::timestamptz group by 1),
     bought as (
       select distinct person_key from sessions
       where not is_bot and orders > 0 and started_at >= $1::timestamptz and started_at < $2::timestamptz)
     select p.visits, p.stage, p.recency, count(*)::int as people, count(b.person_key)::int as bought
     from past p left join bought b using (person_key) group by 1, 2, 3`,
    [isoOf(cutMs), isoOf(untilMs)],
  )
  const cells = new Map<string, { people: number; bought: number }>()
  const keyOf = (visits: number, stage: number, recency: number): string =>
    `${bucketOf(visits, visitLimits)} ${stage} ${bucketOf(recency, recencyLimits)}`
  for (const row of rows) {
    const key = keyOf(row.visits, row.stage, row.recency)
    const cell = cells.get(key) ?? { people: 0, bought: 0 }
    cells.set(key, cell)
    cell.people += row.people
    cell.bought += row.bought
  }
  return {
    get(row) {
      const cell = cells.get(keyOf(row.visits, row.stage, Math.floor((untilMs - row.last_ms) / dayMs)))
      if (!cell || cell.people < cellPeopleMin) return null
      return { share: cell.bought / cell.people, ...wilson(cell.bought, cell.people), n: cell.people }
    },
  }
}
