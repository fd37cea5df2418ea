import { type CustomerVisit, groupBy } from './customer-visits.ts'
import { type Calendar, mondayOf } from './days.ts'
import type { Judgement, Yardstick } from './judge-person.ts'
import type { FactMaker } from './make-fact.ts'
import { type PersonRow, propensityDays } from './people.ts'
import type { CustomerFigures, CustomerProfile } from './report.ts'
import { type Spending, spendingOf } from './spending.ts'

export const figuresOf = (
  facts: FactMaker,
  row: PersonRow,
  judged: Judgement,
  { model, rfm }: Yardstick,
  { paidOrders, revenueMicros }: Spending,
): CustomerFigures => {
  const { rfm: scores, alive, expected, propensity } = judged
  const score = (metric: 'rfm_recency' | 'rfm_frequency' | 'rfm_monetary', value: number | undefined) =>
    facts.fact(metric, value ?? null, {
      ...{ unit: 'score', n: row.orders, method: 'rfm_quintiles' },
      ...(value === undefined && { notEnoughHistory: rfm ? 'No order yet.' : 'Too few buyers for quintiles.' }),
    })
  const noModel = 'Too few buyers with repeat orders, or too short a history.'
  return {
    visits: facts.count('visits', row.visits),
    pageviews: facts.count('pageviews', row.pageviews),
    engagedSeconds: facts.fact('engaged_seconds', row.engaged_ms / 1000, {
      unit: 'seconds',
      n: row.visits,
      method: 'sum',
    }),
    orders: facts.count('orders', row.orders),
    lifetimeValue: facts.money('lifetime_value', revenueMicros, paidOrders),
    averageOrderValue: facts.money(
      'average_order_value',
      paidOrders === 0 ? null : revenueMicros / paidOrders,
      paidOrders,
    ),
    recencyDays: facts.fact('recency_days', judged.recencyDays, { unit: 'days', n: row.visits, method: 'difference' }),
    rfmRecency: score('rfm_recency', scores?.recency),
    rfmFrequency: score('rfm_frequency', scores?.frequency),
    rfmMonetary: score('rfm_monetary', scores?.monetary),
    probabilityAlive: facts.fact('probability_alive', alive, {
      ...{ unit: 'share', n: row.orders, method: 'bg_nbd' },
      ...(alive === null && { notEnoughHistory: model ? 'No repeat order yet.' : noModel }),
    }),
    expectedOrders: facts.fact('expected_orders', expected, {
      ...{ n: row.orders, method: 'bg_nbd' },
      ...(expected === null && { notEnoughHistory: model ? 'No order yet.' : noModel }),
    }),
    propensity: facts.fact('propensity', propensity?.share ?? null, {
      ...{ unit: 'share', n: propensity?.n ?? 0, method: `alike_people_within_${propensityDays}_days` },
      ...(propensity && { interval: { low: propensity.low, high: propensity.high, level: 0.95 } }),
      ...(!propensity && { notEnoughHistory: 'Too few people who were alike.' }),
    }),
  }
}

export const weeksOf = (
  facts: FactMaker,
  calendar: Calendar,
  visits: readonly CustomerVisit[],
  currency: string | undefined,
): CustomerProfile['weeks'] =>
  [...groupBy(visits, ({ started }) => mondayOf(calendar.dayOf(started)))]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([week, own]) => {
      const sum = (value: (visit: CustomerVisit) => number): number => own.reduce((all, one) => all + value(one), 0)
      const spending = spendingOf(
        own.flatMap(({ acts }) => acts),
        currency,
      )
      return {
        week,
        visits: facts.count('visits', own.length, { week }),
        engagedSeconds: facts.fact('engaged_seconds', sum((one) => one.engaged_ms) / 1000, {
          ...{ unit: 'seconds', n: own.length, dims: { week }, method: 'sum' },
        }),
        orders: facts.count(
          'orders',
          sum((one) => one.orders),
          { week },
        ),
        revenue: facts.money('revenue', spending.revenueMicros, spending.paidOrders, { week }),
      }
    })
