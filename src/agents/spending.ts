import type { Act } from './session.ts'

/** `paidOrders`: those whose worth is known and in the currency, which `revenueMicros` adds up. */
export type Spending = { paidOrders: number; revenueMicros: number }

const isPurchase = ({ type }: Act): boolean => type === 'purchase'

/** Amounts in another currency cannot be added: such orders count, and their worth does not. */
export const worthIn = ({ revenueMicros = 0, currency: paidIn }: Act, currency: string | undefined): number =>
  paidIn === undefined || currency === undefined || paidIn === currency ? revenueMicros : 0

export const spendingOf = (acts: readonly Act[], currency: string | undefined): Spending => {
  const worth = acts
    .filter(isPurchase)
    .map((act) => worthIn(act, currency))
    .filter((micros) => micros > 0)
  return { paidOrders: worth.length, revenueMicros: worth.reduce((sum, micros) => sum + micros, 0) }
}

/** The currency of most of these orders, of the first in the alphabet among equals; `otherwise` where none says it. */
export const currencyOf = (acts: readonly Act[], otherwise: string | undefined): string | undefined => {
  const orders = new Map<string, number>()
  for (const { currency } of acts.filter(isPurchase))
    if (currency !== undefined) orders.set(currency, (orders.get(currency) ?? 0) + 1)
  const [most] = [...orders].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
  return most?.[0] ?? otherwise
}
