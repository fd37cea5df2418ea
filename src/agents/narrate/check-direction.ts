import { changeOf, isClearlyAbove } from '../clear-change.ts'
import type { Direction, Fact, FactDimension } from '../fact.ts'
import { directions, negations, superlatives } from './lexicon.ts'
import type { Printed, Sentence } from './sentence.ts'
import type { View } from './view.ts'

/** What is said to rise has to rise, by more than chance. */
export const checkDirection = ({ words, printed }: Sentence): string[] => {
  const said = directionsOf(words)
  const [direction] = said
  if (direction === undefined) return []
  if (said.length > 1) return ['A sentence has words for more than one direction: make it two sentences.']
  if (words.some((word) => negations.has(word))) return ['A direction is negated: say what the figure did.']
  const compared = new Map(
    printed.flatMap(({ seen }): [string, Direction | 'unclear'][] => {
      const own = directionOf(seen.fact)
      return own === undefined ? [] : [[seen.id, own]]
    }),
  )
  if (words.includes('than') && printed.length === 2 && compared.size < 2) return checkPair(direction, printed)
  if (compared.size === 0) return ['A direction needs a fact with compared_with in the same sentence.']
  return [...compared]
    .filter(([, own]) => own !== direction)
    .map(([id, own]) =>
      own === 'unclear' ? `${id} shows no clear change: no direction.` : `${id} went ${own}, not ${direction}.`,
    )
}

/** The directions that words say. */
export const directionsOf = (words: readonly string[]): Direction[] =>
  (['up', 'down', 'flat'] as const).filter((direction) => words.some((word) => directions[direction].has(word)))

/** Of a fact that is compared with something, or that is a difference itself. */
export const directionOf = (fact: Fact): Direction | 'unclear' | undefined => {
  const { unit, value, interval } = fact
  if (fact.compare) return changeOf(fact)
  if (unit !== 'points' || value === null || !interval) return undefined
  return interval.low > 0 ? 'up' : interval.high < 0 ? 'down' : 'unclear'
}

/** `A is higher than B`: two figures of the same kind, in this order. */
const checkPair = (direction: Direction, [first, second]: readonly Printed[]): string[] => {
  const [a, b] = [first?.seen.fact, second?.seen.fact]
  if (!a || !b || a.metric !== b.metric || a.value === null || b.value === null)
    return ['Only two facts of one metric can be held against each other.']
  const own = a.value === b.value ? 'flat' : isClearlyAbove(a, b) ? 'up' : isClearlyAbove(b, a) ? 'down' : 'unclear'
  return own === direction ? [] : [`${first?.seen.id} is not clearly ${direction} against ${second?.seen.id}.`]
}

/** What is said to be the largest has to be, by more than chance, of a list that is whole. */
export const checkSuperlatives = ({ words, printed }: Sentence, view: View): string[] =>
  (['up', 'down'] as const).flatMap((side) => {
    if (!words.some((word) => superlatives[side].has(word))) return []
    const [only] = printed
    if (!only || printed.some(({ seen }) => seen !== only.seen))
      return ['A superlative needs exactly one fact in its sentence.']
    const { id, fact } = only.seen
    const rivals = view.facts.filter((one) => isRival(one.fact, fact)).map((one) => one.fact)
    if (fact.among === undefined || rivals.length + 1 !== fact.among || rivals.length === 0)
      return [`${id} is not of a whole list: nothing in it is the largest or the smallest.`]
    const isTrue = rivals.every((rival) => (side === 'up' ? isClearlyAbove(fact, rival) : isClearlyAbove(rival, fact)))
    return isTrue ? [] : [`${id} is not clearly the ${side === 'up' ? 'largest' : 'smallest'} of its kind.`]
  })

/** The same metric of another page, channel, step …: all that differs is one thing that it is about. */
const isRival = (one: Fact, other: Fact): boolean => {
  if (one === other || one.metric !== other.metric || one.unit !== other.unit) return false
  const [own, others] = [Object.keys(one.dims).sort(), Object.keys(other.dims).sort()]
  if (own.join() !== others.join()) return false
  const axis = (own as FactDimension[]).filter((dimension) => one.dims[dimension] !== other.dims[dimension]).join()
  return axis === 'order,step' || (axis !== '' && !axis.includes(',') && axis !== 'funnel')
}
