import { type AnomalyOptions, planAnomaly } from './anomaly.ts'
import { dayMs } from './calendar.ts'
import type { Visit } from './people.ts'
import { planTraffic } from './plan.ts'
import type { PlantedTruth } from './planted.ts'
import { createRandom, cumulative } from './random.ts'
import { requestsOf, type TrafficRequest } from './requests.ts'
import type { SessionState } from './seen.ts'
import { createSendOrder } from './send-order.ts'
import { sitesOf, siteWeights } from './shop.ts'
import { createTruthRecorder } from './truth.ts'

export type TrafficOptions = {
  events: number
  sites: number
  seed: number
  /** The time that the events spread over, ending at `untilMs` (milliseconds since 1970, not included). */
  days: number
  untilMs: number
  /** Plant a window with a higher drop-off; `{}` lets the generator choose where. */
  anomaly?: AnomalyOptions | undefined
}

export type Traffic = {
  /** In the order in which they are sent. Can be walked once. */
  requests: Generator<TrafficRequest, void>
  /** What was planted in the requests taken so far; complete when all were. */
  planted(): PlantedTruth
}

/** For planning only: what an average session holds. */
const eventsPerSession = 11

/**
 * Traffic of people in shops, as the pixel would send it: exactly `events` events, the same bytes for the same options.
 * Streams: it keeps 16 bytes a session, a few words a visitor, and the requests of sessions under way; never the events.
 * What it planted is counted while the requests are taken, from the events themselves.
 */
export const generateTraffic = (options: TrafficOptions): Traffic => {
  const window = { startMs: options.untilMs - options.days * dayMs, untilMs: options.untilMs }
  const sites = sitesOf(options.sites)
  const weights = siteWeights(options.sites)
  const largestShare = (weights[0] ?? 1) / weights.reduce((sum, weight) => sum + weight, 0)
  const sessionsPerDay = (options.events / eventsPerSession / options.days) * largestShare
  const anomaly = options.anomaly && planAnomaly(options.anomaly, window, sites[0]?.siteId ?? '', sessionsPerDay)
  // Other options are other people: two runs with one seed never share an id.
  const seed = createRandom(options.seed, options.events, options.sites * 10_000 + options.days, options.untilMs).below(
    2 ** 32,
  )
  const truth = createTruthRecorder({ ...window, seed: options.seed, anomaly })

  const requests = function* (): Generator<TrafficRequest, void> {
    const plan = planTraffic({
      seed,
      events: options.events,
      window,
      siteWeights: cumulative(weights),
      anomaly,
    })
    const underWay = createSendOrder<{ request: TrafficRequest; session: SessionState }>()
    const sendUntil = function* (instantMs: number): Generator<TrafficRequest, void> {
      for (const { request, session } of underWay.takeUntil(instantMs)) {
        truth.record(request, session)
        yield request
      }
    }
    for (let index = 0; index < plan.sessions; index++) {
      const { person, visit, steps, numbers } = plan.at(index)
      yield* sendUntil(visit.startMs)
      const site = sites[person.siteIndex]
      if (!site) continue
      const session = newSession(site.siteId, visit)
      for (const request of requestsOf(site, person, visit, steps, createRandom(seed, numbers[0], 3, numbers[1])))
        underWay.add({ request, session }, request.sentMs)
    }
    yield* sendUntil(Number.POSITIVE_INFINITY)
  }
  return { requests: requests(), planted: truth.planted }
}

const newSession = (siteId: string, { browser, channel, startMs }: Visit): SessionState => ({
  ...{ siteId, device: browser.device.kind, channel, startMs, hasBegun: false, stepsDone: 0, lastPath: undefined },
})
