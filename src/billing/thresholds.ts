import type { Db } from '../db.ts'
import { insertOutbox } from '../outbox.ts'
import { selectLeader } from './close-periods.ts'
import { type ReportDeps, reportUsage } from './report.ts'

type Deps = ReportDeps & { db: Db; clientId: string; nodeId: string; nowMs: number }

/**
 * Writes `usage.threshold_reached` for every share of the included usage that the running month has passed; once for each
 * month and share, because the id derives from them. Only by the node that computes money. Plans without an included
 * amount have no thresholds.
 */
export const checkThresholds = async (deps: Deps): Promise<void> => {
  const report = await reportUsage(deps, undefined, deps.nowMs)
  const { meter, included, billable: units } = report
  if (included === 0) return
  const reached = deps.plans.thresholds_percent.filter((percent) => units * 100 >= included * percent)
  if (reached.length === 0) return
  await deps.db.transaction(async (tx) => {
    if ((await selectLeader(tx, deps.nodeId)) !== deps.nodeId) return
    for (const percent of reached)
      await insertOutbox(tx, {
        ...{ clientId: deps.clientId, nodeId: deps.nodeId, type: 'usage.threshold_reached', occurredMs: deps.nowMs },
        key: `${report.month}/${percent}`,
        data: {
          ...{ month: report.month, percent, meter, used: units, included },
          ...{ plan: report.plan, amount_usd: report.amount_usd, forecast: report.forecast, advice: report.advice },
        },
      })
  })
}
