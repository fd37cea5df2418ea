import type { Fact } from '../fact.ts'
import { noChange } from './lexicon.ts'
import type { Sentence } from './sentence.ts'
import { directionsOf, isExcess } from './vocabulary.ts'

/** Words that call a figure one of another time, or one that did not come. */
const participle = '(?:been|come|stood|shown|seen|made|counted|measured|found|recorded)'
const earlier = `(?:before|previous|earlier|expected|weekdays?|had ${participle})`
const mention = new RegExp(`\\b${earlier}\\b`)
/** `the previous 120`, `before were 120`, `higher than those before: 120`. */
const called = new RegExp(`\\b${earlier}\\b[,:;(]*(?: (?:the|an?|of|was|were|is|are|there))* [#&]`)

const small = '(?:it|they|that|those|this|these|was|were|is|are|on|in|of|for|the|same|there)'
/** `from 80 before`, `against the expected 80`. */
const besideComparison = new RegExp(`\\b(?:expected|previous|earlier) %|%(?:(?: ${small})* ${earlier}\\b)+`, 'g')
/** `higher than before`, `no clear change against the same weekday`; but not `than the previous figure`. */
const afterChange = new RegExp(
  `\\b(?:than|against|from|above|below|ahead of|behind)(?:(?: ${small})* (?:before|earlier|weekdays?|had ${participle})\\b|(?: (?:was|were|is|are))? expected\\b)+`,
  'g',
)

/** `more than expected`, `the expected drop-off`: right beside what was expected, and what came beyond it. */
const expected = /\b(?:(?:than|above|below) )?(?:the |an? )?expected\b/g
const isExpected = ({ metric }: Fact): boolean => metric === 'dropoff_baseline'

/** The marked text without the words that say what its figures are compared with. */
export const withoutComparison = ({ marked, text, words, printed }: Sentence): string => {
  const saysChange = directionsOf(words).length > 0 || text.search(noChange) >= 0
  const compared = marked.replace(besideComparison, '%')
  const rest = saysChange ? compared.replace(afterChange, ' ') : compared
  const isOfExpected = printed.every(({ seen: { fact } }) => isExcess(fact) || isExpected(fact))
  return isOfExpected ? rest.replace(expected, ' ') : rest
}

/**
 * What came is not what was expected, nor what was before: such words stand beside the figure of that time, or after
 * "than" or "against" in a sentence that says how the figure changed.
 */
export const checkEarlier = (sentence: Sentence): string[] => {
  const { marked, printed } = sentence
  if (printed.length === 0) return []
  const text = marked.replace(/\bthan (?:before|expected):/g, ':')
  const isCalled = called.test(printed.every(({ seen }) => isExpected(seen.fact)) ? text.replace(expected, ' ') : text)
  return isCalled || mention.test(withoutComparison(sentence))
    ? [
        'A figure is called expected or earlier, and is not: such words stand beside its comparison, or after "than" and a direction.',
      ]
    : []
}
