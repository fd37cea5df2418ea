import { type Micros, microsOfUsd, proRata, startedBlocks } from './money.ts'
import type { Plan, PlansFile, Terms } from './plans.ts'

/** What is billed of a period: of approved domains only, unless the terms say otherwise. */
export type Billable = { events: number; pageviews: number; domains: number }
export type Line = { item: string; quantity: number; amountMicros: Micros }

/**
 * The lines of a bill. Each is rounded once, half up, to the micro-dollar; their sum is the total. Quantities are whole
 * numbers: months, domains, pageviews or events, or started blocks.
 */
export const priceLines = (terms: Terms, usage: Billable): Line[] => [
  ...planLines(terms.plan, terms.terms, usage),
  ...terms.addons.map((addon) => ({
    item: `addon ${addon.name}`,
    quantity: 1,
    amountMicros: microsOfUsd(addon.monthly_usd),
  })),
]

export const totalOf = (lines: readonly Line[]): Micros => lines.reduce((sum, line) => sum + line.amountMicros, 0n)

const planLines = (name: string, plan: Plan, usage: Billable): Line[] => {
  const { overage, meter } = plan
  const [price, per] = [microsOfUsd(overage.usd), BigInt(overage.per)]
  const units = usage[meter]
  const over = Math.max(0, units - plan.included)
  const isPerBlock = overage.blocks === 'started'
  const priceOf = isPerBlock ? startedBlocks : proRata
  const unit = plan.included > 0 ? `${meter} above ${plan.included}` : meter
  return [
    { item: `plan ${name}`, quantity: 1, amountMicros: microsOfUsd(plan.monthly_usd) },
    {
      item: isPerBlock ? `${unit}, started blocks of ${overage.per}` : `${unit}, at $${overage.usd} per ${overage.per}`,
      quantity: isPerBlock ? Math.ceil(over / overage.per) : over,
      amountMicros: priceOf(BigInt(over), price, per),
    },
    {
      item: 'domains',
      quantity: usage.domains,
      amountMicros: BigInt(usage.domains) * microsOfUsd(plan.per_domain_usd),
    },
  ]
}

export type Advice = { plan: string; amountMicros: Micros; savesMicros: Micros }

/**
 * The plan that would have cost least for this usage, when it is another one; among plans with the same meter, because
 * pageviews and events are different products. Add-ons cost the same everywhere, so they do not count.
 */
export const adviceFor = (plans: PlansFile, terms: Terms, usage: Billable): Advice | null => {
  const own = totalOf(planLines(terms.plan, terms.terms, usage))
  const others = Object.entries(plans.plans)
    .filter(([name, plan]) => name !== terms.plan && plan.meter === terms.terms.meter)
    .map(([name, plan]) => ({ plan: name, amountMicros: totalOf(planLines(name, plan, usage)) }))
    .filter((one) => one.amountMicros < own)
    .sort((a, b) => (a.amountMicros < b.amountMicros ? -1 : a.amountMicros > b.amountMicros ? 1 : 0))
  const [best] = others
  return best ? { ...best, savesMicros: own - best.amountMicros } : null
}

/** A forecast says nothing before this much of the period has passed. */
const forecastElapsedMsMin = 24 * 3600 * 1000

/** Usage of the whole period if it goes on as it did so far; null in the first day. */
export const forecastOf = (
  usage: Billable,
  period: { startsMs: number; endsMs: number },
  nowMs: number,
): Billable | null => {
  const elapsedMs = Math.min(nowMs, period.endsMs) - period.startsMs
  if (elapsedMs < forecastElapsedMsMin) return null
  const whole = (units: number): number =>
    Number((BigInt(units) * BigInt(period.endsMs - period.startsMs)) / BigInt(elapsedMs))
  return { events: whole(usage.events), pageviews: whole(usage.pageviews), domains: usage.domains }
}
