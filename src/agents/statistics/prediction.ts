import { z95 } from './wilson.ts'

/** Student's t, two-sided 95 %, by degrees of freedom from 1 on. */
const t95 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228]
/** From here on the normal distribution is as good, and summing up would cost time. */
const exactMeanMax = 200

/**
 * Where a count is to be expected with 95 %, given the counts of earlier days about `center`: the quantiles of a negative
 * binomial. Its variance is that of Poisson counts, m · (1 + 1/k) as the mean is known from k days only, times the
 * dispersion of these days where it is above one (quasi-Poisson; the part above one times (t/z)², as k days hardly know
 * it). Where days differ so much that most of the mass is at 0, the interval reaches at
 * least as far as that of the normal distribution with the same variance: such days do not say that little is to be
 * expected. Without days the center is the count of one. `grain` is the size of a case where a sum is judged: of revenue,
 * what an order brings.
 */
export const predictionInterval = (
  center: number,
  days: readonly number[] = [],
  grain = 1,
): { low: number; high: number } => {
  const size = grain > 0 ? grain : 1
  const k = Math.max(1, days.length)
  const mean = Math.max(0, center) / size + 0.5 / k
  const spread = days.reduce((sum, day) => sum + ((day - center) / size) ** 2, 0) / Math.max(1, k - 1)
  const t = t95[Math.min(k - 1, t95.length) - 1] ?? 0
  const dispersion = 1 + Math.max(0, spread / mean - 1) * (t / z95) ** 2
  const { low, high } = quantiles(mean, mean * (1 + 1 / k) * dispersion)
  return { low: low * size, high: high * size }
}

const quantiles = (mean: number, variance: number): { low: number; high: number } => {
  const half = z95 * Math.sqrt(variance)
  const r = mean ** 2 / (variance - mean)
  if (mean > exactMeanMax) return { low: Math.max(0, mean - half), high: mean + half }
  const tail = 0.025
  let mass = Math.exp(r * Math.log(r / (r + mean)))
  let sum = mass
  let low = 0
  let high = 0
  const most = mean + 20 * Math.sqrt(variance) + 20
  for (; high < most && sum < 1 - tail; high++) {
    if (sum < tail) low = high + 1
    mass *= ((high + r) / (high + 1)) * (mean / (r + mean))
    sum += mass
  }
  return r < 1 ? { low: 0, high: Math.max(high, mean + half) } : { low, high }
}
