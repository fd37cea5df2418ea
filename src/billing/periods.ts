import type { Queryable, Tx } from '../db.ts'
import { addMonths, type Month, monthAt, monthStart } from './calendar.ts'
import { type Terms, termsSchema } from './plans.ts'
import type { Range } from './usage.ts'

export type Period = Range & { month: Month; timeZone: string; terms: Terms }

type Row = { month: string; timeZone: string; startsMs: number; endsMs: number; terms: unknown }
const columns = `month, timezone as "timeZone", terms, (extract(epoch from starts_at) * 1000)::bigint as "startsMs",
  (extract(epoch from ends_at) * 1000)::bigint as "endsMs"`
const periodOf = (row: Row): Period => ({ ...row, terms: termsSchema.parse(row.terms) })

export const selectPeriods = async (db: Queryable): Promise<Period[]> =>
  (await db.query<Row>(`select ${columns} from billing_periods order by starts_at`)).map(periodOf)

export const selectPeriod = async (db: Queryable, month: Month): Promise<Period | undefined> => {
  const [row] = await db.query<Row>(`select ${columns} from billing_periods where month = $1::text`, [month])
  return row && periodOf(row)
}

export const insertPeriod = (db: Queryable, period: Period): Promise<number> =>
  db.execute(
    `insert into billing_periods (month, timezone, starts_at, ends_at, terms)
     values ($1::text, $2::text, to_timestamp($3::float8 / 1000), to_timestamp($4::float8 / 1000), $5::jsonb)
     on conflict do nothing`,
    [period.month, period.timeZone, period.startsMs, period.endsMs, JSON.stringify(period.terms)],
  )

/**
 * The period of a month, were it to begin now. It starts where the one before it ended, whatever zone that had: so every
 * instant is in exactly one period also when the zone changes, and the first month after a change is a little longer or
 * shorter than its calendar month.
 */
const periodFor = (month: Month, timeZone: string, terms: Terms, startsMs?: number): Period => ({
  ...{ month, timeZone, terms },
  startsMs: startsMs ?? monthStart(month, timeZone),
  endsMs: monthStart(addMonths(month, 1), timeZone),
})

/**
 * Makes the periods from the earliest usage to now that do not exist yet. A period that exists keeps zone, bounds and
 * terms: a change of BILLING_TIMEZONE or BILLING_PLAN counts from the next period on. Months before the first known
 * period, which appear when an earlier life or another node is found, end where that one begins.
 */
export const ensurePeriods = async (
  tx: Tx,
  wanted: { timeZone: string; terms: Terms; nowMs: number; earliestMs: number | null },
): Promise<void> => {
  const { timeZone, terms, nowMs } = wanted
  const known = await selectPeriods(tx)
  let last = known.at(-1)
  if (!last) {
    last = periodFor(monthAt(nowMs, timeZone), timeZone, terms)
    await insertPeriod(tx, last)
  }
  while (last.endsMs <= nowMs) {
    last = periodFor(addMonths(last.month, 1), timeZone, terms, last.endsMs)
    await insertPeriod(tx, last)
  }
  let first = known[0] ?? (await selectPeriods(tx))[0]
  while (first && wanted.earliestMs !== null && wanted.earliestMs < first.startsMs) {
    const before: Period = { ...periodFor(addMonths(first.month, -1), timeZone, terms), endsMs: first.startsMs }
    await insertPeriod(tx, before)
    first = before
  }
}
