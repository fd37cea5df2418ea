import { logChoose, logGamma } from './log-gamma.ts'

/** Two-by-two counts: with and without a trait, in whom the outcome came and in whom it did not. */
export type Table = { withTrait: { yes: number; no: number }; without: { yes: number; no: number } }

/** The odds ratio with `prior` added to each cell, so that an empty cell gives a finite, cautious answer. */
export const oddsRatio = ({ withTrait, without }: Table, prior = 1): number =>
  ((withTrait.yes + prior) * (without.no + prior)) / ((withTrait.no + prior) * (without.yes + prior))

/**
 * Pearson's chi-square with Yates' correction as a two-sided p-value for large tables, Fisher's exact test (two-sided, by
 * likelihood) for those whose smallest expected count is below 50.
 */
export const associationP = (table: Table): number => {
  const { withTrait, without } = table
  const rows = [withTrait.yes + withTrait.no, without.yes + without.no] as const
  const columns = [withTrait.yes + without.yes, withTrait.no + without.no] as const
  const n = rows[0] + rows[1]
  if (n === 0 || rows.includes(0) || columns.includes(0)) return 1
  const least = (Math.min(...rows) * Math.min(...columns)) / n
  if (least < 50) return fisher(withTrait.yes, rows[0], columns[0], n)
  const difference = Math.abs(withTrait.yes * without.no - withTrait.no * without.yes)
  const chi2 = (n * Math.max(0, difference - n / 2) ** 2) / (rows[0] * rows[1] * columns[0] * columns[1])
  return chiSquareUpperTail(chi2, 1)
}

const fisher = (x: number, row: number, column: number, n: number): number => {
  const mass = (k: number): number =>
    Math.exp(logChoose(column, k) + logChoose(n - column, row - k) - logChoose(n, row))
  const most = mass(x) * (1 + 1e-7)
  let sum = 0
  for (let k = Math.max(0, row + column - n); k <= Math.min(row, column); k++) {
    const one = mass(k)
    if (one <= most) sum += one
  }
  return Math.min(1, sum)
}

/** P(X ≥ x) of the chi-square distribution: the regularized upper incomplete gamma function Q(k/2, x/2). */
export const chiSquareUpperTail = (x: number, degrees: number): number => {
  if (x <= 0 || degrees <= 0) return 1
  return upperGamma(degrees / 2, x / 2)
}

/** Series below a + 1, continued fraction (Lentz) above: Numerical Recipes, 6.2. */
const upperGamma = (a: number, x: number): number => {
  const scale = Math.exp(-x + a * Math.log(x) - logGamma(a))
  if (x < a + 1) {
    let term = 1 / a
    let sum = term
    for (let n = 1; n < 10_000 && Math.abs(term) > Math.abs(sum) * 1e-15; n++) {
      term *= x / (a + n)
      sum += term
    }
    return 1 - sum * scale
  }
  const tiny = 1e-300
  let b = x + 1 - a
  let c = 1 / tiny
  let d = 1 / b
  let h = d
  for (let n = 1; n < 10_000; n++) {
    const an = -n * (n - a)
    b += 2
    d = 1 / (an * d + b || tiny)
    c = b + an / c || tiny
    const delta = d * c
    h *= delta
    if (Math.abs(delta - 1) < 1e-15) break
  }
  return h * scale
}
