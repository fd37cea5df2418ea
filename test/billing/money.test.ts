import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { microsOfUsd, proRata, startedBlocks, usdOfMicros } from '../../src/billing/money.ts'
import { loadPlans, type Plan, parsePlans, type Terms, termsOf } from '../../src/billing/plans.ts'
import { adviceFor, forecastOf, priceLines, totalOf } from '../../src/billing/price.ts'
import { seedOf } from '../support/random.ts'

const plans = loadPlans('/nowhere')
const termsFor = (plan: string, privacy: 'standard' | 'hipaa' = 'standard') =>
  termsOf(plans, { BILLING_PLAN: plan, PRIVACY_LEVEL: privacy })
const usage = (units: number) => ({ events: units, pageviews: units, domains: 1 })
const bill = (terms: Terms, units: number): string => usdOfMicros(totalOf(priceLines(terms, usage(units))))

t.test('dollars as text and micro-dollars are the same amount', async (t) => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 17n), max: 10n ** 17n }), (n) => microsOfUsd(usdOfMicros(n)) === n),
    {
      seed: seedOf(t),
    },
  )
  t.equal(usdOfMicros(10n), '0.00001')
  t.equal(usdOfMicros(-209_500_000n), '-209.50')
  for (const bad of ['', '1,5', '0.1234567', '1e3', '$5', 'NaN'])
    t.throws(() => microsOfUsd(bad), { code: 'setting_invalid' })
  // Floats fail here: 0.00001 added a million times gives 9.99999999979059.
  let sum = 0n
  for (let n = 0; n < 1_000_000; n++) sum += microsOfUsd('0.00001')
  t.equal(usdOfMicros(sum), '10.00')
})

t.test('the price list: what each plan costs at its edges', async (t) => {
  const list: [string, number, string][] = [
    ['small', 0, '199.00'],
    ['small', 1_000_000, '199.00'],
    ['small', 1_000_001, '199.0001'],
    ['small', 4_000_000, '499.00'],
    ['growth', 10_000_000, '499.00'],
    ['growth', 15_000_000, '999.00'],
    ['enterprise', 100_000_000, '999.00'],
    ['enterprise', 110_000_000, '1999.00'],
    ['metered', 0, '0.00'],
    ['metered', 1, '0.00001'],
    ['metered', 1000, '0.01'],
    ['metered', 1_234_567, '12.34567'],
  ]
  for (const [plan, units, price] of list) t.equal(bill(termsFor(plan), units), price, `${plan} ${units}`)
  t.equal(bill(termsFor('small', 'hipaa'), 0), '1699.00')
})

t.test('started blocks are charged whole', async (t) => {
  const small = termsFor('small')
  const terms: Terms = { ...small, terms: { ...small.terms, overage: { usd: '10', per: 100_000, blocks: 'started' } } }
  for (const [units, price] of [
    [1_000_000, '199.00'],
    [1_000_001, '209.00'],
    [1_100_000, '209.00'],
    [1_100_001, '219.00'],
  ] as const)
    t.equal(bill(terms, units), price)
  t.equal(priceLines(terms, usage(1_100_001))[1]?.quantity, 2)
})

// The slow reference: rationals as [numerator, denominator], added by the school's rule, rounded once per line.
type Rational = readonly [bigint, bigint]
const times = ([a, b]: Rational, [c, d]: Rational): Rational => [a * c, b * d]
const ofDecimal = (text: string): Rational => {
  const [whole = '0', decimals = ''] = text.split('.')
  return [BigInt(whole + decimals), 10n ** BigInt(decimals.length)]
}
const halfUp = ([n, d]: Rational): bigint => {
  const floor = n / d
  return 2n * (n - floor * d) >= d ? floor + 1n : floor
}
const micro: Rational = [1_000_000n, 1n]

const decimal = fc
  .tuple(fc.integer({ min: 0, max: 100_000 }), fc.integer({ min: 0, max: 999_999 }))
  .map(([whole, decimals]) => `${whole}.${String(decimals).padStart(6, '0')}`)
const anyPlan: fc.Arbitrary<Plan> = fc.record({
  monthly_usd: decimal,
  meter: fc.constantFrom('pageviews' as const, 'events' as const),
  included: fc.integer({ min: 0, max: 10 ** 9 }),
  overage: fc.record({
    usd: decimal,
    per: fc.integer({ min: 1, max: 10 ** 7 }),
    blocks: fc.constantFrom('pro_rata' as const, 'started' as const),
  }),
  per_domain_usd: decimal,
})

