/**
 * Delay before attempt `attempts + 1`: doubling from `firstMs` up to `maxMs`, with half of it random ("equal jitter"), so
 * that many nodes which failed together do not come back together. `random` is in [0, 1).
 */
export const backoffMs = (
  attempts: number,
  { firstMs, maxMs }: { firstMs: number; maxMs: number },
  random: () => number = Math.random,
): number => {
  const full = Math.min(maxMs, firstMs * 2 ** Math.min(attempts, 30))
  return Math.round(full / 2 + (full / 2) * random())
}
