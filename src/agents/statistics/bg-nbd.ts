import { logBeta, logGamma } from './log-gamma.ts'
import { nelderMead } from './nelder-mead.ts'

/**
 * The BG/NBD model of Fader, Hardie and Lee ("Counting Your Customers" the Easy Way, Marketing Science 24, 2005): how
 * likely a customer is to be still one, and how many orders are to come. `x` repeat orders, the last one at age `tx`,
 * seen up to age `age`, all in one unit of time.
 */
export type History = { x: number; tx: number; age: number }
export type BgNbd = { r: number; alpha: number; a: number; b: number }

/** P(alive | x, tx, age). With no repeat order the model says 1 for everybody, which is no judgement. */
export const probabilityAlive = ({ r, alpha, a, b }: BgNbd, { x, tx, age }: History): number => {
  if (x === 0) return 1
  return 1 / (1 + (a / (b + x - 1)) * ((alpha + age) / (alpha + tx)) ** (r + x))
}

/** E[orders in the next t | x, tx, age], equation 10 of the paper. */
export const expectedOrders = (model: BgNbd, history: History, t: number): number => {
  const { r, alpha, a, b } = model
  const { x, tx, age } = history
  const ratio = (alpha + age) / (alpha + age + t)
  const above =
    ((a + b + x - 1) / (a - 1)) *
    (1 - ratio ** (r + x) * hypergeometric(r + x, b + x, a + b + x - 1, t / (alpha + age + t)))
  const below = 1 + (x > 0 ? 1 : 0) * (a / (b + x - 1)) * ((alpha + age) / (alpha + tx)) ** (r + x)
  return above / below
}

/** Gauss' 2F1 by its series, for 0 ≤ z < 1. */
const hypergeometric = (a: number, b: number, c: number, z: number): number => {
  let term = 1
  let sum = 1
  for (let n = 0; n < 10_000 && Math.abs(term) > Math.abs(sum) * 1e-14; n++) {
    term *= (((a + n) * (b + n)) / ((c + n) * (n + 1))) * z
    sum += term
  }
  return sum
}

export const logLikelihood = ({ r, alpha, a, b }: BgNbd, { x, tx, age }: History): number => {
  const a1 = logGamma(r + x) - logGamma(r) + r * Math.log(alpha)
  const a2 = logBeta(a, b + x) - logBeta(a, b)
  const a3 = -(r + x) * Math.log(alpha + age)
  if (x === 0) return a1 + a2 + a3
  const a4 = Math.log(a) - Math.log(b + x - 1) - (r + x) * Math.log(alpha + tx)
  const most = Math.max(a3, a4)
  return a1 + a2 + most + Math.log(Math.exp(a3 - most) + Math.exp(a4 - most))
}

/** Below this many customers, or repeat orders, the likelihood is too flat for four parameters. */
export const customersMin = 200
export const repeatCustomersMin = 40
const exponentMax = 8

/** The parameters of greatest likelihood, found over their logarithms; null where there is too little to fit. */
export const fitBgNbd = (histories: readonly History[]): BgNbd | null => {
  if (histories.length < customersMin) return null
  if (histories.filter(({ x }) => x > 0).length < repeatCustomersMin) return null
  const groups = new Map<string, { history: History; count: number }>()
  for (const history of histories) {
    const key = `${history.x} ${history.tx.toFixed(2)} ${history.age.toFixed(2)}`
    const group = groups.get(key)
    if (group) group.count++
    else groups.set(key, { history, count: 1 })
  }
  const modelOf = ([r = 0, alpha = 0, a = 0, b = 0]: number[]): BgNbd => ({
    ...{ r: Math.exp(r), alpha: Math.exp(alpha), a: Math.exp(a), b: Math.exp(b) },
  })
  const meanAge = histories.reduce((sum, { age }) => sum + age, 0) / histories.length
  const cost = (point: number[]): number => {
    if (point.some((x) => Math.abs(x) > exponentMax)) return Number.MAX_VALUE
    const model = modelOf(point)
    let sum = 0
    for (const { history, count } of groups.values()) sum -= count * logLikelihood(model, history)
    return Number.isFinite(sum) ? sum : Number.MAX_VALUE
  }
  const found = nelderMead(cost, [0, Math.log(Math.max(meanAge, 0.1)), 0, 0.5])
  // A parameter at the rim means that the data do not hold it.
  return found.some((x) => Math.abs(x) > exponentMax - 0.01) ? null : modelOf(found)
}
