/**
 * What the Claude API charges, in US dollars per million tokens, as its pages said on 2026-11-20
 * (platform.claude.com/docs, "Models overview" of each line). Prompts above `longFrom` tokens cost `long` for the whole
 * request. A model that is not listed is counted as the dearest one, so that a budget holds for it, too.
 */
export const pricesAsOf = '2026-11-20'

type Rate = { readonly input: number; readonly output: number }
type Price = Rate & { readonly longFrom?: number; readonly long?: Rate }

const prices: readonly (readonly [model: string, price: Price])[] = [
  ['claude-haiku-5-5', { input: 0.1, output: 0.5, longFrom: 100_000, long: { input: 0.5, output: 2.5 } }],
  ['claude-sonnet-5-5', { input: 2, output: 10 }],
  ['claude-opus-5-5', { input: 4, output: 20 }],
  ['claude-fable-5-1', { input: 10, output: 50 }],
]
const dearest: Price = { input: 10, output: 50 }

/** Cache writes for five minutes and cache reads, as multiples of the input rate. */
const cacheWrite = 1.25
const cacheRead = 0.1

export type Usage = {
  readonly input: number
  readonly output: number
  readonly cacheWritten: number
  readonly cacheRead: number
}

/** Also of a dated version of a model: `claude-haiku-5-5-20261007`. */
const priceOf = (model: string): Price =>
  prices.find(([known]) => model === known || model.startsWith(`${known}-`))?.[1] ?? dearest

export const isPriced = (model: string): boolean =>
  prices.some(([known]) => model === known || model.startsWith(`${known}-`))

/** In dollars. */
export const costOf = (model: string, { input, output, cacheWritten, cacheRead: read }: Usage): number => {
  const price = priceOf(model)
  const isLong = price.longFrom !== undefined && input + cacheWritten + read > price.longFrom
  const rate = isLong && price.long ? price.long : price
  return ((input + cacheWritten * cacheWrite + read * cacheRead) * rate.input + output * rate.output) / 1e6
}
