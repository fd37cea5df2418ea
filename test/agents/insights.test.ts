import t from 'tap'
import { insightsOf } from '../../src/agents/insights.ts'
import { createFacts } from '../../src/agents/make-fact.ts'
import type { DayReport } from '../../src/agents/report.ts'

const facts = createFacts({ dims: { site: 's' }, fromMs: 0, toMs: 86_400_000, query: 'q' })
const basis = 'median of the same weekday'

t.test('a figure is news only where there are cases enough, and more than chance', (t) => {
  const changed = (orders: number, ordersBefore: number, dollars: number, sessions: number): string[] => {
    const to = (value: number) => ({ value, n: value, basis, days: [value, value, value] })
    const count = (metric: 'sessions' | 'visitors' | 'orders', value: number, before: number) =>
      facts.count(metric, value, {}, { compare: to(before) })
    const report = {
      ...{ rawSite: 's', day: '2026-11-20', isComplete: true, quality: { level: 'green', checks: [], vetoes: [] } },
      totals: {
        ...{ sessions: count('sessions', sessions, sessions), visitors: count('visitors', sessions, sessions) },
        newVisitors: count('visitors', sessions, sessions),
        orders: count('orders', orders, ordersBefore),
        revenue: facts.money(
          'revenue',
          dollars * 1e6,
          orders,
          {},
          { compare: { ...to((dollars * ordersBefore) / orders), grain: dollars / orders } },
        ),
        conversionRate: facts.share('conversion_rate', orders, sessions, {}, { compare: to(ordersBefore / sessions) }),
      },
    } as unknown as DayReport
    return insightsOf(report).flatMap((insight) => insight.facts.map(({ metric }) => metric))
  }
  t.same(changed(8, 5, 1_280, 51), [], 'eight orders are no news, however many dollars they are')
  t.same(changed(80, 50, 12_800, 510), ['orders', 'revenue', 'conversion_rate'])
  t.same(changed(40, 30, 6_400, 2_000), [], 'a third more is what chance does with thirty orders')
  t.end()
})
