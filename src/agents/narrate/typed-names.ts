import type { Fact, FactDimension } from '../fact.ts'
import type { DraftPiece } from './draft.ts'
import { calendar, causes, isNumberWord, judgements, negations } from './lexicon.ts'
import { plainOf } from './sentence.ts'
import type { View } from './view.ts'
import { adviceWords, directionsOf, isKnownWord, saysSuperlative } from './vocabulary.ts'
import { bare, wordsOf } from './words.ts'

/** Names of these may be typed instead of referred to; of others they are numbers, or words that mean something else. */
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
/** Closed words that every text has. */
const everydayWords = new Set(['other', 'first', 'last'])
const charsMin = 4

/** A name as it is looked for in a marked text, where it may be typed: whole, and long enough to be no other word. */
export const typedName = (dimension: FactDimension, value: string): string | undefined => {
  const name = plainOf(value).replace(/\s+/g, ' ').trim()
  return typedDimensions.includes(dimension) && name.length >= charsMin && !everydayWords.has(name) ? name : undefined
}

/** A marked text with a mark for each name that is typed in it, as if it were referred to. */
export const withNamesMarked = (marked: string, view: View): string => {
  const names = namesOf(view)
  return names === undefined ? marked : marked.replace(names, '@')
}

/**
 * A draft's pieces, with a reference where a name is typed whose words would be read as a claim: a step that is called
 * `Sign up` goes nowhere. A name that is made of words that texts have anyway, such as `More orders`, stays what it reads like.
 */
export const withNamesReferred = (pieces: readonly DraftPiece[], view: View): DraftPiece[] => {
  const found = misreadNames(view).map(([name, reference]) => ({
    reference,
    typed: new RegExp(`(?<![\\p{L}\\p{N}])${escaped(name)}(?![\\p{L}\\p{N}])`, 'iu'),
  }))
  const split = (piece: DraftPiece): DraftPiece[] => {
    if (piece.kind !== 'text') return [piece]
    for (const { typed, reference } of found) {
      const match = typed.exec(piece.text)
      if (!match) continue
      const sides = [piece.text.slice(0, match.index), piece.text.slice(match.index + match[0].length)] as const
      const [before = [], after = []] = sides.map((text) => (text === '' ? [] : split({ kind: 'text', text })))
      return [...before, reference, ...after]
    }
    return [piece]
  }
  return pieces.flatMap(split)
}

/** The longest first, with a fact that has the name. */
const misreadNames = ({ facts }: View): [name: string, reference: DraftPiece][] => {
  const all = facts.map(({ fact }) => fact)
  const names = new Map<string, DraftPiece>()
  for (const { id, about } of facts)
    for (const [dimension, value] of Object.entries(about) as [FactDimension, string][])
      if (typedName(dimension, value) !== undefined && isMisread(value, all) && !names.has(value))
        names.set(value, { kind: 'name', fact_id: id, dimension })
  return [...names].sort(([a], [b]) => b.length - a.length)
}
const isMisread = (name: string, facts: readonly Fact[]): boolean => {
  const words = wordsOf(name).map(bare)
  return (
    words.some(isClaim) && words.some((word) => !isClaim(word) && !isKnownWord(word, facts) && !adviceWords.has(word))
  )
}
const isClaim = (word: string): boolean =>
  directionsOf([word]).length > 0 ||
  saysSuperlative([word]) ||
  isNumberWord(word) ||
  [negations, judgements, causes, calendar].some((list) => list.has(word))

const namesOf = (view: View): RegExp | undefined => {
  if (known.has(view)) return known.get(view)
  const names = new Set(
    [view.shared.about, ...view.facts.map(({ about }) => about)].flatMap((about) =>
      (Object.entries(about) as [FactDimension, string][]).flatMap((entry) => typedName(...entry) ?? []),
    ),
  )
  // The longest first: `form sent` is not `form`.
  const sorted = [...names].sort((a, b) => b.length - a.length).map(escaped)
  const found = sorted.length === 0 ? undefined : new RegExp(`(?<!\\p{L})(?:${sorted.join('|')})(?!\\p{L})`, 'gu')
  known.set(view, found)
  return found
}
const escaped = (name: string): string => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
const known = new WeakMap<View, RegExp | undefined>()
