import type { Fact } from '../fact.ts'
import type { Narrative, NarrativePiece } from '../narrative.ts'
import { blocks, callout, heading, type Markdown, md, printed, raw, table } from './markdown.ts'
import { metricTitle } from './metric-titles.ts'
import { printFact } from './print-fact.ts'
import { printTime } from './print-time.ts'

/** Facts that a narrative may point at, by id. */
export type FactBook = ReadonlyMap<string, Fact>

export const factBook = (facts: readonly Fact[]): FactBook => new Map(facts.map((fact) => [fact.id, fact]))

const textCharsMax = 2_000

/**
 * Prints a narrative: words as words (whatever they say, they are text), values from the facts, names escaped. A piece
 * that points at nothing is left out.
 */
export const renderNarrative = (narrative: Narrative, facts: FactBook): Markdown =>
  blocks(
    ...narrative.paragraphs.map((pieces) =>
      md(
        pieces
          .map((piece) => renderPiece(piece, facts))
          .join('')
          .trim(),
      ),
    ),
  )

const renderPiece = (piece: NarrativePiece, facts: FactBook): string => {
  if (piece.kind === 'text') {
    const [before = '', , after = ''] = /^(\s*)([\s\S]*?)(\s*)$/.exec(piece.text)?.slice(1) ?? []
    const inner = piece.text.trim()
    if (inner === '') return piece.text === '' ? '' : ' '
    const text = raw(inner, textCharsMax)
    // A blank follows: no mark can find its twin.
    return `${before && ' '}${after === '' ? text : `${text.replace(/\\([:%=])$/, '$1')} `}`
  }
  const fact = facts.get(piece.factId)
  if (!fact) return ''
  if (piece.kind === 'fact') return printed(printFact(fact, piece.format))
  const name = fact.dims[piece.dimension] ?? ''
  // Depths are the only names that are shares.
  return raw(fact.metric === 'scroll_reached' && piece.dimension === 'bucket' ? `${name} %` : name)
}

/** What the narrative stands on, for whoever wants to check it: folded away below it. */
export const evidence = (narrative: Narrative, facts: FactBook, timeZone: string): Markdown => {
  const cited = new Set(
    narrative.paragraphs.flatMap((pieces) =>
      pieces.flatMap((piece) => (piece.kind === 'text' || !facts.has(piece.factId) ? [] : [piece.factId])),
    ),
  )
  if (cited.size === 0) return md('')
  const rows = [...cited].map((id) => {
    const fact = facts.get(id) as Fact
    return [
      raw(`${metricTitle(fact.metric)}${placeOf(fact)}`),
      printed(printFact(fact)),
      fact.interval ? printed(printFact(fact, 'interval')) : md(''),
      printed(printFact(fact, 'sample')),
      raw(printTime(fact.window.from, timeZone)),
      raw(printTime(fact.window.to, timeZone)),
      raw(fact.method),
      raw(fact.id),
      raw(fact.queryHash),
    ]
  })
  return callout(
    'info',
    md('Where these figures come from'),
    table(
      [
        { title: 'Figure' },
        { title: 'Value', isNumber: true },
        { title: 'Interval' },
        { title: 'n', isNumber: true },
        { title: 'From' },
        { title: 'To' },
        { title: 'Method' },
        { title: 'Fact' },
        { title: 'Query' },
      ],
      rows,
    ),
    { folded: true },
  )
}

const shownDimensions = [
  'step',
  'channel',
  'device',
  'visitor_kind',
  'model',
  'page',
  'query',
  'element',
  'source',
] as const
const placeOf = ({ dims }: Fact): string => {
  const parts = shownDimensions.flatMap((name) => (dims[name] === undefined ? [] : [dims[name]]))
  return parts.length > 0 ? ` (${parts.join(', ')})` : ''
}

/** The part of a note that a narrator writes. */
export const summary = (title: Markdown, narrative: Narrative | null, facts: FactBook, timeZone: string): Markdown =>
  narrative === null
    ? heading(1, title)
    : blocks(heading(1, title), renderNarrative(narrative, facts), evidence(narrative, facts, timeZone))
