import type { FactDimension } from '../fact.ts'
import type { FactFormat } from '../narrative.ts'
import type { DraftPiece } from './draft.ts'
import type { View, VisibleFact } from './view.ts'
import { bare, wordsOf } from './words.ts'

export type Printed = { readonly at: number; readonly seen: VisibleFact; readonly format: FactFormat }
export type Name = { readonly at: number; readonly seen: VisibleFact; readonly dimension: FactDimension }

/** One sentence of a draft, read once for all that is checked of it. */
export type Sentence = {
  readonly pieces: readonly DraftPiece[]
  /** What was typed, in small letters, with a blank for each reference. */
  readonly text: string
  readonly words: readonly string[]
  readonly printed: readonly Printed[]
  readonly names: readonly Name[]
  /**
   * What was typed without accents and quotes, a comma for a dash, single spaced, with a mark for each reference: `#` for a value
   * or an interval, `%` for what it is compared with, `=` for a difference, `&` for a sample, `@` for a name. No text
   * may have these marks, so that they are references and nothing else.
   */
  readonly marked: string
}

const marks: Readonly<Record<FactFormat, string>> = {
  value: '#',
  interval: '#',
  comparison: '%',
  difference: '=',
  sample: '&',
}
const figureMarks = /[#%=&]/

export const readSentence = (pieces: readonly DraftPiece[], view: View): Sentence => {
  const text = pieces.map((piece) => (piece.kind === 'text' ? piece.text.toLowerCase() : ' ')).join(' ')
  const printed: Printed[] = []
  const names: Name[] = []
  for (const [at, piece] of pieces.entries()) {
    if (piece.kind === 'text') continue
    const seen = view.byId.get(piece.fact_id)
    if (!seen) continue
    if (piece.kind === 'fact') printed.push({ at, seen, format: piece.format })
    else names.push({ at, seen, dimension: piece.dimension })
  }
  return { pieces, text, words: wordsOf(text).map(bare), printed, names, marked: markedOf(pieces) }
}

const markedOf = (pieces: readonly DraftPiece[]): string =>
  pieces
    .map((piece) =>
      piece.kind === 'text' ? plainOf(piece.text) : ` ${piece.kind === 'fact' ? marks[piece.format] : '@'} `,
    )
    .join('')
    .replace(/\s+/g, ' ')
    .replace(/ (?=[,.;:!?)])/g, '')
    .trim()

/** Without accents, quotes and hyphens; `drop-off` is one word. */
export const plainOf = (text: string): string =>
  bare(text)
    .replace(/\bdrop-?\s?off(s?)\b/g, 'dropoff$1')
    .replace(/[–—]|(?<= )-(?= )/g, ', ')
    .replace(/["“”'’-]/g, ' ')

/** What stands before each figure, since the one before it, and what stands after the last one; brackets left out. */
export const betweenFigures = ({ marked }: Sentence): string[] =>
  marked.split(figureMarks).map((part) => part.replace(/[()]/g, ' ').replace(/\s+/g, ' ').trim())

/** The different facts that a sentence prints. */
export const factsOf = ({ printed }: Sentence): VisibleFact[] => [...new Set(printed.map(({ seen }) => seen))]
