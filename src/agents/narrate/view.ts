import { type Fact, type FactDimension, type FactMetric, operatorDimensions } from '../fact.ts'

/** Facts about fewer cases are about people one could know; they never leave the machine. */
export const casesMin = 10
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
export type View = { readonly facts: readonly VisibleFact[]; readonly byId: ReadonlyMap<string, VisibleFact> }

/**
 * What a model may see of a note's facts. Strings that came from events become labels (`page_3`), numbered in the order
 * in which they appear; so do words of the operator that look like more than a name. Facts about single people, with
 * fewer than 10 cases, or without a value are left out. Nothing else of a fact is sent: neither ids nor currencies.
 */
export const viewOf = (facts: readonly Fact[]): View => {
  const labels = createLabels()
  const visible = facts
    .filter(isVisible)
    .slice(0, factsMax)
    .map((fact, index) => {
      const id = `f${index + 1}`
      const about = Object.fromEntries(
        (Object.entries(fact.dims) as [FactDimension, string][]).map(([dimension, value]) => [
          dimension,
          labels(dimension, value),
        ]),
      )
      return { id, fact, about, line: lineOf(id, fact, about) }
    })
  return { facts: visible, byId: new Map(visible.map((one) => [one.id, one])) }
}

const isVisible = (fact: Fact): boolean =>
  fact.isPersonal !== true &&
  fact.value !== null &&
  Number.isFinite(fact.value) &&
  fact.n >= casesMin &&
  (fact.compare === undefined || Number.isFinite(fact.compare.value)) &&
  !personalDimensions.some((dimension) => fact.dims[dimension] !== undefined)

/** An operator's word: letters, digits and what stands in names. Anything else is labelled, wherever it came from. */
const plainWord = /^[\p{L}\p{N}][\p{L}\p{N} ,.'()&+=_-]{0,59}$/u
/** What is the same kind of thing has the same labels. */
const labelNames: Partial<Record<FactDimension, string>> = { next_page: 'page' }

const createLabels = () => {
  const known = new Map<string, string>()
  const counts = new Map<string, number>()
  return (dimension: FactDimension, value: string): string => {
    if (operatorDimensions.includes(dimension) && plainWord.test(value)) return value
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

const lineOf = (id: string, { metric, value, unit, n, window, interval, compare }: Fact, about: object): string =>
  JSON.stringify({
    ...{ id, metric, value: rounded(value ?? 0), unit, n, about },
    ...(interval && { interval: [rounded(interval.low), rounded(interval.high)] }),
    ...(compare && {
      compared_with: {
        ...{ value: rounded(compare.value), direction: compare.direction },
        ...(plainWord.test(compare.basis) && { basis: compare.basis }),
      },
    }),
    days: [dayOf(window.from), dayOf(window.to)],
  })

/** Enough to weigh a figure; the note prints it from the fact. */
const rounded = (value: number): number => Number(value.toPrecision(5))
const dayOf = (instant: string): string => new Date(instant).toISOString().slice(0, 10)

/** What a note has facts of, and how many: the table of contents that a prompt begins with. */
export const contentsOf = ({ facts }: View): Record<string, number> => {
  const counts: Partial<Record<FactMetric, number>> = {}
  for (const { fact } of facts) counts[fact.metric] = (counts[fact.metric] ?? 0) + 1
  return counts as Record<string, number>
}
