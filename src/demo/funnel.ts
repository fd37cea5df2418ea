import type { Channel, DeviceKind } from './audience.ts'

/** The funnel that is planted: its steps in order, each known by the event type that marks it. */
export const funnelSteps = ['visit', 'product_view', 'add_to_cart', 'begin_checkout', 'purchase'] as const
export type FunnelStep = (typeof funnelSteps)[number]
/** How many sessions (or visitors) reached each step, in the order of `funnelSteps`. */
export type FunnelCounts = [number, number, number, number, number]

const stepOfEventType: Record<string, number> = {
  pageview: 0,
  product_view: 1,
  add_to_cart: 2,
  begin_checkout: 3,
  purchase: 4,
}
/** The number of steps done in order, after one more event. Other events may lie between two steps. */
export const advance = (stepsDone: number, eventType: string): number =>
  stepOfEventType[eventType] === stepsDone ? stepsDone + 1 : stepsDone

/** Shares of sessions that go on from each step to the next, before device and channel. */
const goOn = [0.6, 0.34, 0.6, 0.66] as const
const byDevice: Record<DeviceKind, readonly number[]> = {
  mobile: [0, -0.02, -0.06, -0.06],
  desktop: [0.01, 0.03, 0.08, 0.07],
  tablet: [0, 0, 0, -0.01],
}
const byChannel: Record<Channel, readonly number[]> = {
  direct: [0.02, 0.03, 0.02, 0.02],
  search: [0.02, 0, 0, 0],
  social: [-0.08, -0.07, -0.03, -0.02],
  paid: [0.03, -0.03, -0.03, -0.02],
  email: [0.06, 0.06, 0.04, 0.03],
  referral: [-0.02, -0.02, 0, 0],
}

/** The planted probability to go on from step `from` to the next. One less is the drop-off. */
export const plantedRate = (from: number, device: DeviceKind, channel: Channel): number =>
  Math.min(0.97, Math.max(0.03, (goOn[from] ?? 0) + (byDevice[device][from] ?? 0) + (byChannel[channel][from] ?? 0)))
