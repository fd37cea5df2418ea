import t from 'tap'
import { weekStartMs } from '../../src/demo/calendar.ts'
import { plantedRate } from '../../src/demo/funnel.ts'
import { generateTraffic } from '../../src/demo/generate.ts'
import { weeklyRetention } from '../../src/demo/people.ts'
import { funnelBy } from '../../src/demo/planted.ts'

/** A count of n draws at rate p lies within five standard deviations but once in millions. */
const isNear = (count: number, n: number, p: number): boolean =>
  Math.abs(count - n * p) <= 5 * Math.sqrt(n * p * (1 - p)) + 1

const untilMs = Date.UTC(2026, 10, 20, 18)
const days = 28
const take = (options: { events: number; sites: number; seed: number; anomaly?: object }) => {
  const traffic = generateTraffic({ ...options, days, untilMs })
  for (const _ of traffic.requests);
  return traffic.planted()
}

t.test('each device and channel goes on from each step at its planted rate', async (t) => {
  const planted = take({ events: 150_000, sites: 3, seed: 5 })
  const faults: string[] = []
  let compared = 0
  for (const device of ['mobile', 'desktop', 'tablet'] as const)
    for (const channel of ['direct', 'search', 'social', 'paid', 'email', 'referral'] as const) {
      const cells = planted.detail.funnelCells.filter((cell) => cell.device === device && cell.channel === channel)
      const funnel = funnelBy(cells, () => 'all').all ?? []
      for (const [from, sessions] of funnel.slice(0, 4).entries()) {
        const rate = plantedRate(from, device, channel)
        compared++
        if (!isNear(funnel[from + 1] ?? 0, sessions, rate)) faults.push(`${device} ${channel} ${from}`)
      }
    }
  t.equal(compared, 72)
  t.same(faults, [])
})

t.test('without an anomaly every day has the same rates', async (t) => {
  const planted = take({ events: 150_000, sites: 1, seed: 6 })
  const daily = Object.values(funnelBy(planted.detail.funnelCells, ({ day }) => day))
  const all = funnelBy(planted.detail.funnelCells, () => 'all').all ?? []
  const unusual = daily.filter((funnel) =>
    [0, 1, 2, 3].some(
      (from) => !isNear(funnel[from + 1] ?? 0, funnel[from] ?? 0, (all[from + 1] ?? 0) / (all[from] ?? 1)),
    ),
  )
  t.ok(daily.length >= days)
  t.same(unusual, [])
  t.equal(planted.anomaly, null)
})

t.test('traffic is as heavy at the end as at the beginning, and lighter on desks at the weekend', async (t) => {
  const planted = take({ events: 100_000, sites: 1, seed: 7 })
  const weeks = [0, 1, 2].map((week) =>
    weekStartMs(Math.floor((untilMs + 3 * 86_400_000) / (7 * 86_400_000)) - 3 + week),
  )
  const sessions = weeks.map((startMs) =>
    planted.detail.funnelCells
      .filter(({ day }) => Date.parse(day) >= startMs && Date.parse(day) < startMs + 7 * 86_400_000)
      .reduce((sum, { funnel }) => sum + funnel[0], 0),
  )
  const mean = sessions.reduce((sum, count) => sum + count, 0) / 3
  for (const count of sessions) t.ok(Math.abs(count - mean) < mean * 0.1, `${count} of ${mean}`)
  const desks = funnelBy(
    planted.detail.funnelCells.filter(({ device }) => device === 'desktop'),
    ({ day }) => (new Date(day).getUTCDay() % 6 === 0 ? 'weekend' : 'weekday'),
  )
  t.ok((desks.weekend?.[0] ?? 0) / 8 < (desks.weekday?.[0] ?? 0) / 20)
})

t.test('an anomaly is where it was planted, by as many points, and large enough to be found', async (t) => {
  for (const seed of [1, 2, 3]) {
    const { anomaly } = take({ events: 120_000, sites: 2, seed, anomaly: {} })
    if (!anomaly) throw new Error('no anomaly was planted')
    const { inside, outside } = anomaly
    t.ok(inside.sessions >= 400, `${inside.sessions} sessions inside`)
    const risen = 1 - outside.dropOff - 0.15
    t.ok(isNear(inside.wentOn, inside.sessions, risen), `${inside.dropOff} inside, ${outside.dropOff} outside`)
    t.ok(inside.dropOff - outside.dropOff > 0.075)
  }
})

t.test('an anomaly can be asked for at a step and a time', async (t) => {
  const [startMs, endMs] = [Date.UTC(2026, 10, 5), Date.UTC(2026, 10, 8)]
  const wanted = { step: 'begin_checkout', startMs, endMs, points: 30 } as const
  const { anomaly } = take({ events: 80_000, sites: 1, seed: 4, anomaly: wanted })
  t.match(anomaly, wanted)
  t.ok(anomaly && anomaly.inside.dropOff - anomaly.outside.dropOff > 0.1)
})

t.test('people come back week after week, fewer and fewer', async (t) => {
  const planted = take({ events: 100_000, sites: 1, seed: 8 })
  const [first] = [...new Set(planted.cohorts.map(({ week }) => week))].slice(1)
  const cohorts = planted.cohorts.filter(({ week }) => week === first)
  const visitors = cohorts.reduce((sum, cohort) => sum + cohort.visitors, 0)
  const shares = [0, 1].map(
    (later) => cohorts.reduce((sum, { returned }) => sum + (returned[later] ?? 0), 0) / visitors,
  )
  // Among those first seen are people whose first visits lay before the window: their later, smaller rates lower it.
  t.ok(shares[0] !== undefined && shares[0] > 0.08 && shares[0] < weeklyRetention[0] + 0.02, `${shares[0]}`)
  t.ok((shares[1] ?? 1) < (shares[0] ?? 0))
})

t.test('the second site has half of the visitors of the first', async (t) => {
  const planted = take({ events: 60_000, sites: 3, seed: 9 })
  const [first, second, third] = Object.values(planted.sites).map(({ visitors }) => visitors)
  t.ok(isNear(second ?? 0, (first ?? 0) + (second ?? 0), 1 / 3))
  t.ok(isNear(third ?? 0, (first ?? 0) + (third ?? 0), 1 / 4))
})
