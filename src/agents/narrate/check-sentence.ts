import { changeOf, isClearlyAbove } from '../clear-change.ts'
import { type Direction, type Fact, type FactDimension, operatorDimensions } from '../fact.ts'
import { checkFormats } from './check-formats.ts'
import type { DraftPiece } from './draft.ts'
import { advice, directions, familyOf, negations, superlatives } from './lexicon.ts'
import type { View, VisibleFact } from './view.ts'
import { adviceWords, isKnownWord, isOwnWord } from './vocabulary.ts'
import { bare, wordsOf } from './words.ts'

type Printed = { readonly at: number; readonly seen: VisibleFact }
type Name = { readonly at: number; readonly seen: VisibleFact; readonly dimension: FactDimension }

/**
 * Holds one sentence against its facts: what is said to rise must rise, what is said to be the largest must be, and a
 * number must stand beside the word and the name that it belongs to. Fails closed: what cannot be checked is refused.
 */
export const checkSentence = (pieces: readonly DraftPiece[], view: View): string[] => {
  const text = pieces.map((piece) => (piece.kind === 'text' ? piece.text.toLowerCase() : ' ')).join(' ')
  const words = wordsOf(text).map(bare)
  const printed: Printed[] = []
  const names: Name[] = []
  for (const [at, piece] of pieces.entries()) {
    if (piece.kind === 'text') continue
    const seen = view.byId.get(piece.fact_id)
    if (!seen) continue
    if (piece.kind === 'fact') printed.push({ at, seen })
    else names.push({ at, seen, dimension: piece.dimension })
  }
  return [
    ...(printed.length > 0 ? checkWords(text, printed, view) : checkAdvice(text, words, view)),
    ...checkCapitals(pieces, view),
    ...checkDirection(words, printed),
    ...checkSuperlatives(words, printed, view),
    ...checkFamilies(text, printed),
    ...checkNames(names, printed),
    ...checkWhole(text, names, printed, view),
    ...checkTypedNames(text, printed, view),
    ...checkFormats(pieces, view),
    ...checkEarlier(words, pieces, printed),
  ]
}

/** What is said without a figure cannot be held against anything: it is advice, or it is refused. */
const checkAdvice = (text: string, [first = '', ...rest]: readonly string[], view: View): string[] => {
  if (!advice.has(first))
    return [
      'A sentence without a fact says what to do, and begins with Look, Check, Compare, Consider, Watch, Test, Review or Ask.',
    ]
  if (/[:;()!?–—-]/.test(text.replace(/\bdrop-offs?\b/g, ' ')))
    return ['An advice is one clause, without marks but commas.']
  const own = operatorWordsOf(view)
  return refused(rest.filter((word) => !adviceWords.has(word) && !own.has(word)))
}

/** All that may be negated: that a change is clear. */
const noChange = /\b(?:no (?:clear )?change|not clearly)\b/g

/** Beside a figure stand words that are known: what is on no list could say anything. */
const checkWords = (text: string, printed: readonly Printed[], view: View): string[] => {
  const facts = printed.map(({ seen }) => seen.fact)
  const own = operatorWordsOf(view)
  const words = wordsOf(text.replace(noChange, ' ')).map(bare)
  const saysNone = text.search(noChange) >= 0
  const changes = facts.flatMap((fact) => directionOf(fact) ?? [])
  return [
    ...refused(words.filter((word) => !isKnownWord(word, facts, own))),
    ...(saysNone && (changes.length === 0 || changes.some((change) => change === 'up' || change === 'down'))
      ? ['The figure has changed, or is compared with nothing.']
      : []),
    ...(words.some((word) => /^weekdays?$/.test(word)) &&
    !facts.some(({ compare }) => compare?.basis.includes('weekday'))
      ? ['No figure of the sentence is compared with the same weekday.']
      : []),
  ]
}

/** What came is not what was expected, nor what was before. */
const checkEarlier = (
  words: readonly string[],
  pieces: readonly DraftPiece[],
  printed: readonly Printed[],
): string[] => {
  const saysEarlier = words.some((word) => ['expected', 'before', 'previous', 'earlier'].includes(word))
  const isCompared =
    pieces.some((piece) => piece.kind === 'fact' && (piece.format === 'comparison' || piece.format === 'difference')) ||
    (['up', 'down', 'flat'] as const).some((direction) => words.some((word) => directions[direction].has(word))) ||
    printed.some(({ seen }) => seen.fact.metric.startsWith('dropoff_'))
  return saysEarlier && printed.length > 0 && !isCompared
    ? ['A figure is called expected or earlier, and is not: print its comparison.']
    : []
}

const refused = (words: readonly string[]): string[] =>
  [...new Set(words)]
    .slice(0, 8)
    .map((word) => `"${word.slice(0, 30)}" is not on the list of words for this sentence: write it otherwise.`)

