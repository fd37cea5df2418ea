import type { FactDimension } from '../fact.ts'
import type { DraftPiece } from './draft.ts'
import { factsOf, type Sentence } from './sentence.ts'
import { typedName, withNamesMarked } from './typed-names.ts'
import type { View, VisibleFact } from './view.ts'
import { isOwnWord } from './vocabulary.ts'
import { bare, wordsOf } from './words.ts'

/** What a figure is about is what the names beside it say, and nothing is left out that it is about. */
export const checkNames = (sentence: Sentence, view: View): string[] => [
  ...checkCapitals(sentence.pieces, view),
  ...checkOwners(sentence),
  ...checkWhole(sentence, view),
  ...checkTypedNames(sentence, view),
  ...checkExceptions(sentence, view),
]

/** A capital in the midst of a sentence is a name; the operator's are known, and others are referred to. */
const checkCapitals = (pieces: readonly DraftPiece[], view: View): string[] => {
  const known = new Set(
    view.facts.flatMap(({ about }) => Object.values(about).flatMap((name) => wordsOf(name).map(bare))),
  )
  const words = pieces.flatMap((piece) => (piece.kind === 'text' ? wordsOf(piece.text) : [' ']))
  return words
    .slice(1)
    .filter((word) => /^\p{Lu}/u.test(word) && word !== 'I' && !known.has(bare(word)))
    .map((word) => `"${word.slice(0, 30)}" looks like a name: refer to it, or write it small.`)
}

/**
 * A name belongs to the figure after it in a sentence that begins with a name, and to the one before it in a sentence
 * that begins with a figure: of the names that tell its figures apart. Figures of one metric need their names to be told apart.
 */
const checkOwners = ({ names, printed }: Sentence): string[] => {
  const problems: string[] = []
  // What all figures of the sentence are about tells nothing of which one is meant.
  const telling = names.find(({ dimension }) => new Set(printed.map(({ seen }) => seen.fact.dims[dimension])).size > 1)
  const namesComeFirst = ((telling ?? names[0])?.at ?? 0) < (printed[0]?.at ?? 0)
  for (const { at, seen, dimension } of names) {
    const [next, before] = [printed.find((one) => one.at > at), printed.findLast((one) => one.at < at)]
    const owner = namesComeFirst ? (next ?? before) : before
    const isOwn = owner === undefined || owner.seen.fact.dims[dimension] === seen.fact.dims[dimension]
    if (!isOwn) problems.push(`The name of ${seen.id} stands beside ${owner.seen.id}, which is about something else.`)
  }
  const metrics = new Set(printed.map(({ seen }) => seen.fact.metric))
  const different = new Set(printed.map(({ seen }) => seen.id))
  if (metrics.size === 1 && different.size > 1)
    for (const id of different)
      if (!names.some(({ seen }) => seen.id === id))
        problems.push(`${id} needs its name beside it, as there are several of its kind.`)
  if (metrics.size > 1) problems.push('A sentence prints several metrics: make it several sentences.')
  return problems
}

/** A part never stands for the whole: what a figure is about stands in its sentence, but for what all of the note are about. */
const checkWhole = ({ marked, names, printed }: Sentence, { shared }: View): string[] => [
  ...new Set(
    printed.flatMap(({ seen: { id, about } }) =>
      (Object.entries(about) as [FactDimension, string][])
        .filter(([dimension, value]) => {
          // A step has its name, and its number beside it; a check has its own metrics, which are called by their nouns.
          if (dimension in shared.about || dimension === 'check' || (dimension === 'order' && about.step !== undefined))
            return false
          const isNamed = names.some((one) => one.dimension === dimension && one.seen.about[dimension] === value)
          const typed = isClosed(dimension, value) ? value : typedName(dimension, value)
          const isTyped = typed !== undefined && hasWord(marked, typed)
          return !isNamed && !isTyped
        })
        .map(([dimension]) => `${id} is about one ${dimension} only: its name has to stand in the sentence.`),
    ),
  ),
]

/** An operator's word that is typed (`mobile`, `paid`) must be what the figures of the sentence are about. */
const checkTypedNames = ({ marked, printed }: Sentence, view: View): string[] => {
  const problems = new Set<string>()
  if (printed.length === 0) return []
  const facts = printed.map(({ seen }) => seen.fact)
  for (const [dimension, values] of closedWords)
    for (const value of values)
      if (hasWord(marked, value) && !printed.some(({ seen }) => isAbout(seen, dimension, value)))
        problems.add(`No fact of the sentence is about "${value}".`)
  for (const { about } of view.facts)
    for (const [dimension, value] of Object.entries(about) as [FactDimension, string][]) {
      const name = typedName(dimension, value)
      if (name === undefined || !hasWord(marked, name)) continue
      for (const { seen } of printed)
        if (seen.about[dimension] !== undefined && seen.about[dimension] !== value)
          problems.add(`${seen.id} is not about "${value}": refer to the name instead of typing it.`)
      // A step may be called by a word that its figures have anyway.
      const isOwn = wordsOf(name).every((word) => isOwnWord(word, facts))
      if (!isOwn && !printed.some(({ seen }) => isAbout(seen, dimension, value)))
        problems.add(`No fact of the sentence is about "${value}".`)
    }
  return [...problems]
}

const hasWord = (text: string, word: string): boolean => {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1))
    if (!/\p{L}/u.test(`${text[at - 1] ?? ' '}${text[at + word.length] ?? ' '}`)) return true
  return false
}

/** Words that say nothing else, known whatever a note is about: typed beside a total they would make it a part. */
const closedWords: readonly (readonly [FactDimension, readonly string[]])[] = [
  ['device', ['mobile', 'desktop', 'tablet']],
  ['visitor_kind', ['new', 'returning']],
  ['channel', ['direct', 'paid', 'social', 'email', 'referral']],
]
const isClosed = (dimension: FactDimension, value: string): boolean =>
  closedWords.some(([one, values]) => one === dimension && values.includes(value))
const isAbout = ({ about, fact }: VisibleFact, dimension: FactDimension, value: string): boolean =>
  about[dimension] === value || (dimension === 'visitor_kind' && fact.metric === `${value}_visitors`)

/**
 * A name is what its figure is about, and not what it is not about: `sessions but those of mobile`, `the drop-off before
 * the cart`. Where two figures are held against each other, names stand behind such words, too.
 */
const checkExceptions = (sentence: Sentence, view: View): string[] => {
  const { printed, marked } = sentence
  if (printed.length === 0) return []
  const isExcepted = exception.test(withNamesMarked(marked, view)) && factsOf(sentence).length < 2
  const isOneSided = marked.split(/\bbut\b/).some((side, _, sides) => sides.length > 1 && !/[#%=&]/.test(side))
  return isExcepted || isOneSided ? ['A name says what its figure is about, not what it is not about.'] : []
}
const exception =
  /\b(?:but|less|over|under|above|below|ahead|behind|before|against|than|without)(?: (?:the|an?|that|those|of|on|at|in|for|from|pages?|steps?|campaigns?|sources?|channels?|devices?|funnel|segment|site))* @/
