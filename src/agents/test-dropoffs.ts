import { addDays, type Day } from './days.ts'
import {
  byDeviceAndChannel,
  type DayCells,
  type Expectation,
  expectDropoff,
  type Rate,
  rateOf,
} from './expect-dropoff.ts'
import type { FunnelFile } from './funnel-file.ts'
import { benjaminiHochberg } from './statistics/benjamini-hochberg.ts'
import { betaBinomialUpperTail } from './statistics/binomial.ts'

/** One funnel of one site: its days, which of them may be judged, and which belong to an alert of a step. */
export type Judged = {
  siteId: string
  funnelId: string
  steps: number
  days: ReadonlyMap<Day, DayCells>
  isJudged: (day: Day) => boolean
  isAlerted: (step: number, day: Day) => boolean
}

export type DropoffTest = {
  siteId: string
  funnelId: string
  /** The step that people reached and did not go on from. */
  step: number
  from: Day
  to: Day
  now: Rate
  expected: Expectation
  difference: number
  p: number
  /** Adjusted over all that was tested in the look, and over four weeks of looks. */
  q: number
}

/** Lengths of the windows that end with the judged day: a small loss shows only over several days. */
export const windowDays = [1, 2, 3, 5, 7] as const
export const baselineDays = 28
/** How often something is tested: which windows, and how small a part of the promise one look may spend. */
export type Look = { windowDays: readonly number[]; parts: number }
/** The promise `q` is for 28 days. Nine tenths of it are spent by their nights, the rest by their hours. */
const daysOfPromise = 28
export const nightlyLook: Look = { windowDays, parts: daysOfPromise / 0.9 }
export const hourlyLook: Look = { windowDays: [1], parts: (daysOfPromise * 24) / 0.1 }

/**
 * Tests every step of every funnel that has enough people, in windows that end with `day`, against what the days before
 * let expect (one-sided, exact: a binomial test with what the baseline leaves open). Adjusted by Benjamini and Hochberg
 * over all tests of the look, and by the number of looks.
 */
export const testDropoffs = (
  funnels: readonly Judged[],
  day: Day,
  { people_min: peopleMin }: Pick<FunnelFile['alerts'], 'people_min'>,
  look: Look = nightlyLook,
): DropoffTest[] => {
  const summed = funnels.map((funnel) => ({
    ...funnel,
    days: new Map([...funnel.days].map(([of, cells]) => [of, byDeviceAndChannel(cells)])),
  }))
  const tests = summed.flatMap((funnel) =>
    Array.from({ length: funnel.steps - 1 }, (_, step) =>
      look.windowDays.flatMap((length) => testStep(funnel, step, day, length, peopleMin) ?? []),
    ).flat(),
  )
  const adjusted = benjaminiHochberg(tests.map(({ p }) => p))
  return tests.map((test, index) => ({ ...test, q: Math.min(1, (adjusted[index] ?? 1) * look.parts) }))
}

const testStep = (
  { siteId, funnelId, days, isJudged, isAlerted }: Judged,
  step: number,
  to: Day,
  length: number,
  peopleMin: number,
): Omit<DropoffTest, 'q'> | null => {
  const from = addDays(to, 1 - length)
  const window = Array.from({ length }, (_, index) => addDays(from, index))
  if (!window.every(isJudged)) return null
  const now = window.flatMap((day) => days.get(day) ?? [])
  const rate = rateOf(now, step)
  if (rate.reached < peopleMin) return null
  const before = Array.from({ length: baselineDays }, (_, index) => addDays(from, -1 - index))
    .filter((day) => isJudged(day) && !isAlerted(step, day))
    .flatMap((day) => days.get(day) ?? [])
  const expected = expectDropoff(now, before, step)
  if (!expected) return null
  const p = betaBinomialUpperTail(
    rate.lost,
    rate.reached,
    expected.rate * expected.weight,
    (1 - expected.rate) * expected.weight,
  )
  return {
    siteId,
    funnelId,
    step,
    from,
    to,
    now: rate,
    expected,
    difference: rate.lost / rate.reached - expected.rate,
    p,
  }
}

/**
 * The days of the loss: of all runs of days that end with the last one or later than `from`, the one whose excess speaks
 * most for itself (the largest binomial log-likelihood ratio against the expected rate).
 */
export const locateLoss = (
  days: readonly DayCells[],
  step: number,
  expected: number,
): { from: Day; to: Day } | null => {
  let best: { from: Day; to: Day; gain: number } | null = null
  for (let start = 0; start < days.length; start++) {
    const sum = { reached: 0, lost: 0 }
    for (let end = start; end < days.length; end++) {
      const one = days[end]
      const first = days[start]
      if (!one || !first) continue
      const rate = rateOf([one], step)
      sum.reached += rate.reached
      sum.lost += rate.lost
      const gain = sum.lost / sum.reached > expected ? likelihoodGain(sum, expected) : 0
      if (gain > (best?.gain ?? 0)) best = { from: first.day, to: one.day, gain }
    }
  }
  return best && { from: best.from, to: best.to }
}

const likelihoodGain = ({ reached, lost }: Rate, expected: number): number => {
  if (reached === 0 || expected <= 0 || expected >= 1) return 0
  const share = lost / reached
  const part = (count: number, found: number, wanted: number): number =>
    count === 0 ? 0 : count * Math.log(found / wanted)
  return part(lost, share, expected) + part(reached - lost, 1 - share, 1 - expected)
}
