import type { Narrative, NarrativePiece } from '../narrative.ts'
import { checkSentence } from './check-sentence.ts'
import { checkText } from './check-text.ts'
import { type Draft, type DraftPiece, narrativeChars, paragraphsMax, piecesMax } from './draft.ts'
import type { View } from './view.ts'

export type Checked = { readonly narrative: Narrative } | { readonly problems: readonly string[] }
const problemsMax = 12

/**
 * The gate between a model and a note: gives the narrative with the facts' own ids, or what is wrong with the draft, in
 * sentences for the model. A draft with one problem is not published in part.
 */
export const checkDraft = (draft: Draft, view: View): Checked => {
  const { paragraphs } = draft
  const all = paragraphs.flatMap(({ pieces }) => pieces)
  const problems = [
    ...checkShape(draft),
    ...all.flatMap((piece) => (piece.kind === 'text' ? checkText(piece.text) : checkReference(piece, view))),
  ]
  // Words that are no words cannot be held against facts.
  if (problems.length === 0)
    for (const { pieces } of paragraphs)
      for (const sentence of sentencesOf(pieces)) problems.push(...checkSentence(sentence, view))
  if (problems.length > 0) return { problems: [...new Set(problems)].slice(0, problemsMax) }
  return {
    narrative: { source: 'model', paragraphs: paragraphs.map(({ pieces }) => pieces.map((one) => pieceOf(one, view))) },
  }
}

const checkShape = ({ paragraphs }: Draft): string[] => {
  const all = paragraphs.flatMap(({ pieces }) => pieces)
  const chars = all.reduce((sum, piece) => sum + (piece.kind === 'text' ? piece.text.length : 0), 0)
  return [
    ...(paragraphs.length === 0 || paragraphs.some(({ pieces }) => pieces.length === 0) ? ['The text is empty.'] : []),
    ...(paragraphs.length > paragraphsMax ? [`There are more than ${paragraphsMax} paragraphs.`] : []),
    ...(paragraphs.some(({ pieces }) => pieces.length > piecesMax)
      ? [`A paragraph has more than ${piecesMax} pieces.`]
      : []),
    ...(chars > narrativeChars ? [`The text is longer than ${narrativeChars} characters.`] : []),
    ...(all.some(({ kind }) => kind === 'fact') ? [] : ['The text refers to no fact.']),
    ...(paragraphs.every(({ pieces }) => startsPlainly(pieces[0])) ? [] : ['A paragraph begins with a mark.']),
  ]
}

/** A dash or a bracket at the start of a line means something in Markdown. */
const startsPlainly = (piece: DraftPiece | undefined): boolean =>
  piece?.kind !== 'text' || /^ ?["“]?\p{L}/u.test(piece.text)

const checkReference = (piece: Exclude<DraftPiece, { kind: 'text' }>, view: View): string[] => {
  const seen = view.byId.get(piece.fact_id)
  if (!seen) return [`There is no fact ${JSON.stringify(piece.fact_id.slice(0, 20))}.`]
  if (piece.kind === 'name')
    return seen.fact.dims[piece.dimension] === undefined ? [`${seen.id} has no ${piece.dimension}.`] : []
  const { format } = piece
  if (format === 'interval' && !seen.fact.interval) return [`${seen.id} has no interval.`]
  if ((format === 'difference' || format === 'comparison') && !seen.fact.compare)
    return [`${seen.id} is compared with nothing.`]
  return []
}

/** The pieces between full stops. */
const sentencesOf = (pieces: readonly DraftPiece[]): DraftPiece[][] => {
  const sentences: DraftPiece[][] = [[]]
  for (const piece of pieces) {
    if (piece.kind !== 'text') {
      sentences.at(-1)?.push(piece)
      continue
    }
    for (const [index, text] of piece.text.split(/(?<=[.!?]["”’)]?)(?: |$)/).entries()) {
      if (index > 0) sentences.push([])
      if (text !== '') sentences.at(-1)?.push({ kind: 'text', text })
    }
  }
  return sentences.filter((sentence) => sentence.length > 0)
}

const pieceOf = (piece: DraftPiece, view: View): NarrativePiece => {
  if (piece.kind === 'text') return { kind: 'text', text: piece.text.normalize('NFKC') }
  const factId = view.byId.get(piece.fact_id)?.fact.id ?? ''
  return piece.kind === 'fact'
    ? { kind: 'fact', factId, format: piece.format }
    : { kind: 'name', factId, dimension: piece.dimension }
}
