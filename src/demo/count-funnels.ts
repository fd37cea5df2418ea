import type { Anomaly } from './anomaly.ts'
import { dayOf } from './calendar.ts'
import { advance, type FunnelCounts, funnelSteps } from './funnel.ts'
import type { FunnelCell, PlantedTruth, StepRate } from './planted.ts'
import type { Seen, SessionState, VisitorState } from './seen.ts'

export type FunnelCounter = {
  event(seen: Seen): void
  result(visitors: Iterable<VisitorState>): {
    funnelOf(siteId: string): FunnelCounts
    visitorFunnelOf(siteId: string): FunnelCounts
    cells: FunnelCell[]
    anomaly: PlantedTruth['anomaly']
  }
}

/** How far sessions and visitors get, by site, day, device and channel, and inside and outside of the anomaly. */
export const createFunnelCounter = (anomaly: Anomaly | undefined): FunnelCounter => {
  const cells = new Map<string, FunnelCell>()
  const inside: FunnelCounts = [0, 0, 0, 0, 0]
  const outside: FunnelCounts = [0, 0, 0, 0, 0]

  const cellOf = ({ siteId, device, channel, startMs }: SessionState): FunnelCell => {
    const day = dayOf(startMs)
    const key = `${siteId}|${day}|${device}|${channel}`
    const known = cells.get(key)
    if (known) return known
    const fresh: FunnelCell = { siteId, day, device, channel, funnel: [0, 0, 0, 0, 0] }
    cells.set(key, fresh)
    return fresh
  }
  const reach = (session: SessionState): void => {
    const step = session.stepsDone++
    increase(cellOf(session).funnel, step)
    if (session.siteId !== anomaly?.siteId) return
    increase(session.startMs >= anomaly.startMs && session.startMs < anomaly.endMs ? inside : outside, step)
  }
  return {
    event({ event, session, visitor }) {
      if (advance(session.stepsDone, event.eventType) > session.stepsDone) reach(session)
      visitor.stepsDone = advance(visitor.stepsDone, event.eventType)
    },
    result(visitors) {
      const ofSite = new Map<string, FunnelCounts>()
      for (const { siteId, funnel } of cells.values())
        for (const [step, count] of funnel.entries()) increase(getOrZero(ofSite, siteId), step, count)
      const ofVisitors = new Map<string, FunnelCounts>()
      for (const { siteId, stepsDone } of visitors)
        for (let step = 0; step < stepsDone; step++) increase(getOrZero(ofVisitors, siteId), step)
      return {
        funnelOf: (siteId) => getOrZero(ofSite, siteId),
        visitorFunnelOf: (siteId) => getOrZero(ofVisitors, siteId),
        cells: [...cells.values()],
        anomaly: anomaly ? { ...described(anomaly), ...ratesOf(anomaly, inside, outside) } : null,
      }
    },
  }
}

const described = ({ siteIndex: _, ...anomaly }: Anomaly): Omit<Anomaly, 'siteIndex'> => anomaly

const ratesOf = (anomaly: Anomaly, inside: FunnelCounts, outside: FunnelCounts) => {
  const step = funnelSteps.indexOf(anomaly.step)
  const rate = (counts: FunnelCounts): StepRate => {
    const [sessions, wentOn] = [counts[step - 1] ?? 0, counts[step] ?? 0]
    return { sessions, wentOn, dropOff: sessions === 0 ? 0 : 1 - wentOn / sessions }
  }
  return { inside: rate(inside), outside: rate(outside) }
}

const increase = (counts: FunnelCounts, step: number, by = 1): void => {
  counts[step] = (counts[step] ?? 0) + by
}

const getOrZero = (map: Map<string, FunnelCounts>, key: string): FunnelCounts => {
  const counts = map.get(key) ?? [0, 0, 0, 0, 0]
  map.set(key, counts)
  return counts
}
