import type { Anomaly } from './anomaly.ts'
import { createFunnelCounter } from './count-funnels.ts'
import { createJourneyCounter } from './count-journeys.ts'
import { createPeopleCounter } from './count-people.ts'
import { createVolumeCounter } from './count-volume.ts'
import type { Window } from './people.ts'
import type { PlantedTruth } from './planted.ts'
import type { TrafficRequest } from './requests.ts'
import type { SessionState, VisitorState } from './seen.ts'

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
