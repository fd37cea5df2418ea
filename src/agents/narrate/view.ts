import { changeOf } from '../clear-change.ts'
import { hasEnoughPeople, peopleMin } from '../enough-people.ts'
import { type Fact, type FactDimension, type FactMetric, operatorDimensions } from '../fact.ts'
import { saysMore } from './vocabulary.ts'
import { wordsOf } from './words.ts'

/** More facts than a note can tell of only cost money. The first ones count: whoever asks puts the important ones first. */
const factsMax = 120
const personalDimensions: readonly FactDimension[] = ['customer', 'visitor', 'session', 'trait']

/** One fact as the model sees it: `line` is the JSON that is sent, byte for byte. */
export type VisibleFact = {
  /** `f1`, `f2` … within the note. */
  readonly id: string
  readonly fact: Fact
  /** The dimensions that have a name, as sent: an operator's word or a neutral label. */
  readonly about: Readonly<Partial<Record<FactDimension, string>>>
  readonly line: string
}
type About = VisibleFact['about']
export type View = {
  readonly facts: readonly VisibleFact[]
  readonly byId: ReadonlyMap<string, VisibleFact>
  /** What all of them are about, and their days where all have the same: said once, and left out of the lines. */
  readonly shared: { readonly about: About; readonly days?: readonly [string, string] }
}

/**
 * What a model may see of a note's facts. Strings that came from events become labels (`page_3`), numbered in the order
 * in which they appear; so do words of the operator that look like more than a name. Facts about single people, about
 * fewer than 10 people or cases, or without a value are left out, and what is compared with fewer is compared with
 * nothing. Nothing else of a fact is sent: neither ids nor currencies.
 */
export const viewOf = (facts: readonly Fact[]): View => {
  const labels = createLabels()
  const visible = facts
    .filter(isVisible)
    .slice(0, factsMax)
    .map(comparable)
    .map((fact) => ({
      fact,
      about: Object.fromEntries(
        (Object.entries(fact.dims) as [FactDimension, string][]).map(([dimension, value]) => [
          dimension,
          labels(dimension, value),
        ]),
      ) as About,
    }))
  const shared = sharedBy(visible)
  const lines = visible.map(({ fact, about }, index): VisibleFact => {
    const id = `f${index + 1}`
    return { id, fact, about, line: lineOf(id, fact, about, shared) }
  })
  return { facts: lines, byId: new Map(lines.map((one) => [one.id, one])), shared }
}

const sharedBy = (facts: readonly Pick<VisibleFact, 'fact' | 'about'>[]): View['shared'] => {
  const [first] = facts
  if (!first) return { about: {} }
  const about = Object.fromEntries(
    (Object.entries(first.about) as [FactDimension, string][]).filter(([dimension, name]) =>
      facts.every((one) => one.about[dimension] === name),
    ),
  )
  const days = daysOf(first.fact)
  return { about, ...(facts.every(({ fact }) => daysOf(fact).join() === days.join()) && { days }) }
}

const isVisible = (fact: Fact): boolean =>
  fact.isPersonal !== true &&
  fact.value !== null &&
  Number.isFinite(fact.value) &&
  hasEnoughPeople(fact) &&
  // No word that is allowed says which part of people needed longer.
  !fact.metric.endsWith('_p90') &&
  (fact.compare === undefined || Number.isFinite(fact.compare.value)) &&
  !personalDimensions.some((dimension) => fact.dims[dimension] !== undefined)

/** What it is compared with is a figure, too. */
const comparable = (fact: Fact): Fact => {
  if (!fact.compare || fact.compare.n >= peopleMin) return fact
  const { compare: _, ...rest } = fact
  return rest
}

/** An operator's word: letters, digits and what stands in names. Anything else is labelled, wherever it came from. */
const plainWord = /^[\p{L}\p{N}][\p{L}\p{N} ,.'()&+=_-]{0,59}$/u
/**
 * A name whose words would be read as a claim where they are typed: a step that is called `Sign up` goes nowhere. It is
 * referred to, as those of events are.
 */
const isClaim = (dimension: FactDimension, name: string): boolean =>
  ['funnel', 'step', 'segment'].includes(dimension) && wordsOf(name).some(saysMore)
/** What is the same kind of thing has the same labels. */
const labelNames: Partial<Record<FactDimension, string>> = { next_page: 'page' }

const createLabels = () => {
  const known = new Map<string, string>()
  const counts = new Map<string, number>()
  return (dimension: FactDimension, value: string): string => {
    if (operatorDimensions.includes(dimension) && plainWord.test(value) && !isClaim(dimension, value)) return value
    const name = labelNames[dimension] ?? dimension
    const key = `${name}\n${value}`
    const label = known.get(key)
    if (label !== undefined) return label
    const next = (counts.get(name) ?? 0) + 1
    counts.set(name, next)
    known.set(key, `${name}_${next}`)
    return `${name}_${next}`
  }
}

/** What may be said of it. What chance explains is neither a rise nor a fall. */
const directionWords = { up: 'up', down: 'down', flat: 'flat', unclear: 'no clear change' } as const

const lineOf = (id: string, fact: Fact, about: About, shared: View['shared']): string => {
  const { metric, value, unit, n, interval, compare } = fact
  const own = Object.fromEntries(Object.entries(about).filter(([dimension]) => !(dimension in shared.about)))
  return JSON.stringify({
    ...{ id, metric, value: rounded(value ?? 0), unit, n },
    ...(fact.countsVisitors && { counts: 'visitors' }),
    ...(Object.keys(own).length > 0 && { about: own }),
    ...(interval && { interval: [rounded(interval.low), rounded(interval.high)] }),
    ...(compare && {
      compared_with: {
        ...{ value: rounded(compare.value), direction: directionWords[changeOf(fact) ?? 'unclear'] },
        ...(plainWord.test(compare.basis) && { basis: compare.basis }),
      },
    }),
    ...(shared.days === undefined && { days: daysOf(fact) }),
  })
}

/** Enough to weigh a figure; the note prints it from the fact. */
const rounded = (value: number): number => Number(value.toPrecision(5))
/** The first day and the last one, in UTC. */
const daysOf = ({ window }: Fact): [string, string] => [
  new Date(window.from).toISOString().slice(0, 10),
  new Date(Date.parse(window.to) - 1).toISOString().slice(0, 10),
]

/** What a note has facts of, and how many: the table of contents that a prompt begins with. */
export const contentsOf = ({ facts }: View): Record<string, number> => {
  const counts: Partial<Record<FactMetric, number>> = {}
  for (const { fact } of facts) counts[fact.metric] = (counts[fact.metric] ?? 0) + 1
  return counts as Record<string, number>
}
