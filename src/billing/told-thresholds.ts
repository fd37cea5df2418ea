import type { Queryable } from '../db.ts'
import { outboxEventId } from '../outbox.ts'
import type { Month } from './calendar.ts'
import type { PlansFile } from './plans.ts'

/** A share of what the plan includes: how many units that is, whether they are used, and when webhooks were told. */
export type Threshold = { percent: number; units: number; reached: boolean; told_at: string | null }

/** The id of a threshold's event derives from this: each is told once a month. */
export const thresholdKey = (month: Month, percent: number): string => `${month}/${percent}`

/** The thresholds of a month, the lowest first, and what became of each; none where the plan includes nothing. */
export const selectThresholds = async (
  db: Queryable,
  { thresholds_percent: percents }: PlansFile,
  { clientId, month, used, included }: { clientId: string; month: Month; used: number; included: number },
): Promise<Threshold[]> => {
  if (included === 0) return []
  const idOf = (percent: number): string =>
    outboxEventId({ clientId, type: 'usage.threshold_reached', key: thresholdKey(month, percent) })
  const told = await db.query<{ id: string; at: string }>(
    `select event_id as id, to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as at
     from outbox where event_id = any($1::text[])`,
    [percents.map(idOf)],
  )
  return [...percents]
    .sort((a, b) => a - b)
    .map((percent) => ({
      ...{ percent, units: Math.ceil((included * percent) / 100), reached: used * 100 >= included * percent },
      told_at: told.find(({ id }) => id === idOf(percent))?.at ?? null,
    }))
}
