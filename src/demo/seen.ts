import type { Channel, DeviceKind } from './audience.ts'
import type { TrafficEvent } from './events.ts'

/** A session as the counters follow it; what the generator knows of it, and how far it has come. */
export type SessionState = {
  readonly siteId: string
  readonly device: DeviceKind
  readonly channel: Channel
  readonly startMs: number
  hasBegun: boolean
  stepsDone: number
  lastPath: string | undefined
}

/** A visitor as the counters follow it. A visitor belongs to one site: ids are not shared between hosts. */
export type VisitorState = {
  readonly visitorId: string
  readonly siteId: string
  /** Channels of the sessions so far, this one included. */
  path: Channel[]
  stepsDone: number
  firstWeek: number
  lastWeek: number
  isIdentified: boolean
  orders: number
  revenueCents: number
}

/** What a counter is told of an event. */
export type Seen = { event: TrafficEvent; session: SessionState; visitor: VisitorState }
