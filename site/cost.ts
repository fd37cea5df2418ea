/** What the calculator knows of a plan: what `plans.yaml` says, as numbers of micro-dollars. */
export type SitePlan = {
  name: string
  monthlyMicros: number
  meter: 'pageviews' | 'events'
  included: number
  overMicros: number
  per: number
  /** Overage by the block that was begun, rather than pro rata. */
  isPerBlock: boolean
}
export type Cost = { name: string; micros: number }

/** The monthly cost in each plan, cheapest first. Overage as the bill has it: pro rata, rounded half up to the micro-dollar, or by started block. */
export const costs = (plans: readonly SitePlan[], usage: { pageviews: number; events: number }): Cost[] =>
  plans
    .map((plan) => {
      const over = Math.max(0, usage[plan.meter] - plan.included)
      return { name: plan.name, micros: plan.monthlyMicros + overageOf(plan, over) }
    })
    .sort((a, b) => a.micros - b.micros)

/** In whole numbers beyond what a double holds: millions of pageviews times micro-dollars. */
const overageOf = ({ overMicros, per, isPerBlock }: SitePlan, over: number): number => {
  const [units, price, block] = [BigInt(over), BigInt(overMicros), BigInt(per)]
  return Number(isPerBlock ? ((units + block - 1n) / block) * price : (units * price * 2n + block) / (block * 2n))
}

/** `2,000,000`, `2 million`, `2m`, `10k` as a whole number; undefined for what is none. */
export const readCount = (text: string): number | undefined => {
  const match = /^([\d.,\s]+)\s*(k|thousand|m|million)?$/i.exec(text.trim())
  if (!match) return undefined
  const [, digits = '', unit = ''] = match
  const factor = /^k|^t/i.test(unit) ? 1e3 : /^m/i.test(unit) ? 1e6 : 1
  const plain = factor === 1 ? digits.replace(/[.,\s]/g, '') : digits.replace(/[,\s]/g, '')
  const value = Math.round(Number(plain) * factor)
  return plain !== '' && Number.isFinite(value) && value <= 1e12 ? value : undefined
}

export const dollars = (micros: number): string =>
  `$${(micros / 1e6).toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`
