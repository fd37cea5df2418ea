import { type Channel, channels } from './audience.ts'
import type { Conversion, PlantedTruth, Sales } from './planted.ts'
import type { Seen, VisitorState } from './seen.ts'

export type JourneyCounter = {
  event(seen: Seen): void
  result(visitors: Iterable<VisitorState>): {
    salesOf(siteId: string): Sales
    salesByFirstTouch: Record<Channel, Sales>
    salesByLastTouch: Record<Channel, Sales>
    detail: Omit<PlantedTruth['detail'], 'funnelCells'>
  }
}

const noSales = (): Sales => ({ orders: 0, revenueCents: 0 })

/** Which ways people took: orders with the channels that led to them, whole paths, and page after page. */
export const createJourneyCounter = (): JourneyCounter => {
  const conversions: Conversion[] = []
  const transitions = new Map<string, { siteId: string; from: string; to: string; count: number }>()

  const move = ({ event, session }: Seen): void => {
    const { siteId, lastPath: from } = session
    session.lastPath = event.path
    if (from === undefined) return
    const key = `${siteId} ${from} ${event.path}`
    const known = transitions.get(key)
    if (known) known.count++
    else transitions.set(key, { siteId, from, to: event.path, count: 1 })
  }
  const buy = ({ event, visitor }: Seen): void => {
    const { orderId, revenue } = event.eventData as { orderId: string; revenue: number }
    const { siteId, visitorId, path } = visitor
    const revenueCents = Math.round(revenue * 100)
    visitor.orders++
    visitor.revenueCents += revenueCents
    conversions.push({ siteId, visitorId, orderId, atMs: Date.parse(event.timestamp), revenueCents, path: [...path] })
  }
  return {
    event(seen) {
      if (seen.event.eventType === 'pageview') move(seen)
      if (seen.event.eventType === 'purchase') buy(seen)
    },
    result(visitors) {
      const paths: PlantedTruth['detail']['paths'] = {}
      for (const visitor of visitors) {
        const key = visitor.path.join('>')
        paths[key] ??= { visitors: 0, buyers: 0, ...noSales() }
        const sum = paths[key]
        sum.visitors++
        if (visitor.orders > 0) sum.buyers++
        sum.orders += visitor.orders
        sum.revenueCents += visitor.revenueCents
      }
      const bySite = new Map<string, Sales>()
      for (const conversion of conversions) {
        const sum = bySite.get(conversion.siteId) ?? noSales()
        bySite.set(conversion.siteId, sum)
        increase(sum, conversion)
      }
      return {
        salesOf: (siteId) => bySite.get(siteId) ?? noSales(),
        salesByFirstTouch: byChannel(conversions, ({ path }) => path[0]),
        salesByLastTouch: byChannel(conversions, ({ path }) => path.at(-1)),
        detail: { conversions, paths, transitions: [...transitions.values()] },
      }
    },
  }
}

const byChannel = (conversions: Conversion[], channelOf: (conversion: Conversion) => Channel | undefined) => {
  const sums = Object.fromEntries(channels.map((channel) => [channel, noSales()])) as Record<Channel, Sales>
  for (const conversion of conversions) increase(sums[channelOf(conversion) ?? 'direct'], conversion)
  return sums
}

const increase = (sum: Sales, { revenueCents }: Conversion): void => {
  sum.orders++
  sum.revenueCents += revenueCents
}
