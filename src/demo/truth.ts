import type { Anomaly } from './anomaly.ts'
import type { Channel, DeviceKind } from './audience.ts'
import { createFunnelCounter } from './count-funnels.ts'
import { createJourneyCounter } from './count-journeys.ts'
import { createPeopleCounter } from './count-people.ts'
import { createVolumeCounter } from './count-volume.ts'
import type { TrafficEvent } from './events.ts'
import type { Window } from './people.ts'
import type { PlantedTruth } from './planted.ts'
import type { TrafficRequest } from './requests.ts'

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

export type TruthRecorder = { record(request: TrafficRequest, session: SessionState): void; planted(): PlantedTruth }

/**
 * Counts what is in the requests as they are taken. Requests of one visitor must come in the order of their events.
 * Keeps a few words a visitor and a line an order, never an event.
 */
export const createTruthRecorder = (
  options: Window & { seed: number; anomaly: Anomaly | undefined },
): TruthRecorder => {
  const visitors = new Map<string, VisitorState>()
  const volume = createVolumeCounter()
  const funnels = createFunnelCounter(options.anomaly)
  const journeys = createJourneyCounter()
  const people = createPeopleCounter()

  const visitorOf = (visitorId: string, siteId: string): VisitorState => {
    const known = visitors.get(visitorId)
    if (known) return known
    const fresh: VisitorState = {
      ...{ visitorId, siteId, path: [], stepsDone: 0, firstWeek: 0, lastWeek: 0, isIdentified: false },
      ...{ orders: 0, revenueCents: 0 },
    }
    visitors.set(visitorId, fresh)
    return fresh
  }

  return {
    record(request, session) {
      volume.request(request)
      if (request.visitorId === null) return
      const visitor = visitorOf(request.visitorId, request.siteId)
      if (!session.hasBegun) {
        session.hasBegun = true
        visitor.path.push(session.channel)
        volume.session(visitor, session)
        people.session(visitor, session)
      }
      for (const event of request.events) {
        const seen = { event, session, visitor }
        funnels.event(seen)
        journeys.event(seen)
        people.event(seen)
      }
    },
    planted() {
      const { salesOf, detail, ...sales } = journeys.result(visitors.values())
      const { funnelOf, visitorFunnelOf, cells, anomaly } = funnels.result(visitors.values())
      const { sites, ...volumes } = volume.result()
      return {
        seed: options.seed,
        from: new Date(options.startMs).toISOString(),
        until: new Date(options.untilMs).toISOString(),
        ...volumes,
        visitors: visitors.size,
        sites: Object.fromEntries(
          Object.entries(sites).map(([siteId, site]) => [
            siteId,
            { ...site, funnel: funnelOf(siteId), visitorFunnel: visitorFunnelOf(siteId), sales: salesOf(siteId) },
          ]),
        ),
        ...sales,
        ...people.result(),
        anomaly,
        detail: { funnelCells: cells, ...detail },
      }
    },
  }
}
