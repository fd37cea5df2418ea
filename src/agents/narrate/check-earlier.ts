import { directions } from './lexicon.ts'
import type { Sentence } from './sentence.ts'

/** What came is not what was expected, nor what was before. */
export const checkEarlier = ({ words, pieces, printed }: Sentence): string[] => {
  const saysEarlier = words.some((word) => ['expected', 'before', 'previous', 'earlier'].includes(word))
  const isCompared =
    pieces.some((piece) => piece.kind === 'fact' && (piece.format === 'comparison' || piece.format === 'difference')) ||
    (['up', 'down', 'flat'] as const).some((direction) => words.some((word) => directions[direction].has(word))) ||
    printed.some(({ seen }) => seen.fact.metric.startsWith('dropoff_'))
  return saysEarlier && printed.length > 0 && !isCompared
    ? ['A figure is called expected or earlier, and is not: print its comparison.']
    : []
}
