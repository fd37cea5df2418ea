import { logBeta, logChoose } from './log-gamma.ts'

/** P(X = k) for X ~ Bin(n, p). */
export const binomialMass = (k: number, n: number, p: number): number => {
  if (k < 0 || k > n) return 0
  if (p <= 0) return k === 0 ? 1 : 0
  if (p >= 1) return k === n ? 1 : 0
  return Math.exp(logChoose(n, k) + k * Math.log(p) + (n - k) * Math.log1p(-p))
}

/** P(X ≥ x) for X ~ Bin(n, p): the exact one-sided test of "more than p explains". */
export const binomialUpperTail = (x: number, n: number, p: number): number =>
  sumUpwards(x, n, n * p, (k) => binomialMass(k, n, p))

/** The exact two-sided test: the sum over all outcomes that are not likelier than x (as R's binom.test). */
export const binomialTwoSided = (x: number, n: number, p: number): number => {
  // Equal masses differ by rounding only; the same tolerance as R takes.
  const most = binomialMass(x, n, p) * (1 + 1e-7)
  let sum = 0
  for (let k = 0; k <= n; k++) {
    const mass = binomialMass(k, n, p)
    if (mass <= most) sum += mass
  }
  return Math.min(1, sum)
}

/**
 * P(X ≥ x) where X ~ Bin(n, p) and p itself is uncertain, Beta(a, b): the exact binomial test averaged over what the
 * baseline leaves open. With a, b → ∞ it is the binomial test.
 */
export const betaBinomialUpperTail = (x: number, n: number, a: number, b: number): number => {
  const base = logBeta(a, b)
  return sumUpwards(x, n, (n * a) / (a + b), (k) => Math.exp(logChoose(n, k) + logBeta(k + a, n - k + b) - base))
}

/** Sums masses from x up to n; above the mean they only fall, so that the sum ends where nothing more is added. */
const sumUpwards = (x: number, n: number, mean: number, mass: (k: number) => number): number => {
  if (x <= 0) return 1
  let sum = 0
  for (let k = Math.ceil(x); k <= n; k++) {
    const one = mass(k)
    sum += one
    if (k > mean && one < sum * 1e-15) break
  }
  return Math.min(1, sum)
}
