import type { Direction, Fact } from './fact.ts'
import { predictionInterval } from './statistics/prediction.ts'
import { isShareAbove } from './statistics/wilson.ts'

/**
 * How a fact lies to what it is compared with. `unclear`: the difference may be chance, and nobody may speak of a rise or
 * a fall. A share is held against its own interval and that of the difference; a count, and the money that orders bring, against what earlier days
 * let expect. What nothing is known of the chance of is unclear. Undefined where it is compared with nothing.
 */
export const changeOf = ({ value, unit, compare, interval }: Fact): Direction | 'unclear' | undefined => {
  if (!compare || value === null) return undefined
  if (compare.direction === 'flat') return 'flat'
  if (interval && interval.low <= compare.value && compare.value <= interval.high) return 'unclear'
  const chance = compare.chance ?? (unit === 'count' ? predictionInterval(compare.value) : undefined)
  if (!chance) return interval ? compare.direction : 'unclear'
  return chance.low <= value && value <= chance.high ? 'unclear' : compare.direction
}

/**
 * Whether one figure lies above another of its kind by more than chance: shares by the interval of their difference
 * (Newcombe 1998, method 10, from the intervals of both), counts as two Poisson counts. Of others it is not known.
 */
export const isClearlyAbove = (one: Fact, other: Fact): boolean => {
  const [a, b] = [one.value, other.value]
  if (a === null || b === null || one.unit !== other.unit) return false
  if (one.interval && other.interval) return isShareAbove([a, one.interval], [b, other.interval])
  return one.unit === 'count' && a > b && (a - b) ** 2 > 3.8416 * (a + b)
}
