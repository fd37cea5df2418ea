import { changeOf } from '../clear-change.ts'
import type { Fact, FactDimension } from '../fact.ts'
import type { FactFormat, Narrative, NarrativePiece } from '../narrative.ts'
import { printFact } from './print-fact.ts'

/** Pieces of the plain text. Sentences are written here; values and names are always references. */
export type Sentence = readonly NarrativePiece[] | null

export const says = (...parts: readonly (string | NarrativePiece)[]): NarrativePiece[] =>
  parts.map((part) => (typeof part === 'string' ? { kind: 'text', text: part } : part))

export const value = (fact: Fact, format: FactFormat = 'value'): NarrativePiece => ({
  kind: 'fact',
  factId: fact.id,
  format,
})
export const name = (fact: Fact, dimension: FactDimension): NarrativePiece => ({
  kind: 'name',
  factId: fact.id,
  dimension,
})

export const plainNarrative = (...paragraphs: readonly (readonly Sentence[])[]): Narrative => ({
  source: 'plain',
  paragraphs: paragraphs
    .map((sentences) =>
      sentences
        .filter((sentence): sentence is NarrativePiece[] => sentence !== null && sentence.length > 0)
        .flatMap((sentence, index) => (index === 0 ? sentence : [...says(' '), ...sentence])),
    )
    .filter((pieces) => pieces.length > 0),
})

/** `, up from 12` where there is something to compare with. What lies within a share's own interval is no rise and no fall. */
export const against = (fact: Fact): (string | NarrativePiece)[] => {
  const { compare } = fact
  if (!compare || fact.value === null) return []
  const change = changeOf(fact)
  const isAlike = change === 'flat' || printFact(fact) === printFact(fact, 'comparison')
  const how = isAlike ? ', much like ' : change === 'unclear' ? ', not clearly other than ' : `, ${change} from `
  return [how, value(fact, 'comparison'), ` (${compare.basis})`]
}

/** The word for so many: `order` of one, else `orders`. */
export const wordFor = (fact: Fact, one: string, many = `${one}s`): string => (fact.value === 1 ? one : many)

/** The interval in brackets, where there is one. */
export const within = (fact: Fact): (string | NarrativePiece)[] =>
  fact.interval && fact.value !== null ? [' (', value(fact, 'interval'), ')'] : []
