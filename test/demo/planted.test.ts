import t from 'tap'
import { dayOf, weekOf, weekStartMs } from '../../src/demo/calendar.ts'
import { generateTraffic } from '../../src/demo/generate.ts'
import { funnelBy } from '../../src/demo/planted.ts'
import { channelOf, deviceOf, funnelOf, groupBy, type Travelled, travelled } from './recount.ts'

const untilMs = Date.UTC(2026, 10, 20, 18)
const traffic = generateTraffic({ events: 60_000, sites: 5, seed: 11, days: 28, untilMs, anomaly: {} })
const events: Travelled[] = []
let requests = 0
for (const request of traffic.requests) {
  requests++
  events.push(...travelled(request))
}
const planted = traffic.planted()
const sessions = groupBy(events, ({ sessionId }) => sessionId)
const visitors = groupBy(events, ({ visitorId }) => visitorId)
const landing = (session: Travelled[]): Travelled => session[0] as Travelled
const tally = (values: Iterable<string>): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1
  return counts
}
const centsOf = ({ eventData }: Travelled): number => Math.round((eventData.revenue as number) * 100)

t.test('counts of events, pageviews, sessions and visitors equal a recount', async (t) => {
  t.equal(planted.requests, requests)
  t.same(planted.eventsByType, tally(events.map(({ eventType }) => eventType)))
  t.equal(planted.pageviews, events.filter(({ eventType }) => eventType === 'pageview').length)
  t.equal(planted.sessions, sessions.size)
  t.equal(planted.visitors, visitors.size)
  for (const [siteId, site] of Object.entries(planted.sites)) {
    const here = events.filter((event) => event.siteId === siteId)
    t.equal(site.events, here.length)
    t.equal(site.visitors, groupBy(here, ({ visitorId }) => visitorId).size)
    t.equal(site.sessions, groupBy(here, ({ sessionId }) => sessionId).size)
    const days = here.filter(({ eventType }) => eventType === 'pageview').map(({ timestamp }) => timestamp.slice(0, 10))
    t.same(site.pageviewsByDay, tally(days))
  }
  t.same(planted.searches, tally(events.filter((e) => e.eventType === 'search').map((e) => String(e.eventData.query))))
  t.match(planted.consent, tally(events.filter((e) => e.eventType === 'consent').map((e) => String(e.eventData.state))))
})

t.test('funnels by site, device, channel and day equal a recount from what an analyst sees', async (t) => {
  const keys: [string, (session: Travelled) => string, Parameters<typeof funnelBy>[1]][] = [
    ['site', ({ siteId }) => siteId, ({ siteId }) => siteId],
    ['device', deviceOf, ({ device }) => device],
    ['channel', channelOf, ({ channel }) => channel],
    ['day', ({ timestamp }) => timestamp.slice(0, 10), ({ day }) => day],
  ]
  for (const [name, keyOf, key] of keys) {
    const groups = new Map<string, Travelled[][]>()
    for (const session of sessions.values()) {
      const value = keyOf(landing(session))
      groups.set(value, [...(groups.get(value) ?? []), session])
    }
    const recounted = Object.fromEntries([...groups].map(([value, group]) => [value, funnelOf(group)]))
    t.same(funnelBy(planted.detail.funnelCells, key), recounted, name)
  }
  for (const [siteId, site] of Object.entries(planted.sites)) {
    t.same(site.funnel, funnelOf([...sessions.values()].filter((session) => landing(session).siteId === siteId)))
    t.same(site.visitorFunnel, funnelOf([...visitors.values()].filter((visitor) => landing(visitor).siteId === siteId)))
  }
})

t.test('no step of a funnel holds more sessions than the one before it', async (t) => {
  const grown = planted.detail.funnelCells.filter(({ funnel }) =>
    funnel.some((count, step) => step > 0 && count > (funnel[step - 1] ?? 0)),
  )
  t.ok(planted.detail.funnelCells.length > 100)
  t.same(grown, [])
})

