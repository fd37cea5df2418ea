import type { Queryable } from '../../db.ts'
import { isoText } from '../read-route.ts'

export type AlertNews = {
  state: 'raised' | 'cleared'
  alert: string
  subject: string
  severity: string
  text: string
  raised_at: string
}
type Open = { id: number } & Omit<AlertNews, 'state'>

/** Finds alerts that were raised or cleared since the last look: those that are open are few. The first look finds nothing. */
export const createAlertWatch = (db: Queryable) => {
  let known: Map<number, Open> | undefined
  return {
    async look(): Promise<AlertNews[]> {
      const rows = await db.query<Open>(
        `select alert_id as id, alert, subject, severity, text, ${isoText('raised_at')} as raised_at
         from alerts where cleared_at is null order by alert_id limit 500`,
      )
      const before = known
      known = new Map(rows.map((row) => [row.id, row]))
      if (!before) return []
      const news = (state: AlertNews['state'], { id: _id, ...alert }: Open): AlertNews => ({ state, ...alert })
      return [
        ...rows.filter(({ id }) => !before.has(id)).map((row) => news('raised', row)),
        ...[...before.values()].filter(({ id }) => !known?.has(id)).map((row) => news('cleared', row)),
      ]
    },
  }
}
