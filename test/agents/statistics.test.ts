import t from 'tap'
import { benjaminiHochberg } from '../../src/agents/statistics/benjamini-hochberg.ts'
import { expectedOrders, fitBgNbd, type History, probabilityAlive } from '../../src/agents/statistics/bg-nbd.ts'
import {
  betaBinomialUpperTail,
  binomialMass,
  binomialTwoSided,
  binomialUpperTail,
} from '../../src/agents/statistics/binomial.ts'
import { logGamma } from '../../src/agents/statistics/log-gamma.ts'
import { associationP, chiSquareUpperTail, oddsRatio } from '../../src/agents/statistics/odds-ratio.ts'
import { predictionInterval } from '../../src/agents/statistics/prediction.ts'
import { median, modifiedZ, quantileOfSorted } from '../../src/agents/statistics/quantiles.ts'
import { wilson } from '../../src/agents/statistics/wilson.ts'
import { createRandom } from '../../src/demo/random.ts'

const near = (
  t: { ok(value: boolean, text: string): unknown },
  found: number | null | undefined,
  wanted: number,
  within: number,
  text = '',
) => t.ok(found !== null && found !== undefined && Math.abs(found - wanted) <= within, `${text} ${found} is ${wanted}`)

/** Customers of the model: gamma rates, beta drop-outs, exponential waiting times. */
const simulate = (
  model: { r: number; alpha: number; a: number; b: number },
  count: number,
  seed: number,
): History[] => {
  const random = createRandom(seed)
  const exponential = () => -Math.log(1 - random.next())
  const normal = () => Math.sqrt(2 * exponential()) * Math.cos(2 * Math.PI * random.next())
  // Marsaglia and Tsang 2000; below 1 by the power of a uniform draw.
  const gamma = (shape: number): number => {
    if (shape < 1) return gamma(shape + 1) * random.next() ** (1 / shape)
    const d = shape - 1 / 3
    for (;;) {
      const x = normal()
      const v = (1 + x / Math.sqrt(9 * d)) ** 3
      if (v > 0 && Math.log(1 - random.next()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v
    }
  }
  return Array.from({ length: count }, () => {
    const rate = gamma(model.r) / model.alpha
    const [one, two] = [gamma(model.a), gamma(model.b)]
    const dropOut = one / (one + two)
    const age = 20 + random.below(30)
    let [x, tx, at] = [0, 0, 0]
    for (;;) {
      at += exponential() / rate
      if (at > age) break
      x++
      tx = at
      if (random.next() < dropOut) break
    }
    return { x, tx, age }
  })
}

t.test('the exact binomial test gives the published values', (t) => {
  // scipy.stats.binomtest, its documentation: 3 of 15 with p = 0.1, alternative greater.
  near(t, binomialUpperTail(3, 15, 0.1), 0.1840610691, 1e-10)
  // R, help(binom.test): Mendel's 682 of 925 with p = 3/4, two-sided.
  near(t, binomialTwoSided(682, 925, 0.75), 0.3824916, 1e-6)
  t.equal(binomialUpperTail(0, 10, 0.5), 1)
  near(t, binomialUpperTail(10, 10, 0.5), 0.5 ** 10, 1e-15)
  t.equal(binomialUpperTail(1, 10, 0), 0)
  const masses = Array.from({ length: 41 }, (_, k) => binomialMass(k, 40, 0.37))
  near(
    t,
    masses.reduce((a, b) => a + b, 0),
    1,
    1e-12,
    'masses add up to',
  )
  near(t, logGamma(0.5), Math.log(Math.sqrt(Math.PI)), 1e-13)
  near(t, logGamma(171), Math.log(7.257415615307994e306), 1e-9)
  t.end()
})

t.test('a baseline that is uncertain makes the test more careful, and a certain one makes it binomial', (t) => {
  near(t, betaBinomialUpperTail(70, 100, 6e7, 4e7), binomialUpperTail(70, 100, 0.6), 1e-6)
  t.ok(betaBinomialUpperTail(70, 100, 60, 40) > binomialUpperTail(70, 100, 0.6))
  // Beta(1, 1): every count from 0 to n is equally likely.
  near(t, betaBinomialUpperTail(8, 10, 1, 1), 3 / 11, 1e-12)
  t.end()
})

t.test("Wilson's interval gives Newcombe's values", (t) => {
  // Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
  for (const [x, n, low, high] of [
    [81, 263, 0.2552885, 0.3662096],
    [0, 20, 0, 0.1611252],
    [1, 29, 0.0061132, 0.1717552],
  ] as const) {
    near(t, wilson(x, n).low, low, 5e-7)
    near(t, wilson(x, n).high, high, 5e-7)
  }
  t.same(wilson(0, 0), { low: 0, high: 1, level: 0.95 })
  t.equal(wilson(20, 20).high, 1)
  t.end()
})

t.test('Benjamini and Hochberg', (t) => {
  // stdlib.io, padjust: method bh.
  for (const [index, wanted] of [0.04, 0.075, 0.205, 0.6, 0.25].entries())
    near(t, benjaminiHochberg([0.008, 0.03, 0.123, 0.6, 0.2])[index], wanted, 1e-12)
  // The example of the paper (JRSS B 57, 1995, section 3.1): 15 tests, 4 rejected at q = 0.05.
  const paper = [
    1e-4, 4e-4, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719, 0.6528, 0.759, 1,
  ]
  t.equal(benjaminiHochberg(paper).filter((one) => one <= 0.05).length, 4)
  t.same(benjaminiHochberg([]), [])
  t.end()
})

t.test('the modified z-score', (t) => {
  const values = [2.1, 2.6, 2.4, 2.5, 2.3, 2.1, 2.3, 2.6, 8.2, 8.3]
  near(t, median(values), 2.45, 1e-12)
  near(t, modifiedZ(8.2, values), 25.856, 5e-4)
  near(t, modifiedZ(8.3, values), 26.305, 5e-4)
  for (const value of values.slice(0, 8)) t.ok(Math.abs(modifiedZ(value, values) ?? 9) < 1.6)
  t.equal(modifiedZ(3, [3, 3, 3]), null, 'no spread, no judgement')
  t.ok((modifiedZ(9, [3, 3, 3, 3, 4]) ?? 0) > 3.5, 'where the MAD is 0 the mean deviation stands in')
  t.equal(quantileOfSorted([], 0.5), null)
  near(t, quantileOfSorted([1, 2, 3, 4], 0.9), 3.7, 1e-12)
  t.end()
})

t.test('what earlier days let expect holds their median, and is no narrower for a day that stood out', (t) => {
  for (const center of [0, 0.5, 2.5, 5, 30, 100, 199, 201, 1e6]) {
    const calm = [center, center, center]
    const known = predictionInterval(center, calm)
    t.ok(known.low <= center && center <= known.high, `${center} in ${known.low} to ${known.high}`)
    for (const great of [2, 5, 16, 50, 1000]) {
      const { low, high } = predictionInterval(center, [...calm, center * great])
      t.ok(low <= known.low + 1 && high >= known.high - 1, `${center} and ${center * great}: ${low} to ${high}`)
    }
  }
  // A promotion three weeks ago, and some 30 on the other days.
  const { low, high } = predictionInterval(30, [28, 30, 32, 500])
  t.ok(low <= 27 && high >= 40)
  t.ok(predictionInterval(0, [0, 0, 0, 0]).high >= 1, 'one after none is no rise')
  t.end()
})

t.test('odds ratios with a prior, and their exact test', (t) => {
  const table = { withTrait: { yes: 5, no: 1 }, without: { yes: 2, no: 10 } }
  // PostHog's funnel correlation: 25 as it is, 11 with one added to each cell.
  near(t, oddsRatio(table, 0), 25, 1e-12)
  near(t, oddsRatio(table), 11, 1e-12)
  // Fisher's tea: all eight right, as R's fisher.test gives it.
  near(t, associationP({ withTrait: { yes: 4, no: 0 }, without: { yes: 0, no: 4 } }), 0.02857143, 1e-8)
  near(t, associationP({ withTrait: { yes: 3, no: 1 }, without: { yes: 1, no: 3 } }), 0.4857143, 1e-7)
  // Tables of the chi-square distribution.
  near(t, chiSquareUpperTail(3.841458820694124, 1), 0.05, 1e-10)
  near(t, chiSquareUpperTail(18.307038053275143, 10), 0.05, 1e-10)
  near(t, chiSquareUpperTail(2.5, 4), 0.6446358, 1e-6)
  t.end()
})

t.test('BG/NBD gives the values of the paper, and finds parameters again', (t) => {
  // Fader, Hardie and Lee: CDNOW, 2,357 customers; the estimates of the paper, rounded there to three digits.
  const cdnow = { r: 0.243, alpha: 4.414, a: 0.793, b: 2.426 }
  near(t, expectedOrders(cdnow, { x: 2, tx: 30.43, age: 38.86 }, 39), 1.226, 5e-4)
  near(t, probabilityAlive(cdnow, { x: 2, tx: 30.43, age: 38.86 }), 0.72658, 5e-6)
  near(t, probabilityAlive(cdnow, { x: 4, tx: 10, age: 38.86 }), 0.06057, 5e-6)
  t.equal(probabilityAlive(cdnow, { x: 0, tx: 0, age: 38.86 }), 1)

  const truth = { r: 0.8, alpha: 6, a: 0.9, b: 3 }
  const fitted = fitBgNbd(simulate(truth, 4_000, 11))
  t.ok(fitted)
  if (!fitted) return t.end()
  // Rate and drop-out are judged by their means: the four parameters by themselves trade off against each other.
  near(t, fitted.r / fitted.alpha, truth.r / truth.alpha, 0.02, 'mean rate')
  near(t, fitted.a / (fitted.a + fitted.b), truth.a / (truth.a + truth.b), 0.05, 'mean drop-out')
  t.equal(fitBgNbd(simulate(truth, 100, 12)), null, 'too few customers')
  t.equal(fitBgNbd(Array.from({ length: 500 }, () => ({ x: 0, tx: 0, age: 9 }))), null, 'nobody came back')
  t.end()
})
