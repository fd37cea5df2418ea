/** The quantile of R's type 7 (linear between order statistics) of sorted numbers; null of none. */
export const quantileOfSorted = (sorted: ArrayLike<number>, share: number): number | null => {
  if (sorted.length === 0) return null
  const at = (sorted.length - 1) * share
  const low = sorted[Math.floor(at)] ?? 0
  const high = sorted[Math.ceil(at)] ?? low
  return low + (high - low) * (at - Math.floor(at))
}

export const sortedCopy = (values: readonly number[]): Float64Array => Float64Array.from(values).sort()

export const median = (values: readonly number[]): number | null => quantileOfSorted(sortedCopy(values), 0.5)

/**
 * Modified z-scores 0.6745·(x − median) / MAD (Iglewicz and Hoaglin 1993; |M| > 3.5 is unusual). Where the MAD is 0, as it
 * is with small integers, 1.2533 mean absolute deviations stand in; where that is 0, too, null: no spread, no judgement.
 */
export const modifiedZ = (value: number, values: readonly number[]): number | null => {
  const center = median(values)
  if (center === null) return null
  const deviations = values.map((one) => Math.abs(one - center))
  const mad = median(deviations) ?? 0
  if (mad > 0) return (0.6745 * (value - center)) / mad
  const mean = deviations.reduce((sum, one) => sum + one, 0) / deviations.length
  return mean > 0 ? (value - center) / (1.253314 * mean) : null
}
