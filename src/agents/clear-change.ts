import type { Direction, Fact } from './fact.ts'

/**
 * How a fact lies to what it is compared with. `unclear`: the other value lies within the fact's own interval, so that the
 * difference may be chance, and nobody may speak of a rise or a fall. Undefined where it is compared with nothing.
 */
export const changeOf = ({ compare, interval }: Fact): Direction | 'unclear' | undefined => {
  if (!compare) return undefined
  if (compare.direction === 'flat') return 'flat'
  const isWithin = interval !== undefined && interval.low <= compare.value && compare.value <= interval.high
  return isWithin ? 'unclear' : compare.direction
}
