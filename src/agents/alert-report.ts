import type { Calendar } from './days.ts'
import { type DayCells, type Rate, rateOf } from './expect-dropoff.ts'
import type { Fact } from './fact.ts'
import type { Funnel } from './funnel-file.ts'
import type { FunnelCell } from './funnel-tally.ts'
import { createFacts } from './make-fact.ts'
import type { Counts } from './page-tally.ts'
import { compare } from './paths.ts'
import type { DropoffAlert, RecommendedAction, Severity } from './report.ts'
import { binomialUpperTail } from './statistics/binomial.ts'
import { isShareAbove, wilson } from './statistics/wilson.ts'
import type { DropoffTest } from './test-dropoffs.ts'

/** Differences from which an alert is a warning, and critical, in points. */
const bands: readonly [Severity, number][] = [
  ['critical', 0.2],
  ['warning', 0.1],
]
export const severityOf = (difference: number): Severity => bands.find(([, from]) => difference >= from)?.[0] ?? 'info'

export type AlertState = Pick<DropoffAlert, 'id' | 'severity' | 'state' | 'openedAt' | 'changedAt' | 'closedAt'>

export type AlertContext = {
  calendar: Calendar
  funnel: Funnel
  /** Days of the alert's window, and those of its baseline. */
  now: readonly DayCells[]
  before: readonly DayCells[]
  /** Events by type in the window and in the baseline. */
  typesNow: Counts
  typesBefore: Counts
  /** What was tested: p and q are of its days, which are not always those that the loss is found to have lasted. */
  tested: Pick<DropoffTest, 'from' | 'to' | 'now'>
  /** So many came to the site, at least. */
  people: number
  /** Orders of the baseline with a counted worth, and its average, null where there were none; the site's currency. */
  orders: number
  /** So many paid them, at least. */
  payers: number
  orderMicros: number | null
  currency: string | undefined
}

const affectedMax = 3
const affectedPeopleMin = 30
const dimensions: readonly [string, 1 | 2 | 3][] = [
  ['device', 1],
  ['channel', 2],
  ['visitor_kind', 3],
]
export const dropoffQuery =
  'select cells from funnel_days where site_id = $1 and funnel_id = $2 and day between $3 and $4'

/** Everything a note says about an alert. */
export const describeAlert = (test: DropoffTest, state: AlertState, context: AlertContext): DropoffAlert => {
  const { calendar, funnel, now, before, tested, people } = context
  const { siteId, step, expected, difference } = test
  const [fromMs, toMs] = [calendar.startOf(test.from), calendar.endOf(test.to)]
  const names = { from: funnel.steps[step]?.name ?? '', to: funnel.steps[step + 1]?.name ?? '' }
  const dims = { funnel: funnel.id, step: names.from, order: String(step + 1) }
  const facts = createFacts({
    ...{ dims: { site: siteId }, fromMs, toMs, query: dropoffQuery, currency: context.currency, people },
  })
  const judged = createFacts({
    ...{ dims: { site: siteId }, query: dropoffQuery, people },
    ...{ fromMs: calendar.startOf(tested.from), toMs: calendar.endOf(tested.to) },
  })
  // What was expected is counted over other days than what came.
  const days = before.map(({ day }) => day).sort()
  const [first, last] = [days[0] ?? test.from, days.at(-1) ?? test.to]
  const earlier = createFacts({
    ...{
      dims: { site: siteId },
      fromMs: calendar.startOf(first),
      toMs: calendar.endOf(last),
      query: dropoffQuery,
      people,
    },
  })
  const { lost, reached } = test.now
  const basis = expected.sameWeekdays ? 'the same weekdays of four weeks' : 'the days of four weeks'
  const basisFact = { value: expected.rate, n: expected.reached, basis }
  const lostNow = difference * reached
  const { low, high } = wilson(lost, reached)
  const method = 'beta_binomial_test'
  return {
    ...state,
    ...{ rawSite: siteId, funnelId: funnel.id, funnelName: funnel.name, fromStep: names.from, toStep: names.to },
    window: facts.window,
    current: facts.share('step_dropoff', lost, reached, dims, { compare: basisFact }),
    baseline: earlier.fact('dropoff_baseline', expected.rate, {
      ...{ unit: 'share', n: expected.reached, dims, method: 'mixture_of_kinds' },
    }),
    difference: facts.fact('dropoff_difference', difference, {
      ...{ unit: 'points', n: reached, dims, method: 'difference' },
      interval: { low: low - expected.rate, high: high - expected.rate, level: 0.95 },
    }),
    pValue: judged.fact('dropoff_p_value', test.p, { unit: 'score', n: tested.now.reached, dims, method }),
    qValue: judged.fact('dropoff_q_value', test.q, {
      ...{ unit: 'score', n: tested.now.reached, dims, method: 'benjamini_hochberg' },
    }),
    lostSessions: facts.fact('dropoff_lost_sessions', lostNow, {
      ...{ n: reached, dims, method: 'difference' },
      interval: {
        low: Math.max(0, (low - expected.rate) * reached),
        high: (high - expected.rate) * reached,
        level: 0.95,
      },
    }),
    lostRevenue: lostRevenue(facts, dims, lostNow, step, context),
    affected: affectedBy({ facts, earlier }, dims, step, now, before),
    coincidences: coincidences(facts, context),
    actions: actionsFor(funnel, step, now, before, coincidences(facts, context)),
  }
}

type Facts = ReturnType<typeof createFacts>

