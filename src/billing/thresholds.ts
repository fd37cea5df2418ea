import { insertOutbox } from '../outbox.ts'
import { selectLeader } from './close-periods.ts'
import { type ReportDeps, reportUsage } from './report.ts'
import { thresholdKey } from './told-thresholds.ts'

type Deps = ReportDeps & { nodeId: string; nowMs: number }

/**
 * Writes `usage.threshold_reached` for every share of the included usage that the running month has passed; once for each
 * month and share, because the id derives from them. Only by the node that computes money. Plans without an included
 * amount have no thresholds.
 */
export const checkThresholds = async (deps: Deps): Promise<void> => {
  const report = await reportUsage(deps, undefined, deps.nowMs)
  const { meter, included, billable: units } = report
  const reached = report.thresholds.filter((one) => one.reached && one.told_at === null)
  if (reached.length === 0) return
  await deps.db.transaction(async (tx) => {
    if ((await selectLeader(tx, deps.nodeId)) !== deps.nodeId) return
    for (const { percent } of reached)
      await insertOutbox(tx, {
        ...{ clientId: deps.clientId, nodeId: deps.nodeId, type: 'usage.threshold_reached', occurredMs: deps.nowMs },
        key: thresholdKey(report.month, percent),
        data: {
          ...{ month: report.month, percent, meter, used: units, included },
          ...{ plan: report.plan, amount_usd: report.amount_usd, forecast: report.forecast, advice: report.advice },
        },
      })
  })
}
