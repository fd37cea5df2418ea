import type { DeviceKind } from './audience.ts'
import { cumulative, type Random } from './random.ts'

export const hourMs = 3_600_000
export const dayMs = 24 * hourMs
export const weekMs = 7 * dayMs

/** Weeks begin on Monday at 00:00 UTC; week 0 holds 1 January 1970, a Thursday. */
export const weekOf = (instantMs: number): number => Math.floor((instantMs + 3 * dayMs) / weekMs)
export const weekStartMs = (week: number): number => week * weekMs - 3 * dayMs
/** `YYYY-MM-DD` in UTC. */
export const dayOf = (instantMs: number): string => new Date(instantMs).toISOString().slice(0, 10)

/** Relative traffic Monday to Sunday, and by hour of the day in UTC. */
const dayShares = {
  mobile: [1, 0.97, 0.96, 0.98, 1.02, 1.18, 1.24],
  desktop: [1.12, 1.14, 1.12, 1.1, 1, 0.66, 0.72],
}
const hourShares = {
  mobile: [3, 2, 1, 1, 1, 2, 4, 6, 6, 5, 5, 6, 7, 6, 5, 5, 6, 7, 9, 11, 13, 13, 10, 6],
  desktop: [1, 1, 1, 1, 1, 1, 2, 4, 8, 11, 12, 11, 9, 11, 12, 11, 10, 8, 6, 6, 6, 5, 3, 2],
}
const slotsOf = (kind: 'mobile' | 'desktop'): Float64Array =>
  cumulative(dayShares[kind].flatMap((day) => hourShares[kind].map((hour) => day * hour)))
const slots = { mobile: slotsOf('mobile'), desktop: slotsOf('desktop') }

/** A moment within a week, in milliseconds since its start: phones in the evening and at weekends, desks in office hours. */
export const drawMomentOfWeek = (random: Random, kind: DeviceKind): number =>
  random.draw(slots[kind === 'desktop' ? 'desktop' : 'mobile']) * hourMs + random.below(hourMs)