/** Those who would have gone on, times the share of such who ordered before, times what an order is worth. */
const lostRevenue = (facts: Facts, dims: Fact['dims'], lost: number, step: number, context: AlertContext): Fact => {
  const { before, funnel, orders, payers, orderMicros } = context
  const last = funnel.steps.length - 1
  const buys = [funnel.steps[last]?.event].flat().includes('purchase')
  let [next, bought] = [0, 0]
  for (const { cells } of before)
    for (const cell of cells) {
      next += cell[4][step + 1] ?? 0
      bought += cell[4][last] ?? 0
    }
  if (!buys || orderMicros === null || next === 0)
    return facts.money('dropoff_lost_revenue', null, 0, dims, {
      ...{ method: 'lost_times_order_share_times_value', notEnoughHistory: 'No orders to value a loss by.' },
    })
  return facts.money('dropoff_lost_revenue', lost * (bought / next) * orderMicros, Math.min(bought, orders), dims, {
    ...{ people: payers, method: 'lost_times_order_share_times_value' },
  })
}

const affectedBy = (
  { facts, earlier }: { facts: Facts; earlier: Facts },
  dims: Fact['dims'],
  step: number,
  now: readonly DayCells[],
  before: readonly DayCells[],
): DropoffAlert['affected'] =>
  dimensions
    .flatMap(([dimension, at]) =>
      [...new Set(now.flatMap(({ cells }) => cells.map((cell) => cell[at])))].flatMap((value) => {
        const isIn = (cell: FunnelCell): boolean => cell[at] === value
        const [current, baseline] = [rateOf(now, step, isIn), rateOf(before, step, isIn)]
        if (current.reached < affectedPeopleMin || baseline.reached < affectedPeopleMin) return []
        const excess = current.lost - (current.reached * baseline.lost) / baseline.reached
        // A kind stands out only where its own figures do not hold what was expected of it.
        if (!isShareAbove(shareOf(current), shareOf(baseline))) return []
        return [{ dimension, value, current, baseline, excess }]
      }),
    )
    .sort((a, b) => b.excess - a.excess || compare(a.value, b.value))
    .slice(0, affectedMax)
    .map(({ dimension, value, current, baseline }) => {
      const where = { ...dims, [dimension]: value }
      const share = { part: baseline.lost, of: baseline.reached }
      const before = { value: share.part / share.of, n: share.of, basis: 'the days of the baseline', share }
      return {
        ...{ dimension, value },
        current: facts.share('step_dropoff', current.lost, current.reached, where, { compare: before }),
        baseline: earlier.share('dropoff_baseline', baseline.lost, baseline.reached, where),
      }
    })

const shareOf = ({ lost, reached }: Rate) => [lost / reached, wilson(lost, reached)] as const

const troubles = {
  js_error: 'js_errors',
  form_error: 'form_errors',
  rage_click: 'rage_clicks',
  form_abandon: 'form_abandons',
} as const
const coincidenceP = 0.001

/** Troubles that came more often, measured against all events: a coincidence, no cause. */
const coincidences = (facts: Facts, { typesNow, typesBefore }: AlertContext): Fact[] => {
  const all = (types: Counts): number => [...types.values()].reduce((sum, one) => sum + one, 0)
  const [now, before] = [all(typesNow), all(typesBefore)]
  if (now === 0 || before === 0) return []
  return Object.entries(troubles).flatMap(([type, metric]) => {
    const [times, earlier] = [typesNow.get(type) ?? 0, typesBefore.get(type) ?? 0]
    const expected = ((earlier + 0.5) / before) * now
    if (times <= expected || binomialUpperTail(times, now, Math.min(1, expected / now)) > coincidenceP) return []
    return [
      facts.fact(metric, times, {
        ...{ method: 'binomial_test', compare: { value: expected, n: earlier, basis: 'as often as before' } },
      }),
    ]
  })
}

const actionsFor = (
  { steps }: Funnel,
  step: number,
  now: readonly DayCells[],
  before: readonly DayCells[],
  found: readonly Fact[],
): RecommendedAction[] => {
  const actions: RecommendedAction[] = ['check_recent_release']
  const next = rateOf(now, step)
  if (next.reached > 0 && next.lost === next.reached) actions.unshift('check_tracking_of_step')
  const differs = (at: 1 | 2 | 3): boolean => {
    const values = [...new Set(now.flatMap(({ cells }) => cells.map((cell) => cell[at])))]
    const excess = values.map((value) => {
      const isIn = (cell: FunnelCell): boolean => cell[at] === value
      const [current, baseline] = [rateOf(now, step, isIn), rateOf(before, step, isIn)]
      if (current.reached < affectedPeopleMin || baseline.reached < affectedPeopleMin) return 0
      return current.lost / current.reached - baseline.lost / baseline.reached
    })
    return Math.max(...excess, 0) > 2 * Math.max(0.01, median(excess))
  }
  if (differs(1)) actions.push('test_the_step_on_device')
  if (differs(2)) actions.push('check_campaign_targeting')
  if (differs(3)) actions.push('compare_new_and_returning')
  const metrics = new Set(found.map(({ metric }) => metric))
  if (metrics.has('js_errors')) actions.push('look_at_script_errors')
  const isForm = [steps[step + 1]?.event]
    .flat()
    .some((type) => type?.startsWith('form') || type === 'begin_checkout' || type === 'purchase')
  if (metrics.has('form_errors') || metrics.has('form_abandons') || isForm) actions.push('look_at_form_errors')
  if (step === 0) actions.push('look_at_page_speed')
  return actions
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? 0
