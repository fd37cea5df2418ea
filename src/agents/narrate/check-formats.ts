import type { Fact } from '../fact.ts'
import { changeNouns, comparatives, directions } from './lexicon.ts'
import { betweenFigures, factsOf, type Printed, type Sentence } from './sentence.ts'
import { isExcess } from './vocabulary.ts'

const oneOf = (words: Iterable<string>): string => `(?:${[...words].join('|')})`
const changes = oneOf(changeNouns)
/** `of`, and what it is of: `by a number of`. */
const ofWhat = '(?:(?: (?:the|an?|that|those))*(?: (?:expected|previous|earlier))?(?:(?: \\p{L}+){1,3} of)?)'
/** Names stand between words and figures and change nothing. */
const atTheEnd = '(?: @)*$'

/** Words that say which number of a fact is meant, at the end of what stands before it or at the start of what comes after. */
const towards = new RegExp(`\\b(?:from|against|than)${ofWhat}${atTheEnd}`, 'u')
const expected = /\bexpected$/
/** `rose by ten`; but `was reached by ten`, `was reached in the shop by ten` say who. */
const byHowMuch = new RegExp(
  `\\b(?:(?<!\\breached (?:(?:in|on|at)(?: the)? (?:@|\\p{L}+) (?:funnel )?)?)by${ofWhat}|(?:difference|gap|${changes})(?: \\p{L}+){0,3} of)${atTheEnd}`,
  'u',
)
/** A verb or a conjunction between them parts a number from a comparative. */
const parting =
  '(?:is|are|was|were|be|been|has|have|had|came|come|went|goes|stood|stands|stand|and|or|but|while|which|that|who|where|against|to)'
const more = oneOf([...comparatives].filter((word) => !directions.flat.has(word)))
const howMuch = new RegExp(`^(?:(?!${parting}\\b)(?:\\p{L}+|@) )*(?:${more}|${changes}|(?:up|down)(?! from))\\b`, 'u')
/** `rose 120` is by how much, and nothing is above itself. */
const change = new RegExp(`\\b${oneOf([...directions.up, ...directions.down])}${atTheEnd}`, 'u')
const ofSample = /\b(?:cases?|sample)\b/

/**
 * A fact has several numbers, and each must be called what it is: the value stands for itself, what it is compared with
 * comes after "from" or "against", the difference after "by", the sample beside "cases". So `rose by` never takes the
 * value, and the figure of last week never stands for that of today.
 */
export const checkFormats = (sentence: Sentence): string[] => {
  const parts = betweenFigures(sentence)
  return [
    ...sentence.printed.flatMap((one, index) => checkFormat(one, parts[index] ?? '', parts[index + 1] ?? '', sentence)),
    ...checkChanges(sentence.printed, parts),
  ]
}

const checkFormat = ({ seen: { id, fact }, format }: Printed, left: string, right: string, sentence: Sentence) => {
  const isCalledDifference = byHowMuch.test(left) || howMuch.test(right)
  if (format === 'difference')
    return isCalledDifference
      ? []
      : [`${id}: difference stands after "by", or before "more", "fewer", "higher" or "lower".`]
  if (isExcess(fact) && !isCalledDifference && !gap.test(left))
    return [`${id} is a difference: it stands after "by", or before "more", "fewer", "higher" or "lower".`]
  if (!isDifference(fact) && (isCalledDifference || change.test(left)))
    return [`${id} is called a difference, and is none: print its difference.`]
  if (format === 'comparison')
    return towards.test(left) || expected.test(left)
      ? []
      : [`${id}: comparison stands after "from", "against" or "than".`]
  if (format === 'sample') return ofSample.test(sentence.text) ? [] : [`${id}: sample stands beside the word "cases".`]
  const [toward] = towards.exec(left) ?? []
  const isPair = toward?.startsWith('than') && factsOf(sentence).length > 1
  return toward !== undefined && !isPair ? [`${id}: after "from", "against" or "than" stands comparison.`] : []
}

const isDifference = (fact: Fact): boolean => fact.unit === 'points' || isExcess(fact)

const gap = /\b(?:differences?|gaps?)\b/
const changed = new RegExp(`\\b${changes}\\b`, 'u')

/** The number of a difference, or of a rise, is the next one in the sentence, else the one before it. */
const checkChanges = (printed: readonly Printed[], parts: readonly string[]): string[] =>
  parts.flatMap((part, index) => {
    const next = printed[index]
    const one = next ?? printed[index - 1]
    if (!one || one.format === 'difference' || isDifference(one.seen.fact)) return []
    const isItsChange = next
      ? next.format !== 'comparison' && changed.test(part) && !/\b(?:to|at)(?: @)*$/.test(part)
      : changed.test(part.split(/[,.;:!?]/)[0] ?? '')
    return gap.test(part) || isItsChange ? [`${one.seen.id} is no difference: print its difference.`] : []
  })
