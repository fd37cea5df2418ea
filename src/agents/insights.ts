import { changeOf } from './clear-change.ts'
import type { Fact } from './fact.ts'
import { hash16 } from './make-fact.ts'
import type { DayReport, Insight, Severity } from './report.ts'

/** Changes against the same weekday from which a figure is news: as a share, and in cases. */
const changeMin = 0.25
const casesMin = 30
const changesMax = 6

/** What is worth a note about a day by itself: tracking that is not in order, and figures that are unlike the weekday's. */
export const insightsOf = (report: DayReport): Insight[] => {
  const { rawSite, day, quality, totals, isComplete } = report
  const insight = (kind: Insight['kind'], severity: Severity, facts: readonly Fact[]): Insight => ({
    id: `i_${hash16(JSON.stringify([rawSite, day, kind]))}`,
    ...{ rawSite, day, kind, severity, facts, quality },
  })
  const wrong = quality.checks.filter(({ level }) => level === 'red' || level === 'amber').map(({ fact }) => fact)
  const isJudged = isComplete && !quality.vetoes.includes('judgement')
  const changed = isJudged
    ? [totals.sessions, totals.visitors, totals.newVisitors, totals.orders, totals.revenue, totals.conversionRate]
        .filter((one) => {
          const { value, compare, n, unit, interval } = one
          if (value === null || !compare || compare.value === 0) return false
          if (Math.abs(value / compare.value - 1) < changeMin || changeOf(one) === 'unclear') return false
          if (interval) return n >= casesMin
          // Money is as many cases as the orders that brought it.
          const { orders } = totals
          const [cases, before] =
            unit === 'count' ? [n, compare.value] : [orders.value ?? 0, orders.compare?.value ?? 0]
          return Math.max(cases, before) >= casesMin
        })
        .slice(0, changesMax)
    : []
  return [
    ...(wrong.length > 0 ? [insight('tracking_quality', quality.level === 'red' ? 'critical' : 'warning', wrong)] : []),
    ...(changed.length > 0 ? [insight('what_changed', 'info', changed)] : []),
  ]
}