t.test('any bill is exact to the micro-dollar, against rationals', async (t) => {
  const anyUsage = fc.record({
    events: fc.integer({ min: 0, max: 10 ** 12 }),
    pageviews: fc.integer({ min: 0, max: 10 ** 12 }),
    domains: fc.integer({ min: 0, max: 10_000 }),
  })
  const property = fc.property(anyPlan, anyUsage, (plan, used) => {
    const lines = priceLines({ ...termsFor('small'), plan: 'any', terms: plan }, used)
    const over = BigInt(Math.max(0, used[plan.meter] - plan.included))
    const price = times(ofDecimal(plan.overage.usd), micro)
    let blocks = 0n
    while (plan.overage.blocks === 'started' && blocks * BigInt(plan.overage.per) < over)
      blocks = over / BigInt(plan.overage.per) + (over % BigInt(plan.overage.per) > 0n ? 1n : 0n)
    const expected = [
      halfUp(times(ofDecimal(plan.monthly_usd), micro)),
      plan.overage.blocks === 'started'
        ? halfUp(times(price, [blocks, 1n]))
        : halfUp(times(price, [over, BigInt(plan.overage.per)])),
      halfUp(times(times(ofDecimal(plan.per_domain_usd), micro), [BigInt(used.domains), 1n])),
    ]
    return (
      lines.every((line, n) => line.amountMicros === expected[n] && line.amountMicros >= 0n) &&
      totalOf(lines) === expected.reduce((sum, one) => sum + one, 0n)
    )
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 2000, seed: seedOf(t) }))
  t.equal(proRata(1n, 1n, 2n), 1n, 'half up')
  t.equal(startedBlocks(0n, 5n, 10n), 0n)
})

t.test('advice names the cheaper plan from the break-even on, and none before', async (t) => {
  t.equal(adviceFor(plans, termsFor('small'), usage(4_000_000)), null)
  t.match(adviceFor(plans, termsFor('small'), usage(4_000_001)), { plan: 'growth', savesMicros: 100n })
  t.equal(adviceFor(plans, termsFor('growth'), usage(15_000_000)), null)
  t.match(adviceFor(plans, termsFor('growth'), usage(15_000_001)), { plan: 'enterprise' })
  t.match(adviceFor(plans, termsFor('enterprise'), usage(10)), { plan: 'small', savesMicros: 800_000_000n })
  t.equal(adviceFor(plans, termsFor('metered'), usage(10 ** 9)), null, 'events and pageviews are not compared')
})

t.test('a forecast goes on at the pace so far, and is silent on the first day', async (t) => {
  const dayMs = 24 * 3600 * 1000
  const period = { startsMs: 0, endsMs: 30 * dayMs }
  t.equal(forecastOf(usage(100), period, dayMs - 1), null)
  t.match(forecastOf(usage(100), period, 10 * dayMs), { pageviews: 300, events: 300, domains: 1 })
  t.match(forecastOf(usage(100), period, 40 * dayMs), { pageviews: 100 })
})

t.test(
  'a plans file is refused with every problem, naming the file; one in DATA_DIR takes the place of ours',
  async (t) => {
    t.throws(() => parsePlans('plans: [', 'x.yaml'), { code: 'setting_invalid', message: /x\.yaml is not YAML/ })
    t.throws(() => parsePlans('version: 2\nplans: {}\nsurprise: 1\n', 'x.yaml'), /x\.yaml is invalid/)
    const folder = mkdtempSync(path.join(tmpdir(), 'evothesis-plans-'))
    const own = (usd: string) => `version: 1
grace_hours: 1
wait_hours: 1
domains: { pageviews_min: 1, visitors_min: 1, auto_approve: ["*.example.org"], bill_unapproved: true }
thresholds_percent: [90]
plans:
  tiny: { monthly_usd: ${usd}, meter: events, included: 5, overage: { usd: "1", per: 1, blocks: started }, per_domain_usd: "2" }
addons: {}
`
    writeFileSync(path.join(folder, 'plans.yaml'), own('"7"'))
    const terms = termsOf(loadPlans(folder), { BILLING_PLAN: 'tiny', PRIVACY_LEVEL: 'standard' })
    t.equal(bill(terms, 6), '10.00')
    t.throws(() => termsOf(loadPlans(folder), { BILLING_PLAN: 'small', PRIVACY_LEVEL: 'standard' }), /it has: tiny/)
    // A number in YAML is a double, so money must be text.
    t.throws(() => parsePlans(own('7.1'), 'x.yaml'), { code: 'setting_invalid' })
  },
)
