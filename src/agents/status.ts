import type { Queryable } from '../db.ts'
import { countUnread } from './read-batches.ts'
import { type RunRow, selectAsOf, selectLastRuns } from './run-rows.ts'

export type AgentsStatus = {
  unread: { batches: number; events: number }
  /** The latest moment that the figures reach. */
  as_of: string | null
  kept: { sessions: number; visitors: number; users: number; facts: number }
  reports: Record<string, number>
  open_alerts: { alert_id: string; site: string; funnel: string; severity: string; opened_at: string }[]
  /** Texts that a model wrote and that are kept; and sets of facts about which it had none that holds. */
  texts: { kept: number; refused: number }
  runs: RunRow[]
}

const runsShown = 5

/** What was read, what waits, and what is wrong. */
export const selectStatus = async (db: Queryable): Promise<AgentsStatus> => {
  const [kept] = await db.query<AgentsStatus['kept']>(
    `select (select count(*) from sessions) as sessions, (select count(*) from visitors) as visitors,
            (select count(distinct user_id) from identities) as users, (select count(*) from facts) as facts`,
  )
  const reports = await db.query<{ kind: string; count: number }>(
    'select kind, count(*) as count from reports group by 1 order by 1',
  )
  const asOfMs = await selectAsOf(db)
  return {
    unread: await countUnread(db),
    as_of: asOfMs === null ? null : new Date(asOfMs).toISOString(),
    kept: kept ?? { sessions: 0, visitors: 0, users: 0, facts: 0 },
    reports: Object.fromEntries(reports.map(({ kind, count }) => [kind, count])),
    open_alerts: await db.query(
      `select alert_id, site_id as site, funnel_id as funnel, severity,
              to_char(opened_at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as opened_at
       from dropoff_alerts where state = 'open' order by opened_at, alert_id`,
    ),
    texts: await selectTexts(db),
    runs: await selectLastRuns(db, runsShown),
  }
}

const selectTexts = async (db: Queryable): Promise<AgentsStatus['texts']> => {
  const [row] = await db.query<AgentsStatus['texts']>(
    'select count(body) as kept, count(*) - count(body) as refused from narratives',
  )
  return row ?? { kept: 0, refused: 0 }
}
