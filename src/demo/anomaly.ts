import { type Channel, channels, type DeviceKind, deviceKinds } from './audience.ts'
import { dayMs } from './calendar.ts'
import { type FunnelStep, funnelSteps, plantedRate } from './funnel.ts'
import type { Window } from './people.ts'

/** A time in which one step of one site's funnel loses more people than at any other time. */
export type Anomaly = {
  siteIndex: number
  siteId: string
  /** The step that fewer sessions reach: the drop-off is counted on the sessions that reached the step before it. */
  step: Exclude<FunnelStep, 'visit'>
  /** Sessions that begin in [startMs, endMs). */
  startMs: number
  endMs: number
  /** Percentage points by which the drop-off is raised. */
  points: number
}
export type AnomalyOptions = { step?: Anomaly['step']; startMs?: number; endMs?: number; points?: number }

/** Sessions before the step that a window should hold: 400 are needed to see 15 points, and the count is random. */
const sessionsWanted = 500
export const anomalyPointsDefault = 15

/** Shares used for planning only; what was really planted is counted. */
const channelShares: Record<Channel, number> = {
  direct: 0.3,
  search: 0.26,
  social: 0.12,
  paid: 0.13,
  email: 0.12,
  referral: 0.07,
}
const deviceShares: Record<DeviceKind, number> = { mobile: 0.56, desktop: 0.39, tablet: 0.05 }

/**
 * Chooses where an anomaly can be seen: the largest site, whole days (UTC) before the last midnight, as few as hold
 * enough sessions, at the latest step that has them. With little traffic the window is a quarter of the time, and the
 * step the earliest.
 */
export const planAnomaly = (
  options: AnomalyOptions,
  window: Window,
  siteId: string,
  sessionsPerDay: number,
): Anomaly => {
  const steps = options.step ? [options.step] : (['begin_checkout', 'add_to_cart', 'product_view'] as const)
  const lengthMs = window.untilMs - window.startMs
  const daysMax = Math.floor(lengthMs / 4 / dayMs)
  const endMs = options.endMs ?? (daysMax < 1 ? window.untilMs : Math.floor(window.untilMs / dayMs) * dayMs)
  const choices = Array.from({ length: daysMax }, (_, index) => index + 1).flatMap((days) =>
    steps.map((step) => ({ days, step, sessions: days * sessionsPerDay * reachShare(step) })),
  )
  const choice = choices.find(({ sessions }) => sessions >= sessionsWanted)
  const startMs = options.startMs ?? endMs - (choice ? choice.days * dayMs : Math.floor(lengthMs / 4))
  const step = choice?.step ?? steps.at(-1) ?? 'product_view'
  return { siteIndex: 0, siteId, step, startMs, endMs, points: options.points ?? anomalyPointsDefault }
}

/** The share of sessions that reach the step before this one. */
const reachShare = (step: FunnelStep): number => {
  let share = 0
  for (const channel of channels)
    for (const device of deviceKinds) {
      let reached = channelShares[channel] * deviceShares[device]
      for (let from = 0; from < funnelSteps.indexOf(step) - 1; from++) reached *= plantedRate(from, device, channel)
      share += reached
    }
  return share
}
