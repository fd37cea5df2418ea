import type { Anomaly } from './anomaly.ts'
import type { Channel, DeviceKind } from './audience.ts'
import type { FunnelCounts } from './funnel.ts'

/** Money that came in, in integer cents; every shop sells in US dollars. */
export type Sales = { orders: number; revenueCents: number }

export type SiteTruth = {
  events: number
  pageviews: number
  sessions: number
  visitors: number
  /** Pageviews by UTC day of their own timestamp. */
  pageviewsByDay: Record<string, number>
  /** Sessions that did the steps in order (other events may lie between two). */
  funnel: FunnelCounts
  /** Visitors who did the steps in order, over all their sessions, however long it took. */
  visitorFunnel: FunnelCounts
  sales: Sales
}

/** Sessions of one kind: `funnel[k]` of them did step k and all before it. The day is the session's first, in UTC. */
export type FunnelCell = { siteId: string; day: string; device: DeviceKind; channel: Channel; funnel: FunnelCounts }

/** One order. `path`: the channels of the visitor's sessions on this site so far, this one included. */
export type Conversion = {
  siteId: string
  visitorId: string
  orderId: string
  atMs: number
  revenueCents: number
  path: Channel[]
}

/** Visitors first seen in a week by the channel of their first session; `returned[k]`: seen again k + 1 weeks later. */
export type Cohort = { week: string; channel: Channel; visitors: number; returned: number[] }

/** Sessions that had the step before, and how many of them went on. */
export type StepRate = { sessions: number; wentOn: number; dropOff: number }

/** Counted from the events that were taken, so that it holds for them whatever was left out. */
export type PlantedTruth = {
  seed: number
  from: string
  until: string
  events: number
  requests: number
  pageviews: number
  sessions: number
  visitors: number
  eventsByType: Record<string, number>
  sites: Record<string, SiteTruth>
  sessionsByDevice: Record<DeviceKind, number>
  sessionsByChannel: Record<Channel, number>
  /** A session is returning when its visitor had one before, in this traffic. */
  newAndReturning: { new: number; returning: number }
  /** Orders by the channel of the visitor's first session, and of the session of the order. */
  salesByFirstTouch: Record<Channel, Sales>
  salesByLastTouch: Record<Channel, Sales>
  /** Monday of the week, UTC. */
  cohorts: Cohort[]
  /** User ids seen, how many look like e-mail addresses, how many have two visitor ids, and visitors with a user id. */
  identified: { users: number; addressLike: number; withTwoVisitors: number; visitors: number }
  consent: { granted: number; partial: number; denied: number }
  searches: Record<string, number>
  anomaly: (Omit<Anomaly, 'siteIndex'> & { inside: StepRate; outside: StepRate }) | null
  /** Not printed: as long as the traffic is rich. */
  detail: {
    funnelCells: FunnelCell[]
    conversions: Conversion[]
    /** Visitors by their whole path of channels on a site (`search>email`), with their orders. */
    paths: Record<string, { visitors: number; buyers: number } & Sales>
    /** Pageviews that followed another in a session: site, path, next path. */
    transitions: { siteId: string; from: string; to: string; count: number }[]
  }
}

/** Adds up the funnel cells of each value of a dimension, for example `({ device }) => device`. */
export const funnelBy = (cells: FunnelCell[], key: (cell: FunnelCell) => string): Record<string, FunnelCounts> => {
  const sums: Record<string, FunnelCounts> = {}
  for (const cell of cells) {
    sums[key(cell)] ??= [0, 0, 0, 0, 0]
    const sum = sums[key(cell)]
    for (const [index, count] of cell.funnel.entries()) if (sum) sum[index] = (sum[index] ?? 0) + count
  }
  return sums
}
