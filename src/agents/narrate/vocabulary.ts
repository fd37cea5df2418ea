import type { Direction, Fact, FactDimension } from '../fact.ts'
import { calendar, causes, directions, familyOf, isNumberWord, judgements, negations, superlatives } from './lexicon.ts'
import { bare, wordSet } from './words.ts'

/**
 * The words that a text is made of. A list of what is refused can never be whole: a cause, a judgement or a direction has
 * many names. So a word that is on none of these lists is refused, whatever it means.
 */

/** Beside any figure. None of them says why, how good, or how many; `no` and `not` are missing on purpose. */
export const plainWords = wordSet(`
  a an the this that these those it its they their there here of in on at to from by with for against than between among and
  or but while where which who also too is are was were be been has have had came come comes went goes stood stands
  stand made saw shows showed shown counted measured found recorded seen coincided coincides coincide together alongside same
  expected before previous earlier figure figures value values site website day sample case cases interval
  difference gap weekday weekdays new returning mobile desktop tablet direct paid social email referral
`)

/** After the first word of an advice. No verb is among them: a clause could only be a claim. */
export const adviceWords = wordSet(`
  a an the this that these those its their of in on at to from by with for against between and or before again next first
  closely carefully hand new returning recent same other mobile desktop tablet direct paid social email referral search
  session sessions visit visits visitor visitors people order orders revenue conversion page pages form forms checkout cart
  product products step steps funnel funnels campaign campaigns source sources channel channels device devices browser
  browsers searches error errors script scripts click clicks time tracking event events release releases figure
  figures entry entries exit exits segment segments cohort cohorts model models path paths element elements button buttons
  link links text texts field fields payment delivery menu speed
`)

/** Which number of a kind it is: an average is no total, and a share no count. */
const measures: readonly (readonly [words: ReadonlySet<string>, isOf: (fact: Fact) => boolean])[] = [
  [
    wordSet('average mean'),
    ({ metric }) =>
      /^(?:average_order_value|pages_per_session|segment_engaged_seconds|segment_probability_alive)$/.test(metric),
  ],
  [wordSet('median'), ({ metric }) => /_median$|^(?:journey_seconds|journey_sessions|engaged_seconds)$/.test(metric)],
  [wordSet('share rate'), ({ unit }) => unit === 'share'],
  [wordSet('number count total'), ({ unit }) => unit === 'count'],
]

/** What is lost beyond what was expected: a difference, and nothing else. */
export const isExcess = ({ metric }: Fact): boolean =>
  metric === 'dropoff_difference' || metric === 'dropoff_lost_sessions'

/** What a figure may be said to be of, where it is about one of these. */
const dimensionNouns: Partial<Record<FactDimension, ReadonlySet<string>>> = {
  page: wordSet('page pages'),
  next_page: wordSet('page pages'),
  campaign: wordSet('campaign campaigns'),
  source: wordSet('source sources'),
  channel: wordSet('channel channels'),
  device: wordSet('device devices'),
  visitor_kind: wordSet('visitor visitors'),
  browser: wordSet('browser browsers'),
  query: wordSet('query queries term terms'),
  element: wordSet('element elements'),
  step: wordSet('step steps funnel'),
  funnel: wordSet('funnel'),
  segment: wordSet('segment'),
  week: wordSet('cohort cohorts'),
  model: wordSet('model models'),
  order: wordSet('entry exit'),
  bucket: wordSet('depth trait traits'),
}

/** The directions that words say. `the same weekday` says none. */
export const directionsOf = (words: readonly string[]): Direction[] => {
  const saying = words.filter((word, at) => word !== 'same' || !/^weekdays?$/.test(words[at + 1] ?? ''))
  return (['up', 'down', 'flat'] as const).filter((direction) => saying.some((word) => directions[direction].has(word)))
}

const isDirection = (word: string): boolean => directionsOf([word]).length > 0 || saysSuperlative([word])

export const saysSuperlative = (words: readonly string[]): boolean =>
  words.some((word) => superlatives.up.has(word) || superlatives.down.has(word))

/** Whether a word, as it is written, says a direction, a quantity, a judgement, a cause or a time. */
export const saysMore = (raw: string): boolean => {
  const word = bare(raw)
  return (
    isDirection(word) || isNumberWord(raw) || [negations, judgements, causes, calendar].some((list) => list.has(word))
  )
}

/** Words that the figures of a sentence are called by: the nouns of their metrics, and what may stand beside these. */
export const isOwnWord = (word: string, facts: readonly Fact[]): boolean =>
  facts.some(({ metric }) => {
    const family = familyOf(metric)
    return family !== undefined && (family.nouns.test(word) || family.beside.has(word))
  })

/** Whether a word, in small letters and without accents, may stand beside these figures. */
export const isKnownWord = (word: string, facts: readonly Fact[]): boolean =>
  plainWords.has(word) ||
  isDirection(word) ||
  isOwnWord(word, facts) ||
  measures.some(([words, isOf]) => words.has(word) && facts.every(isOf)) ||
  facts.some(({ dims }) =>
    (Object.keys(dims) as FactDimension[]).some((dimension) => dimensionNouns[dimension]?.has(word)),
  )
