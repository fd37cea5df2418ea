import { type Day, weekdayOf } from './days.ts'
import type { FunnelCell } from './funnel-tally.ts'
import { chiSquareUpperTail } from './statistics/odds-ratio.ts'

/** The sessions of one day of one funnel, by kind. */
export type DayCells = { day: Day; cells: readonly FunnelCell[] }

/** Of those who reached a step: how many, and how many did not go on. */
export type Rate = { reached: number; lost: number }

/** What a step's drop-off should be, and how surely that is known: as if from `weight` observations. */
export type Expectation = {
  rate: number
  weight: number
  /** The rate among as many baseline people as there are. */
  reached: number
  lost: number
  days: Day[]
  /** Days of the same weekdays only, because the weekdays differ. */
  sameWeekdays: boolean
}

/** Pseudo-observations by which a small kind leans on its device, and a device on all. */
const lean = 10
/** Days of the week are told apart only where they differ more than chance would allow once in a hundred times. */
const weekdayP = 0.01
const spreadP = 0.1
export const baselineDaysMin = 7
const weekdayDaysMin = 3

export const rateOf = (
  days: readonly DayCells[],
  step: number,
  isIn: (cell: FunnelCell) => boolean = () => true,
): Rate => {
  const rate = { reached: 0, lost: 0 }
  for (const { cells } of days)
    for (const cell of cells)
      if (isIn(cell)) {
        rate.reached += cell[4][step] ?? 0
        rate.lost += (cell[4][step] ?? 0) - (cell[4][step + 1] ?? 0)
      }
  return rate
}

/** A day's sessions by device and channel alone, summed over its hours: what is expected asks for nothing else, many times. */
export const byDeviceAndChannel = ({ day, cells }: DayCells): DayCells => {
  const sums = new Map<string, FunnelCell>()
  for (const [, device, channel, , entered] of cells) {
    const key = `${device} ${channel}`
    const known = sums.get(key)
    if (known) for (const [step, count] of entered.entries()) known[4][step] = (known[4][step] ?? 0) + count
    else sums.set(key, [0, device, channel, '', [...entered]])
  }
  return { day, cells: [...sums.values()] }
}

/**
 * The drop-off that the days before let expect for the people of `now`: each kind (device and channel) as it was before,
 * in today's mixture, so that more telephones at the weekend are no fault of the shop. The slots are those of the same
 * weekdays where the weekdays differ beyond that, else all days: then they know more. Null with too few days.
 */
export const expectDropoff = (
  now: readonly DayCells[],
  before: readonly DayCells[],
  step: number,
): Expectation | null => {
  const used = before.filter((one) => rateOf([one], step).reached > 0)
  if (used.length < baselineDaysMin) return null
  const weekdays = new Set(now.map(({ day }) => weekdayOf(day)))
  const same = used.filter(({ day }) => weekdays.has(weekdayOf(day)))
  const isEnough = [...weekdays].every(
    (weekday) => same.filter(({ day }) => weekdayOf(day) === weekday).length >= weekdayDaysMin,
  )
  const sameWeekdays = isEnough && weekdays.size < 7 && weekdaysDiffer(used, step)
  return expectFrom(now, sameWeekdays ? same : used, step, sameWeekdays)
}

type Kinds = (cell: FunnelCell) => number

/** Each kind's rate in these days, small ones leaning on their device's. */
const learnKinds = (days: readonly DayCells[], step: number): { rateOfKind: Kinds; weightOf: Kinds } => {
  const all: Rate = rateOf(days, step)
  const overall = all.reached === 0 ? 0 : all.lost / all.reached
  const devices = new Map<string, Rate>()
  const kinds = new Map<string, Rate>()
  const add = (rates: Map<string, Rate>, key: string, cell: FunnelCell): void => {
    const rate = rates.get(key) ?? { reached: 0, lost: 0 }
    rates.set(key, rate)
    rate.reached += cell[4][step] ?? 0
    rate.lost += (cell[4][step] ?? 0) - (cell[4][step + 1] ?? 0)
  }
  for (const { cells } of days)
    for (const cell of cells) {
      add(devices, cell[1], cell)
      add(kinds, `${cell[1]} ${cell[2]}`, cell)
    }
  const leaning = (rate: Rate | undefined, on: number): number =>
    ((rate?.lost ?? 0) + lean * on) / ((rate?.reached ?? 0) + lean)
  return {
    rateOfKind: (cell) => leaning(kinds.get(`${cell[1]} ${cell[2]}`), leaning(devices.get(cell[1]), overall)),
    weightOf: (cell) => (kinds.get(`${cell[1]} ${cell[2]}`)?.reached ?? 0) + lean,
  }
}

