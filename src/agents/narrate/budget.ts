import type { Clock } from '../../clock.ts'
import { costOf, type Usage } from './prices.ts'

export type BudgetLimits = {
  readonly usd: number
  readonly requests: number
  /** Input and output together. */
  readonly tokens: number
  readonly wallMs: number
}
export type Spent = { requests: number; inputTokens: number; outputTokens: number; usd: number }

/** No further request may be sent in this run. Not an error of anybody: the plain text stands. */
export class BudgetSpent extends Error {
  readonly limit: keyof BudgetLimits
  constructor(limit: keyof BudgetLimits) {
    super(`the budget of this run is spent: ${limit}`)
    this.name = 'BudgetSpent'
    this.limit = limit
  }
}

/** A token is a byte at the least; what the API adds to a request with tools is within this. */
const overheadTokens = 2_000

/**
 * What one run may still spend. Each attempt, retries of the SDK included, is paid for in advance at the most it could
 * cost, and the difference is given back when its usage is known: so no answer can carry a run beyond its budget, and an
 * attempt whose usage never came counts in full. Throws `BudgetSpent`.
 */
export const createBudget = (limits: BudgetLimits, deps: { clock: Clock; model: string }) => {
  const { clock, model } = deps
  const endMs = clock.now() + limits.wallMs
  const spent: Spent = { requests: 0, inputTokens: 0, outputTokens: 0, usd: 0 }
  const add = ({ input, output, cacheWritten, cacheRead }: Usage, sign: 1 | -1, usd: number): void => {
    spent.inputTokens += sign * (input + cacheWritten + cacheRead)
    spent.outputTokens += sign * output
    spent.usd += sign * usd
  }
  return {
    spent: (): Readonly<Spent> => ({ ...spent }),
    leftMs: (): number => Math.max(0, endMs - clock.now()),
    /** Resolves with what takes the usage; `null` where it is unknown, `'free'` where nothing was charged. */
    reserve({ inputBytes, outputTokens }: { inputBytes: number; outputTokens: number }) {
      const most: Usage = { input: inputBytes + overheadTokens, output: outputTokens, cacheWritten: 0, cacheRead: 0 }
      const mostUsd = costOf(model, most)
      if (clock.now() >= endMs) throw new BudgetSpent('wallMs')
      if (spent.requests + 1 > limits.requests) throw new BudgetSpent('requests')
      if (spent.inputTokens + spent.outputTokens + most.input + most.output > limits.tokens)
        throw new BudgetSpent('tokens')
      if (spent.usd + mostUsd > limits.usd) throw new BudgetSpent('usd')
      spent.requests++
      add(most, 1, mostUsd)
      return (usage: Usage | 'free' | null): void => {
        if (usage === null) return
        add(most, -1, mostUsd)
        if (usage !== 'free') add(usage, 1, costOf(model, usage))
      }
    },
  }
}
export type Budget = ReturnType<typeof createBudget>
