/**
 * Adjusted p-values (q-values) of Benjamini and Hochberg 1995, in the order given: `adjusted ≤ q` rejects with a false
 * discovery rate of at most q. `adj p_(i) = min over j ≥ i of min(1, m · p_(j) / j)`.
 */
export const benjaminiHochberg = (pValues: readonly number[]): number[] => {
  const order = pValues.map((_, index) => index).sort((a, b) => (pValues[b] ?? 0) - (pValues[a] ?? 0))
  const adjusted = new Array<number>(pValues.length).fill(1)
  let least = 1
  for (const [fromTop, index] of order.entries()) {
    const rank = pValues.length - fromTop
    least = Math.min(least, ((pValues[index] ?? 1) * pValues.length) / rank)
    adjusted[index] = least
  }
  return adjusted
}
