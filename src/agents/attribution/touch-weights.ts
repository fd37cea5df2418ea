import type { AttributionModel } from '../report.ts'

/** One touch of a path: a session's channel, and how many days it lies before the conversion. */
export type Touch = { channel: string; ageDays: number }
export type RuleModel = Exclude<AttributionModel, 'markov' | 'shapley'>

const direct = 'direct'
/** A touch is worth half of one that is this many days younger. */
export const halfLifeDays = 7

/** The credit of each touch, adding up to 1: what each rule gives to a path that ends in a conversion. */
export const touchWeights: Record<RuleModel, (path: readonly Touch[]) => number[]> = {
  first: (path) => path.map((_, index) => (index === 0 ? 1 : 0)),
  last: (path) => path.map((_, index) => (index === path.length - 1 ? 1 : 0)),
  last_non_direct: (path) => {
    const found = path.findLastIndex(({ channel }) => channel !== direct)
    const at = found < 0 ? path.length - 1 : found
    return path.map((_, index) => (index === at ? 1 : 0))
  },
  linear: (path) => path.map(() => 1 / path.length),
  position: (path) => positional(path.length, 0.4, 0.4),
  time_decay: (path) => {
    const raw = path.map(({ ageDays }) => 2 ** (-ageDays / halfLifeDays))
    const sum = raw.reduce((all, one) => all + one, 0)
    return raw.map((one) => one / sum)
  },
}

/** `first` and `last` to the ends, the rest shared by what lies between; without a between, in proportion. */
export const positional = (length: number, first: number, last: number): number[] => {
  if (length === 1) return [1]
  if (length === 2) return [first / (first + last), last / (first + last)].map((one) => (first === last ? 0.5 : one))
  return Array.from({ length }, (_, index) =>
    index === 0 ? first : index === length - 1 ? last : (1 - first - last) / (length - 2),
  )
}