/** Words of the operator's names, as the model sees them: they may be typed where they are true. */
const operatorWordsOf = (view: View): ReadonlySet<string> => {
  const known = operatorWords.get(view)
  if (known) return known
  const found = new Set(
    [view.shared.about, ...view.facts.map(({ about }) => about)].flatMap((about) =>
      (Object.entries(about) as [FactDimension, string][]).flatMap(([dimension, name]) =>
        operatorDimensions.includes(dimension) ? wordsOf(name).map(bare) : [],
      ),
    ),
  )
  operatorWords.set(view, found)
  return found
}
const operatorWords = new WeakMap<View, ReadonlySet<string>>()

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

const checkDirection = (words: readonly string[], printed: readonly Printed[]): string[] => {
  const said = (['up', 'down', 'flat'] as const).filter((direction) =>
    words.some((word) => directions[direction].has(word)),
  )
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

/** Of a fact that is compared with something, or that is a difference itself. */
const directionOf = (fact: Fact): Direction | 'unclear' | undefined => {
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

const checkSuperlatives = (words: readonly string[], printed: readonly Printed[], view: View): string[] =>
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

/** One kind of figure a sentence, called by its name. */
const checkFamilies = (text: string, printed: readonly Printed[]): string[] => {
  const families = new Map(
    printed.flatMap(({ seen }) => {
      const found = familyOf(seen.fact.metric)
      return found ? [[found.family, { ...found, id: seen.id }] as const] : []
    }),
  )
  if (families.size > 1) return ['A sentence prints different kinds of figures: make it several sentences.']
  return [...families.values()]
    .filter(({ nouns }) => !nouns.test(text))
    .map(({ id }) => `The sentence does not say what ${id} counts: name its metric.`)
}

/**
 * A name belongs to the figure after it in a sentence that begins with a name, and to the one before it in a sentence
 * that begins with a figure. Figures of one metric need their names to be told apart.
 */
const checkNames = (names: readonly Name[], printed: readonly Printed[]): string[] => {
  const problems: string[] = []
  const namesComeFirst = (names[0]?.at ?? 0) < (printed[0]?.at ?? 0)
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
const checkWhole = (text: string, names: readonly Name[], printed: readonly Printed[], { shared }: View): string[] => [
  ...new Set(
    printed.flatMap(({ seen: { id, about } }) =>
      (Object.entries(about) as [FactDimension, string][])
        .filter(([dimension, value]) => {
          // A step has its name, and its number beside it.
          if (dimension in shared.about || (dimension === 'order' && about.step !== undefined)) return false
          const isNamed = names.some((one) => one.dimension === dimension && one.seen.about[dimension] === value)
          const word = value.toLowerCase()
          const isTyped = operatorDimensions.includes(dimension) && !everydayWords.has(word) && hasWord(text, word)
          return !isNamed && !isTyped
        })
        .map(([dimension]) => `${id} is about one ${dimension} only: its name has to stand in the sentence.`),
    ),
  ),
]

/** An operator's word that is typed (`mobile`, `paid`) must be what the figures of the sentence are about. */
const checkTypedNames = (text: string, printed: readonly Printed[], view: View): string[] => {
  const problems = new Set<string>()
  if (printed.length === 0) return []
  const facts = printed.map(({ seen }) => seen.fact)
  for (const [dimension, values] of closedWords)
    for (const value of values)
      if (hasWord(text, value) && !printed.some(({ seen }) => isAbout(seen, dimension, value)))
        problems.add(`No fact of the sentence is about "${value}".`)
  for (const { about } of view.facts)
    for (const [dimension, value] of Object.entries(about) as [FactDimension, string][]) {
      if (
        !typedDimensions.includes(dimension) ||
        value.length < 4 ||
        everydayWords.has(value) ||
        !hasWord(text, value.toLowerCase())
      )
        continue
      for (const { seen } of printed)
        if (seen.about[dimension] !== undefined && seen.about[dimension] !== value)
          problems.add(`${seen.id} is not about "${value}": refer to the name instead of typing it.`)
      // A step may be called by a word that its figures have anyway.
      const isOwn = wordsOf(value).every((word) => isOwnWord(bare(word), facts))
      if (!isOwn && !printed.some(({ seen }) => isAbout(seen, dimension, value)))
        problems.add(`No fact of the sentence is about "${value}".`)
    }
  return [...problems]
}
const typedDimensions: readonly FactDimension[] = [
  'funnel',
  'step',
  'segment',
  'model',
  'visitor_kind',
  'channel',
  'device',
  'rfm_segment',
]

const hasWord = (text: string, word: string): boolean => {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1))
    if (!/\p{L}/u.test(`${text[at - 1] ?? ' '}${text[at + word.length] ?? ' '}`)) return true
  return false
}

/** Closed words that every text has. */
const everydayWords = new Set(['other', 'first', 'last'])

/** Words that say nothing else, known whatever a note is about: typed beside a total they would make it a part. */
const closedWords: readonly (readonly [FactDimension, readonly string[]])[] = [
  ['device', ['mobile', 'desktop', 'tablet']],
  ['visitor_kind', ['new', 'returning']],
  ['channel', ['direct', 'paid', 'social', 'email', 'referral']],
]
const isAbout = ({ about, fact }: VisibleFact, dimension: FactDimension, value: string): boolean =>
  about[dimension] === value || (dimension === 'visitor_kind' && fact.metric === `${value}_visitors`)
