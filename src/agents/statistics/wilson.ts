/** z of a two-sided 95 % interval. */
export const z95 = 1.959963984540054

export type Interval = { low: number; high: number; level: number }

/** Wilson's score interval of a share, 95 %: holds its level near 0 and 1, too, unlike p ± z·SE (Newcombe 1998, method 3). */
export const wilson = (successes: number, n: number, z = z95): Interval => {
  if (n === 0) return { low: 0, high: 1, level: 0.95 }
  const share = successes / n
  const z2 = z * z
  const center = (share + z2 / (2 * n)) / (1 + z2 / n)
  const half = (z * Math.sqrt((share * (1 - share)) / n + z2 / (4 * n * n))) / (1 + z2 / n)
  return {
    low: successes === 0 ? 0 : Math.max(0, center - half),
    high: successes === n ? 1 : Math.min(1, center + half),
    level: 0.95,
  }
}

/** Whether one share lies above another by more than chance: the interval of their difference, made from both intervals, does (Newcombe 1998, method 10). */
export const isShareAbove = (
  [share, { low }]: readonly [share: number, interval: Pick<Interval, 'low'>],
  [other, { high }]: readonly [share: number, interval: Pick<Interval, 'high'>],
): boolean => share - other > Math.hypot(share - low, high - other)
