import type { Fact } from './fact.ts'
import { factsIn } from './make-fact.ts'
import type { FunnelSummary } from './report.ts'

/**
 * A stored report, with a mark on what counts visitors in it: numbers and shares of the funnels that say so. Done where it
 * is read, so that reports of earlier versions have the mark, too.
 */
export const withVisitorsMarked = <T extends object>(report: T, funnels: readonly FunnelSummary[]): T => {
  const counting = new Set(funnels.flatMap(({ counts, funnelId }) => (counts === 'visitors' ? [funnelId] : [])))
  if (counting.size > 0)
    for (const fact of factsIn(report))
      if (counting.has(fact.dims.funnel ?? '') && countsFollowed(fact)) Object.assign(fact, { countsVisitors: true })
  return report
}

/** Whether it is a number, or a share, of those who are followed through a funnel. */
export const countsFollowed = ({ metric, unit }: Fact): boolean =>
  /^(?:step_|funnel_|transition$|dropoff_)/.test(metric) && (unit === 'count' || unit === 'share' || unit === 'points')
