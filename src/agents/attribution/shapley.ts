/**
 * Shapley values of the game whose worth v(S) is the conversions of those who touched channels of S only. They equal
 * `φ_i = Σ over sets T with i of R(T) / |T|`, R(T) being the conversions of those who touched exactly T: exact in linear
 * time, without walking through all coalitions.
 */
export const shapleyCredits = (sets: Iterable<{ channels: readonly string[]; worth: number }>): Map<string, number> => {
  const credits = new Map<string, number>()
  for (const { channels, worth } of sets) {
    const distinct = [...new Set(channels)]
    for (const channel of distinct) credits.set(channel, (credits.get(channel) ?? 0) + worth / distinct.length)
  }
  return credits
}
