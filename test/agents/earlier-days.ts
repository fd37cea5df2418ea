import type { DayTotalsRow } from '../../src/agents/day-totals.ts'
import { addDays, type Day } from '../../src/agents/days.ts'
import { definitionOf, loadFunnels } from '../../src/agents/funnel-file.ts'
import type { FunnelCell } from '../../src/agents/funnel-tally.ts'
import type { Db } from '../../src/db.ts'

export type StoredDay = { totals?: Partial<DayTotalsRow>; cells?: FunnelCell[]; types?: [string, number][] }

/** Days of a site as the engine keeps them, without the events that they were made of: `dayOf` tells them from the last one backwards. */
export const storeJudgeableDays = async (
  db: Db,
  siteId: string,
  last: Day,
  count: number,
  dayOf: (back: number) => StoredDay,
): Promise<void> => {
  const funnel = loadFunnels('/nowhere').funnels.find(({ id }) => id === 'shop')
  if (!funnel) throw new Error('There is no funnel "shop".')
  for (let back = 0; back < count; back++) {
    const { totals, cells = [], types = [] } = dayOf(back)
    const day = addDays(last, -back)
    const row: DayTotalsRow = {
      ...{
        sessions: 500,
        visitors: 450,
        newVisitors: 300,
        orders: 50,
        paidOrders: 50,
        ordering: 10,
        paying: 10,
        converted: 50,
      },
      ...{ revenueMicros: 1_000e6, usedFunnels: ['shop'], sent: 0, arrived: 0, level: 'green', isComplete: true },
      ...totals,
    }
    await db.execute(
      `insert into site_days (site_id, day, events, types, is_stale, totals)
       values ($1::text, $2::date, 5000, $3::json, false, $4::json)`,
      [siteId, day, JSON.stringify(types), JSON.stringify(row)],
    )
    await db.execute(
      `insert into funnel_days (site_id, funnel_id, day, definition, cells)
       values ($1::text, 'shop', $2::date, $3::text, $4::json)`,
      [siteId, day, definitionOf(funnel), JSON.stringify(cells)],
    )
  }
}

/** Sessions of one kind by how far they came: visit, product, cart, checkout, order. */
export const cell = (device: string, entered: number[], channel = 'direct', kind = 'new'): FunnelCell => [
  ...([12, device, channel, kind] as const),
  entered,
]
