import { countsFollowed } from '../counts-visitors.ts'
import { checkDirection, checkSuperlatives, directionOf } from './check-direction.ts'
import { checkEarlier } from './check-earlier.ts'
import { checkFormats } from './check-formats.ts'
import { checkNames } from './check-names.ts'
import { checkSubjects } from './check-subjects.ts'
import type { DraftPiece } from './draft.ts'
import { advice, familyOf, noChange } from './lexicon.ts'
import { readSentence, type Sentence } from './sentence.ts'
import { withNamesMarked } from './typed-names.ts'
import type { View } from './view.ts'
import { adviceWords, isKnownWord } from './vocabulary.ts'
import { wordsOf } from './words.ts'

/**
 * Holds one sentence against its facts: what is said to rise must rise, what is said to be the largest must be, and a
 * number must stand beside the word and the name that it belongs to. Fails closed: what cannot be checked is refused.
 */
export const checkSentence = (pieces: readonly DraftPiece[], view: View): string[] => {
  const sentence = readSentence(pieces, view)
  return [
    ...(sentence.printed.length > 0 ? checkWords(sentence, view) : checkAdvice(sentence, view)),
    ...checkDirection(sentence, view),
    ...checkSuperlatives(sentence, view),
    ...checkSubjects(sentence),
    ...checkFamilies(sentence),
    ...checkCounted(sentence),
    ...checkNames(sentence, view),
    ...checkFormats(sentence),
    ...checkEarlier(sentence),
  ]
}

/** What is said without a figure cannot be held against anything: it is advice, or it is refused. */
const checkAdvice = ({ text, marked }: Sentence, view: View): string[] => {
  const [first = ''] = wordsOf(marked)
  if (!advice.has(first))
    return [
      'A sentence without a fact says what to do, and begins with Look, Check, Compare, Consider, Watch, Test, Review or Ask.',
    ]
  if (/[:;()!?–—-]/.test(text.replace(/\bdrop-offs?\b/g, ' ')))
    return ['An advice is one clause, without marks but commas.']
  const rest = withNamesMarked(marked.replace(first, ' '), view)
  return refused(wordsOf(rest).filter((word) => !adviceWords.has(word)))
}

/** Beside a figure stand words that are known: what is on no list could say anything. */
const checkWords = ({ text, marked, printed }: Sentence, view: View): string[] => {
  const facts = printed.map(({ seen }) => seen.fact)
  const words = wordsOf(withNamesMarked(marked, view).replace(noChange, ' '))
  const saysNone = text.search(noChange) >= 0
  const changes = facts.map(directionOf)
  return [
    ...refused(words.filter((word) => !isKnownWord(word, facts))),
    ...(saysNone && changes.some((change) => change !== 'flat' && change !== 'unclear')
      ? ['The figure has changed, or is compared with nothing.']
      : []),
    ...(words.some((word) => /^weekdays?$/.test(word)) &&
    !facts.every(({ compare }) => compare?.basis.includes('weekday'))
      ? ['No figure of the sentence is compared with the same weekday.']
      : []),
  ]
}

const refused = (words: readonly string[]): string[] =>
  [...new Set(words)]
    .slice(0, 8)
    .map((word) => `"${word.slice(0, 30)}" is not on the list of words for this sentence: write it otherwise.`)

/** One kind of figure a sentence, called by its name. */
const checkFamilies = ({ marked, printed }: Sentence): string[] => {
  const families = new Map(
    printed.flatMap(({ seen }) => {
      const found = familyOf(seen.fact.metric)
      return found ? [[found.family, { ...found, id: seen.id }] as const] : []
    }),
  )
  if (families.size > 1) return ['A sentence prints different kinds of figures: make it several sentences.']
  return [...families.values()]
    .filter(({ nouns }) => !nouns.test(marked))
    .map(({ id }) => `The sentence does not say what ${id} counts: name its metric.`)
}

/** What a funnel counts are sessions, or visitors where it says so. */
const checkCounted = ({ marked, printed }: Sentence): string[] => {
  const [saysSessions, saysPeople] = [/\b(?:sessions?|visits?)\b/.test(marked), /\b(?:visitors?|people)\b/.test(marked)]
  return printed.flatMap(({ seen: { id, fact } }) => {
    if (!countsFollowed(fact)) return []
    if (fact.countsVisitors) return saysSessions ? [`${id} counts visitors: say visitors, or people.`] : []
    return saysPeople && !saysSessions ? [`${id} counts sessions: say sessions, or visits.`] : []
  })
}
