import { type Channel, channels, type DeviceKind, deviceKinds } from './audience.ts'
import type { TrafficEvent } from './events.ts'
import type { PlantedTruth, SiteTruth } from './planted.ts'
import type { TrafficRequest } from './requests.ts'
import type { SessionState, VisitorState } from './seen.ts'

export type SiteVolume = Pick<SiteTruth, 'events' | 'pageviews' | 'sessions' | 'visitors' | 'pageviewsByDay'>
type Volume = Pick<
  PlantedTruth,
  | ('events' | 'requests' | 'pageviews' | 'sessions' | 'eventsByType' | 'sessionsByDevice' | 'sessionsByChannel')
  | ('newAndReturning' | 'consent' | 'searches')
> & { sites: Record<string, SiteVolume> }

export type VolumeCounter = {
  request(request: TrafficRequest): void
  /** Called once a session, with the session already in the visitor's path. */
  session(visitor: VisitorState, session: SessionState): void
  result(): Volume
}

/** How much there is: events by type, site and day, sessions by device and channel, consent, searches. */
export const createVolumeCounter = (): VolumeCounter => {
  const totals = { events: 0, requests: 0, pageviews: 0, sessions: 0 }
  const eventsByType: Record<string, number> = {}
  const searches: Record<string, number> = {}
  const sites: Record<string, SiteVolume> = {}
  const sessionsByDevice = zeros(deviceKinds)
  const sessionsByChannel = zeros(channels)
  const newAndReturning = { new: 0, returning: 0 }
  const consent = { granted: 0, partial: 0, denied: 0 }

  const siteOf = (siteId: string): SiteVolume => {
    sites[siteId] ??= { events: 0, pageviews: 0, sessions: 0, visitors: 0, pageviewsByDay: {} }
    return sites[siteId]
  }
  const count = (event: TrafficEvent, site: SiteVolume): void => {
    totals.events++
    site.events++
    increase(eventsByType, event.eventType)
    if (event.eventType === 'pageview') {
      totals.pageviews++
      site.pageviews++
      increase(site.pageviewsByDay, event.timestamp.slice(0, 10))
    }
    if (event.eventType === 'consent') consent[(event.eventData as { state: keyof typeof consent }).state]++
    if (event.eventType === 'search') increase(searches, (event.eventData as { query: string }).query)
  }
  return {
    request(request) {
      totals.requests++
      const site = siteOf(request.siteId)
      for (const event of request.events) count(event, site)
    },
    session(visitor, session) {
      const isNew = visitor.path.length === 1
      const site = siteOf(session.siteId)
      totals.sessions++
      site.sessions++
      if (isNew) site.visitors++
      newAndReturning[isNew ? 'new' : 'returning']++
      sessionsByDevice[session.device]++
      sessionsByChannel[session.channel]++
    },
    result: () => ({
      ...{ ...totals, eventsByType: largestFirst(eventsByType, (count) => count) },
      ...{ sites: largestFirst(sites, ({ events }) => events), searches: largestFirst(searches, (count) => count) },
      ...{ sessionsByDevice, sessionsByChannel, newAndReturning, consent },
    }),
  }
}

const zeros = <K extends Channel | DeviceKind>(keys: readonly K[]): Record<K, number> =>
  Object.fromEntries(keys.map((key) => [key, 0])) as Record<K, number>

const increase = (counts: Record<string, number>, key: string): void => {
  counts[key] = (counts[key] ?? 0) + 1
}

const largestFirst = <T>(record: Record<string, T>, size: (value: T) => number): Record<string, T> =>
  Object.fromEntries(Object.entries(record).sort(([a, x], [b, y]) => size(y) - size(x) || (a < b ? -1 : 1)))
