import { changeOf, isClearlyAbove } from '../clear-change.ts'
import type { Direction, Fact, FactDimension } from '../fact.ts'
import { withoutComparison } from './check-earlier.ts'
import { comparatives, directions, negations, superlatives } from './lexicon.ts'
import { factsOf, type Printed, type Sentence } from './sentence.ts'
import { withNamesMarked } from './typed-names.ts'
import type { View, VisibleFact } from './view.ts'
import { directionsOf, isExcess } from './vocabulary.ts'

/** What is said to rise has to rise, by more than chance; what is said to be higher than another, to be so. */
export const checkDirection = (sentence: Sentence, view: View): string[] => {
  const { words, printed, marked } = sentence
  const said = directionsOf(words)
  const [direction] = said
  if (said.length > 1) return ['A sentence has words for more than one direction: make it two sentences.']
  if (direction !== undefined && words.some((word) => negations.has(word)))
    return ['A direction is negated: say what the figure did.']
  if (isPair(sentence)) return checkPair(sentence, direction)
  if (printed.length > 0 && relation.test(withoutComparison(sentence).replace(toComparison, ' ')))
    return [
      'After "than", "above" and the like comes "before", "expected", the comparison, or another fact of its metric.',
    ]
  if (direction === undefined && goesTo.test(withNamesMarked(marked, view)))
    return ['Without a word for a direction no figure stands after "to" or "from" right behind a name.']
  return direction === undefined ? [] : checkOwnDirection(direction, printed)
}
/** A name may itself be a word for a direction: `the drop-off at {a step that is called Card declined} to 60 %`. */
const goesTo = /@,? (?:to|from)(?: @)? [#%=]/
/** Words that hold a figure against another one, and stand between them. */
const relation = /\b(?:than|above|below|over|under|ahead|behind|against)\b/
const toComparison =
  /\b(?:than|against|above|below|over|under|ahead of|behind)(?: (?:the|an?|that|those|of|on|in))*(?: \p{L}+ of)? %/gu

const checkOwnDirection = (direction: Direction, printed: readonly Printed[]): string[] => {
  const compared = new Map(
    printed.flatMap(({ seen }): [string, Direction | 'unclear'][] => {
      const own = directionOf(seen.fact)
      return own === undefined ? [] : [[seen.id, own]]
    }),
  )
  if (compared.size === 0) return ['A direction needs a fact with compared_with in the same sentence.']
  return [...compared]
    .filter(([, own]) => own !== direction)
    .map(([id, own]) =>
      own === 'unclear' ? `${id} shows no clear change: no direction.` : `${id} went ${own}, not ${direction}.`,
    )
}

/** Of a fact that is compared with something, or that is a difference itself. */
export const directionOf = (fact: Fact): Direction | 'unclear' | undefined => {
  const { interval } = fact
  if (fact.compare) return changeOf(fact)
  if (!isExcess(fact) || !interval) return undefined
  return interval.low > 0 ? 'up' : interval.high < 0 ? 'down' : 'unclear'
}

/**
 * Two figures and a comparative: one is held against the other, but where the sentence says that each is held against
 * what was before, and ends there.
 */
const isPair = (sentence: Sentence): boolean => {
  const { words, marked } = sentence
  if (factsOf(sentence).length < 2) return false
  const held = words.filter((word) => comparatives.has(word) && word !== 'same')
  if (held.length === 0 && !words.includes('than')) return false
  return held.length !== 1 || !toEarlier.test(marked) || /\bthan\b/.test(withoutComparison(sentence))
}
const toEarlier = /\bthan (?:before|expected|on the same weekday)(?=[,.;:]|$| and\b)/

/** `A is higher than B`: two figures of the same kind, in this order, and no other claim. */
const checkPair = (sentence: Sentence, direction: Direction | undefined): string[] => {
  const sides = sidesOf(sentence)
  if (!sides)
    return [
      'Two figures are held against each other in this order: the higher or lower one, "higher than" or the like, the other.',
    ]
  const [first, second] = sides
  const [a, b] = [first.fact, second.fact]
  if (a.metric !== b.metric) return ['Only two facts of one metric can be held against each other.']
  const own = isClearlyAbove(a, b) ? 'up' : isClearlyAbove(b, a) ? 'down' : 'unclear'
  return own === direction ? [] : [`${first.id} is not clearly ${direction} against ${second.id}.`]
}

const sidesOf = ({ words, printed, marked }: Sentence): [VisibleFact, VisibleFact] | undefined => {
  const held = words.filter((word) => directions.up.has(word) || directions.down.has(word))
  const [, before = '', after = ''] = new RegExp(`^(.*?\\b${held[0]}\\b)(.*)$`).exec(marked) ?? []
  const isRelated = relation.test(held[0] ?? '') || /^[^,;:()#]*\bthan\b/.test(after)
  const isPlain = held.length === 1 && comparatives.has(held[0] ?? '') && !/[%=&]|\bthan\b.*\bthan\b/.test(marked)
  // `higher than that was B` says it of B.
  if (!isRelated || !isPlain || verb.test(after.split('#')[0] ?? '')) return undefined
  const count = [...before.matchAll(/#/g)].length
  const [first, ...others] = new Set(printed.slice(0, count).map(({ seen }) => seen))
  const [second, ...rest] = new Set(printed.slice(count).map(({ seen }) => seen))
  return first && second && first !== second && others.length + rest.length === 0 ? [first, second] : undefined
}
const verb = /[,;:()]|\b(?:is|are|was|were|be|been|has|have|had|came|come|comes|went|goes|stood|stands|stand|which)\b/

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
