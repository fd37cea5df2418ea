import { createHash } from 'node:crypto'
import { isoOf } from './days.ts'
import type { Direction, Fact, FactDims, FactMetric, FactUnit, FactWindow } from './fact.ts'
import { predictionInterval } from './statistics/prediction.ts'
import { wilson } from './statistics/wilson.ts'

export type Compared = {
  value: number
  /** The cases behind that value. */
  n: number
  basis: string
  /** The values of the days that it is made of, and the size of a case where they are sums: they tell what chance does. */
  days?: readonly number[]
  grain?: number
  /** Of a share: the cases of all those days, and how many of them counted. */
  share?: { part: number; of: number }
  /** Where a test of its own says it. */
  chance?: { low: number; high: number }
}
export type FactOptions = {
  unit?: FactUnit
  n?: number
  people?: number | undefined
  among?: number | undefined
  dims?: FactDims
  method?: string
  interval?: Fact['interval']
  compare?: Compared | undefined
  notEnoughHistory?: string | undefined
  isPersonal?: true
  currency?: string | undefined
}
export type FactMaker = {
  readonly window: FactWindow
  fact(metric: FactMetric, value: number | null, options?: FactOptions): Fact
  count(metric: FactMetric, value: number, dims?: FactDims, options?: FactOptions): Fact
  /** A share with its Wilson interval; null of nothing. */
  share(metric: FactMetric, part: number, of: number, dims?: FactDims, options?: FactOptions): Fact
  /** Money, in dollars or in the site's currency. */
  money(metric: FactMetric, micros: number | null, n: number, dims?: FactDims, options?: FactOptions): Fact
}

/**
 * Makes facts of one site and window. `query` is what the figures were read with: its hash is on each fact, together with
 * the method's name, so that two figures which were made differently can be told apart.
 */
export const createFacts = (options: {
  dims: FactDims
  fromMs: number
  toMs: number
  query: string
  currency?: string | undefined
  /** The people of the site and window, where they were counted: behind every fact that says nothing else. */
  people?: number
  /** All of them are about one person. */
  isPersonal?: true
}): FactMaker => {
  const window = { from: isoOf(options.fromMs), to: isoOf(options.toMs) }
  const hashes = new Map<string, string>()
  const queryHash = (method: string): string => {
    const known = hashes.get(method)
    if (known) return known
    const hash = hash16(`${method}\n${options.query}`)
    hashes.set(method, hash)
    return hash
  }
  const fact: FactMaker['fact'] = (metric, value, given = {}) => {
    const dims = { ...options.dims, ...given.dims }
    const method = given.method ?? 'count'
    const people = given.people ?? options.people
    return {
      id: `f_${hash16(JSON.stringify([metric, Object.entries(dims).sort(), window]))}`,
      metric,
      value: exact(value),
      unit: given.unit ?? 'count',
      n: given.n ?? Math.round(value ?? 0),
      ...(people !== undefined && { people }),
      ...(given.among !== undefined && { among: given.among }),
      window,
      dims,
      method,
      queryHash: queryHash(method),
      ...(given.interval && { interval: rounded(given.interval) }),
      ...(given.compare &&
        value !== null && {
          compare: comparison({ value, unit: given.unit ?? 'count', interval: given.interval }, given.compare),
        }),
      ...(given.notEnoughHistory !== undefined && { notEnoughHistory: given.notEnoughHistory }),
      ...((given.isPersonal || options.isPersonal) && { isPersonal: true as const }),
      ...(given.currency !== undefined && { currency: given.currency }),
    }
  }
  return {
    window,
    fact,
    count: (metric, value, dims = {}, given = {}) => fact(metric, value, { dims, ...given }),
    share: (metric, part, of, dims = {}, given = {}) =>
      fact(metric, of === 0 ? null : part / of, {
        ...{ unit: 'share', n: of, dims, method: 'wilson', ...given },
        ...(of > 0 && { interval: wilson(part, of) }),
      }),
    money: (metric, micros, n, dims = {}, given = {}) =>
      fact(metric, micros === null ? null : micros / 1e6, {
        ...{ unit: options.currency === undefined || options.currency === 'USD' ? 'usd' : 'money', n, dims, ...given },
        ...(options.currency !== undefined && { currency: options.currency }),
      }),
  }
}

/** Twelve digits: what is beyond them is the order of summing up, and would make equal figures differ. */
const exact = (value: number | null): number | null =>
  value === null || !Number.isFinite(value) ? null : Number(value.toPrecision(12))

const rounded = ({ low, high, level }: NonNullable<Fact['interval']>): NonNullable<Fact['interval']> => ({
  ...{ low: exact(low) ?? 0, high: exact(high) ?? 0, level },
})

/** Differences below this share of what is compared with are called flat. */
const flatShare = 0.02

const comparison = (
  one: { value: number; unit: FactUnit; interval: Fact['interval'] },
  to: Compared,
): NonNullable<Fact['compare']> => {
  const chance = to.chance ?? chanceOf(one, to)
  return {
    ...{ value: exact(to.value) ?? 0, direction: directionOf(one.value, to.value), n: to.n, basis: to.basis },
    ...(chance && { chance: { low: exact(chance.low) ?? 0, high: exact(chance.high) ?? 0 } }),
  }
}

const chanceOf = (
  { value, unit, interval }: { value: number; unit: FactUnit; interval: Fact['interval'] },
  { value: center, days, grain, share }: Compared,
): { low: number; high: number } | undefined => {
  if (days && (unit === 'count' || unit === 'usd' || unit === 'money')) return predictionInterval(center, days, grain)
  if (!share || !interval) return undefined
  // Outside of this the interval of the difference (Newcombe 1998, method 10) does not hold 0.
  const earlier = wilson(share.part, share.of)
  return {
    low: center - Math.hypot(interval.high - value, center - earlier.low),
    high: center + Math.hypot(value - interval.low, earlier.high - center),
  }
}

export const directionOf = (value: number, before: number): Direction => {
  if (Math.abs(value - before) <= flatShare * Math.abs(before)) return 'flat'
  return value > before ? 'up' : 'down'
}

export const hash16 = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16)

/** Every fact in a report, wherever it stands. */
export const factsIn = (value: unknown, found: Fact[] = []): Fact[] => {
  if (typeof value !== 'object' || value === null) return found
  if (Array.isArray(value)) {
    for (const item of value) factsIn(item, found)
    return found
  }
  if ('queryHash' in value && 'metric' in value && 'window' in value) {
    found.push(value as Fact)
    return found
  }
  for (const item of Object.values(value)) factsIn(item, found)
  return found
}
