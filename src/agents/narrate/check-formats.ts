import type { DraftPiece } from './draft.ts'
import type { Sentence } from './sentence.ts'

/** Words that say which number of a fact is meant, at the end of the text before it or at the start of the text after it. */
const before = {
  comparison: /\b(?:from|against|than|instead of|compared with|compared to|expected)$/,
  difference: /\b(?:by|difference of|gap of)$/,
}
const afterDifference = /^(?:more|fewer|less|higher|lower|above|below|longer|shorter)\b/
const ofSample = /\b(?:cases?|sample|measured over|counted over)\b/

/**
 * A fact has several numbers, and each must be called what it is: the value stands for itself, what it is compared with
 * comes after "from" or "against", the difference after "by", the sample beside "cases". So `rose by` never takes the
 * value, and the figure of last week never stands for that of today.
 */
export const checkFormats = ({ text, pieces, printed }: Sentence): string[] =>
  printed.flatMap(({ at, seen: { id, fact }, format }) => {
    const [left, right] = [textOf(pieces[at - 1]), textOf(pieces[at + 1])]
    const isFar = fact.unit === 'points'
    switch (format) {
      case 'comparison':
        return before.comparison.test(left) ? [] : [`${id}: comparison stands after "from", "against" or "than".`]
      case 'difference':
        return before.difference.test(left) || afterDifference.test(right)
          ? []
          : [`${id}: difference stands after "by", or before "more", "fewer", "higher" or "lower".`]
      case 'sample':
        return ofSample.test(text) ? [] : [`${id}: sample stands beside the word "cases".`]
      default:
        return (before.difference.test(left) && !isFar) ||
          /\b(?:from|against)$/.test(left) ||
          (/\bthan$/.test(left) && printed.length < 2)
          ? [`${id}: after "by" stands difference, after "from", "against" or "than" comparison.`]
          : []
    }
  })

const textOf = (piece: DraftPiece | undefined): string =>
  piece?.kind === 'text' ? piece.text.toLowerCase().trim() : ''
