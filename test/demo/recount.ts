import type { TrafficRequest } from '../../src/demo/requests.ts'

/** An event as it travels: the JSON of a body, with the ids of its envelope. */
export type Travelled = {
  eventType: string
  eventId: string
  timestamp: string
  seq: number
  userId?: string
  url: string
  path: string
  attribution?: { utmParams: Record<string, string | null>; referrerType: string }
  browser?: { userAgent: string }
  eventData: Record<string, unknown>
  siteId: string
  visitorId?: string
  sessionId?: string
}

/** The events of a request, read back from its bytes. */
export const travelled = (request: TrafficRequest): Travelled[] => {
  const body = JSON.parse(JSON.stringify(request.body))
  if (body.eventType !== 'batch') return [body]
  const { events, siteId, visitorId, sessionId } = body
  return events.map((event: object) => ({ ...event, siteId, visitorId, sessionId }))
}

/** The channel as an analyst would tell it from the landing page's attribution. */
export const channelOf = ({ attribution }: Travelled): string => {
  const medium = attribution?.utmParams.utm_medium
  if (medium === 'cpc') return 'paid'
  if (medium === 'email' || medium === 'social') return medium
  return attribution?.referrerType ?? 'unknown'
}

/** The device as an analyst would tell it from the user agent. */
export const deviceOf = ({ browser }: Travelled): string =>
  /iPad/.test(browser?.userAgent ?? '') ? 'tablet' : /Mobile/.test(browser?.userAgent ?? '') ? 'mobile' : 'desktop'

const funnel = ['pageview', 'product_view', 'add_to_cart', 'begin_checkout', 'purchase']

/** How many steps of the funnel these events do in order. */
export const stepsDone = (events: Travelled[]): number => {
  let done = 0
  for (const { eventType } of events) if (eventType === funnel[done]) done++
  return done
}

/** Events of each value of a key, in the order of their time. */
export const groupBy = (
  events: Travelled[],
  key: (event: Travelled) => string | undefined,
): Map<string, Travelled[]> => {
  const groups = new Map<string, Travelled[]>()
  for (const event of events) {
    const value = key(event)
    if (value === undefined) continue
    const group = groups.get(value) ?? []
    group.push(event)
    groups.set(value, group)
  }
  for (const group of groups.values()) group.sort((a, b) => Date.parse(a.timestamp) - Date.parse(b.timestamp))
  return groups
}

/** How many of `groups` did each of the five steps. */
export const funnelOf = (groups: Iterable<Travelled[]>): number[] => {
  const counts = [0, 0, 0, 0, 0]
  for (const events of groups)
    for (let step = 0; step < stepsDone(events); step++) counts[step] = (counts[step] ?? 0) + 1
  return counts
}