/** Expected losses of a day, and their binomial variance. */
const expectedOf = ({ cells }: DayCells, step: number, rateOfKind: Kinds): { lost: number; variance: number } => {
  let [lost, variance] = [0, 0]
  for (const cell of cells) {
    const rate = rateOfKind(cell)
    const reached = cell[4][step] ?? 0
    lost += reached * rate
    variance += reached * rate * (1 - rate)
  }
  return { lost, variance }
}

const weekdaysDiffer = (days: readonly DayCells[], step: number): boolean => {
  const { rateOfKind } = learnKinds(days, step)
  const groups = new Map<number, { difference: number; variance: number }>()
  for (const one of days) {
    const group = groups.get(weekdayOf(one.day)) ?? { difference: 0, variance: 0 }
    groups.set(weekdayOf(one.day), group)
    const expected = expectedOf(one, step, rateOfKind)
    group.difference += rateOf([one], step).lost - expected.lost
    group.variance += expected.variance
  }
  let chi2 = 0
  for (const { difference, variance } of groups.values()) chi2 += variance > 0 ? difference ** 2 / variance : 0
  return chiSquareUpperTail(chi2, groups.size - 1) < weekdayP
}

const expectFrom = (
  now: readonly DayCells[],
  days: readonly DayCells[],
  step: number,
  sameWeekdays: boolean,
): Expectation | null => {
  const { rateOfKind, weightOf } = learnKinds(days, step)
  const { reached } = rateOf(now, step)
  if (reached === 0) return null
  const shares = new Map<string, { share: number; rate: number; weight: number }>()
  let rate = 0
  for (const { cells } of now)
    for (const cell of cells) {
      const share = (cell[4][step] ?? 0) / reached
      const key = `${cell[1]} ${cell[2]}`
      const known = shares.get(key)
      if (known) known.share += share
      else shares.set(key, { share, rate: rateOfKind(cell), weight: weightOf(cell) })
      rate += share * rateOfKind(cell)
    }
  let variance = 0
  for (const kind of shares.values()) variance += (kind.share ** 2 * kind.rate * (1 - kind.rate)) / kind.weight
  const known = variance > 0 ? (rate * (1 - rate)) / variance : Number.POSITIVE_INFINITY
  const weight = 1 / (1 / known + 1 / (spreadWeight(days, step, rateOfKind) * now.length))
  const base = rateOf(days, step)
  return { rate, weight, ...base, days: days.map(({ day }) => day), sameWeekdays }
}

/**
 * Days that differ more than chance allows make the expectation of one day less sure: the moment estimate of a
 * beta-binomial's a + b, from Pearson's statistic. Infinite where they do not.
 */
const spreadWeight = (days: readonly DayCells[], step: number, rateOfKind: Kinds): number => {
  let [chi2, reached, counted] = [0, 0, 0]
  for (const one of days) {
    const { lost, variance } = expectedOf(one, step, rateOfKind)
    if (variance <= 0) continue
    const rate = rateOf([one], step)
    chi2 += (rate.lost - lost) ** 2 / variance
    reached += rate.reached
    counted++
  }
  const degrees = counted - 1
  if (degrees < 2 || chiSquareUpperTail(chi2, degrees) > spreadP) return Number.POSITIVE_INFINITY
  const excess = chi2 / degrees - 1
  const mean = reached / counted
  return excess <= 0 || mean <= 1 ? Number.POSITIVE_INFINITY : Math.max(1, (mean - 1) / excess - 1)
}