t.test('orders, revenue and the channels that led to them equal a recount', async (t) => {
  const purchases = events.filter(({ eventType }) => eventType === 'purchase')
  t.equal(new Set(purchases.map(({ eventData }) => eventData.orderId)).size, purchases.length)
  t.equal(planted.detail.conversions.length, purchases.length)
  const first: Record<string, { orders: number; revenueCents: number }> = {}
  const last: typeof first = {}
  const paths: Record<string, number> = {}
  for (const visitor of visitors.values()) {
    const path: string[] = []
    const seen = new Set<string>()
    for (const event of visitor) {
      if (event.sessionId && !seen.has(event.sessionId)) {
        seen.add(event.sessionId)
        path.push(channelOf(event))
      }
      if (event.eventType !== 'purchase') continue
      for (const [sums, channel] of [
        [first, path[0]],
        [last, path.at(-1)],
      ] as const) {
        sums[String(channel)] ??= { orders: 0, revenueCents: 0 }
        const sum = sums[String(channel)]
        if (sum) sum.orders++
        if (sum) sum.revenueCents += centsOf(event)
      }
    }
    paths[path.join('>')] = (paths[path.join('>')] ?? 0) + 1
  }
  t.same(planted.salesByFirstTouch, first)
  t.same(planted.salesByLastTouch, last)
  t.same(
    Object.fromEntries(Object.entries(planted.detail.paths).map(([path, { visitors }]) => [path, visitors])),
    paths,
  )
  const revenue = Object.values(planted.sites).reduce((cents, { sales }) => cents + sales.revenueCents, 0)
  t.equal(
    revenue,
    purchases.reduce((cents, event) => cents + centsOf(event), 0),
  )
})

t.test('an order is worth its items', async (t) => {
  const wrong = events.filter((event) => {
    if (event.eventType !== 'purchase') return false
    const items = event.eventData.items as { price: number; quantity: number }[]
    const cents = items.reduce((sum, { price, quantity }) => sum + Math.round(price * 100) * quantity, 0)
    return cents !== centsOf(event)
  })
  t.same(wrong, [])
})

t.test('cohorts equal a recount: who came first in which week, and who came back', async (t) => {
  const recounted: Record<string, { visitors: number; returned: number[] }> = {}
  for (const visitor of visitors.values()) {
    const starts = [...groupBy(visitor, ({ sessionId }) => sessionId).values()].map((session) => landing(session))
    const weeks = starts.map(({ timestamp }) => weekOf(Date.parse(timestamp)))
    const firstWeek = Math.min(...weeks)
    const key = `${dayOf(weekStartMs(firstWeek))} ${channelOf(landing(visitor))}`
    recounted[key] ??= { visitors: 0, returned: [] }
    const cohort = recounted[key]
    cohort.visitors++
    for (const week of new Set(weeks))
      if (week > firstWeek) cohort.returned[week - firstWeek - 1] = (cohort.returned[week - firstWeek - 1] ?? 0) + 1
  }
  const filled = (numbers: number[]): number[] => Array.from(numbers, (number) => number ?? 0)
  for (const cohort of Object.values(recounted)) cohort.returned = filled(cohort.returned)
  const reported = planted.cohorts.map(({ week, channel, ...counts }) => [`${week} ${channel}`, counts])
  t.same(Object.fromEntries(reported), recounted)
})

t.test('identified users equal a recount, some of them with two browsers', async (t) => {
  const users = groupBy(events, ({ userId }) => userId)
  t.equal(planted.identified.users, users.size)
  const two = [...users.values()].filter((user) => new Set(user.map(({ visitorId }) => visitorId)).size === 2)
  t.equal(planted.identified.withTwoVisitors, two.length)
  t.ok(two.length > 0)
  t.equal(planted.identified.addressLike, [...users.keys()].filter((userId) => userId.includes('@')).length)
  const identifies = events.filter(({ eventType }) => eventType === 'identify')
  t.equal(planted.identified.visitors, new Set(identifies.map(({ visitorId }) => visitorId)).size)
  t.ok(identifies.every(({ eventData }) => typeof (eventData.traits as { tier?: unknown }).tier === 'string'))
})

t.test('after a login every event of the browser names the user, before it none does', async (t) => {
  const wrong = [...visitors.values()].filter((visitor) => {
    const from = visitor.findIndex(({ eventType }) => eventType === 'identify')
    const named = visitor.findIndex(({ userId }) => userId !== undefined)
    return named !== from || (from >= 0 && visitor.slice(from).some(({ userId }) => userId === undefined))
  })
  t.same(wrong, [])
})

t.test('steps from page to page equal a recount', async (t) => {
  const recounted: Record<string, number> = {}
  for (const session of sessions.values()) {
    const pages = session.filter(({ eventType }) => eventType === 'pageview')
    for (const [index, { siteId, path }] of pages.slice(1).entries()) {
      const key = `${siteId} ${pages[index]?.path} ${path}`
      recounted[key] = (recounted[key] ?? 0) + 1
    }
  }
  const reported = planted.detail.transitions.map(({ siteId, from, to, count }) => [`${siteId} ${from} ${to}`, count])
  t.same(Object.fromEntries(reported), recounted)
})
