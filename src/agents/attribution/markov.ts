import { solve } from '../statistics/solve.ts'

/** Paths of channels, each taken so often, with so many conversions; a path that led nowhere has none. */
export type CountedPath = { channels: readonly string[]; conversions: number; nulls: number }

/**
 * Removal effects of the absorbing first-order Markov chain start → channels → {conversion, null} (Anderl et al. 2016):
 * the share of conversions that would be lost if every way into a channel led nowhere. The chain's linear system is
 * solved exactly, nothing is simulated. Without paths that led nowhere each channel has the effect 1: that says nothing,
 * and the answer is null.
 */
export const removalEffects = (
  paths: readonly CountedPath[],
): { probability: number; effects: Map<string, number> } | null => {
  const index = new Map<string, number>()
  for (const { channels } of paths) for (const one of channels) if (!index.has(one)) index.set(one, index.size)
  const size = index.size + 1
  const counts = Array.from({ length: size }, () => new Array<number>(size).fill(0))
  const toConversion = new Array<number>(size).fill(0)
  const leaving = new Array<number>(size).fill(0)
  let nulls = 0
  for (const path of paths) {
    const times = path.conversions + path.nulls
    nulls += path.nulls
    let from = 0
    for (const channel of path.channels) {
      const to = (index.get(channel) ?? 0) + 1
      const row = counts[from]
      if (row) row[to] = (row[to] ?? 0) + times
      leaving[from] = (leaving[from] ?? 0) + times
      from = to
    }
    toConversion[from] = (toConversion[from] ?? 0) + path.conversions
    leaving[from] = (leaving[from] ?? 0) + times
  }
  if (index.size === 0 || nulls === 0) return null
  /** P(conversion from the start); `removed`: entering it leads nowhere. */
  const conversion = (removed: number): number => {
    const a = counts.map((row, from) =>
      row.map((count, to) => (from === to ? 1 : 0) - (to === removed || !leaving[from] ? 0 : count / leaving[from])),
    )
    const b = toConversion.map((count, from) => (leaving[from] ? count / leaving[from] : 0))
    return solve(a, b)?.[0] ?? 0
  }
  const probability = conversion(-1)
  if (probability === 0) return null
  const effects = new Map([...index].map(([channel, at]) => [channel, 1 - conversion(at + 1) / probability]))
  return { probability, effects }
}

/** All conversions, shared out in proportion to the removal effects. */
export const markovCredits = (paths: readonly CountedPath[]): Map<string, number> | null => {
  const found = removalEffects(paths)
  const sum = found ? [...found.effects.values()].reduce((all, one) => all + one, 0) : 0
  if (!found || sum <= 0) return null
  const conversions = paths.reduce((all, one) => all + one.conversions, 0)
  return new Map([...found.effects].map(([channel, effect]) => [channel, (effect / sum) * conversions]))
}
