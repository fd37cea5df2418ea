import t from 'tap'
import { type Day, daysFrom } from '../../src/agents/days.ts'
import type { DayCells } from '../../src/agents/expect-dropoff.ts'
import type { FunnelCell } from '../../src/agents/funnel-tally.ts'
import type { DropoffAlert } from '../../src/agents/report.ts'
import { type Judged, locateLoss, testDropoffs } from '../../src/agents/test-dropoffs.ts'
import { funnelSteps } from '../../src/demo/funnel.ts'
import { generateTraffic } from '../../src/demo/generate.ts'
import type { FunnelCell as PlantedCell } from '../../src/demo/planted.ts'
import { createRandom } from '../../src/demo/random.ts'
import { createTestDatabase } from '../support/database.ts'
import { engineOn, type SentEvent, storeBatch } from './lab.ts'

/** Seeds that were not looked at while the method was made. */
const seeds = Array.from({ length: process.env.STORM ? 30 : 4 }, (_, index) => 93_001 + index)
const [q, pointsMin, peopleMin] = [0.05, 0.05, 200]
const untilMs = Date.UTC(2026, 10, 20)
const days = daysFrom('2026-10-23', '2026-11-19')

type Found = { siteId: string; step: number; from: Day; to: Day }

/** Judges night after night, as the engine does: what was alerted is no baseline any more. */
const judgeAll = (cells: readonly PlantedCell[]): { found: Found[]; tests: number; nights: number } => {
  const sites = new Map<string, Map<Day, DayCells>>()
  for (const { siteId, day, device, channel, funnel } of cells) {
    const site = sites.get(siteId) ?? new Map<Day, DayCells>()
    sites.set(siteId, site)
    const one = site.get(day) ?? { day, cells: [] }
    site.set(day, { day, cells: [...one.cells, [0, device, channel, 'new', funnel] as FunnelCell] })
  }
  const alerted = new Set<string>()
  const judged: Judged[] = [...sites].map(([siteId, own]) => ({
    ...{ siteId, funnelId: 'shop', steps: 5, days: own },
    isJudged: (day) => own.has(day),
    isAlerted: (step, day) => alerted.has(`${siteId} ${step} ${day}`),
  }))
  const found: Found[] = []
  let [tests, nights] = [0, 0]
  for (const day of days) {
    const results = testDropoffs(judged, day, { people_min: peopleMin })
    tests += results.length
    if (results.length > 0) nights++
    for (const one of results.filter((test) => test.q <= q && test.difference >= pointsMin)) {
      found.push(one)
      for (const lost of daysFrom(one.from, one.to)) alerted.add(`${one.siteId} ${one.step} ${lost}`)
    }
  }
  return { found, tests, nights }
}

t.test('without a planted loss the share of false alerts stays within q', (t) => {
  let [nights, wrongNights, tests, wrongSeeds] = [0, 0, 0, 0]
  for (const seed of seeds) {
    const traffic = generateTraffic({ events: 80_000, sites: 3, seed, days: 28, untilMs })
    for (const _ of traffic.requests);
    const judged = judgeAll(traffic.planted().detail.funnelCells)
    nights += judged.nights
    tests += judged.tests
    wrongNights += new Set(judged.found.map(({ to }) => to)).size
    if (judged.found.length > 0) wrongSeeds++
  }
  t.comment(
    `${tests} tests in ${nights} nights of ${seeds.length} seeds: ${wrongNights} nights and ${wrongSeeds} seeds with a false alert`,
  )
  t.ok(tests > 100 * seeds.length, 'there was something to test')
  t.ok(wrongNights <= q * nights)
  // q is promised for four weeks of nights. Of few seeds one may be wrong by chance (1 of 4: 19 % at q = 0.05).
  t.ok(wrongSeeds <= Math.max(1, q * seeds.length))
  t.end()
})

t.test('a loss of 15 points among 400 people is never missed', (t) => {
  let [missed, planted, others] = [0, 0, 0]
  for (const seed of seeds) {
    const traffic = generateTraffic({ events: 80_000, sites: 3, seed, days: 28, untilMs, anomaly: {} })
    for (const _ of traffic.requests);
    const truth = traffic.planted()
    const { anomaly } = truth
    if (!anomaly || anomaly.inside.sessions < 400) continue
    planted++
    const step = funnelSteps.indexOf(anomaly.step) - 1
    const [from, to] = [anomaly.startMs, anomaly.endMs - 1].map((ms) => new Date(ms).toISOString().slice(0, 10)) as [
      Day,
      Day,
    ]
    const isPlanted = (one: Found) =>
      one.siteId === anomaly.siteId && one.step === step && one.from <= to && one.to >= from
    const { found } = judgeAll(truth.detail.funnelCells)
    if (!found.some(isPlanted)) {
      missed++
      t.comment(`seed ${seed} missed: ${JSON.stringify(anomaly)}`)
    }
    others += found.filter((one) => !isPlanted(one)).length
  }
  t.comment(`${planted} planted losses, ${missed} missed, ${others} alerts about something else`)
  t.ok(planted >= seeds.length / 2)
  t.equal(missed, 0)
  t.ok(others <= q * planted + 1)
  t.end()
})

/** Days of one kind of visitors: so many reach the step, a share of them is lost. */
const madeDays = (count: number, reached: number, shareOf: (index: number) => number, seed: number): DayCells[] => {
  const random = createRandom(seed)
  return daysFrom('2026-10-01', '2026-11-30')
    .slice(0, count)
    .map((day, index) => {
      let lost = 0
      for (let one = 0; one < reached; one++) if (random.chance(shareOf(index))) lost++
      return { day, cells: [[0, 'mobile', 'direct', 'new', [reached, reached - lost]] as FunnelCell] }
    })
}
const judgedOf = (made: readonly DayCells[], isJudged: (day: Day) => boolean = () => true): Judged => ({
  ...{ siteId: 's', funnelId: 'f', steps: 2, days: new Map(made.map((one) => [one.day, one])), isAlerted: () => false },
  isJudged: (day) => made.some((one) => one.day === day) && isJudged(day),
})

t.test('weekdays that differ are held against their own', (t) => {
  // Saturdays and Sundays lose 20 points more, every week: 1 October 2026 is a Thursday.
  const isWeekend = (index: number) => [2, 3].includes(index % 7)
  const made = madeDays(42, 500, (index) => (isWeekend(index) ? 0.6 : 0.4), 1)
  const last = made.at(-11)?.day ?? ''
  t.equal(last, '2026-11-01')
  const sunday = testDropoffs([judgedOf(made)], last, { people_min: peopleMin }).find(({ from }) => from === last)
  t.equal(sunday?.expected.sameWeekdays, true)
  t.ok(Math.abs((sunday?.expected.rate ?? 0) - 0.6) < 0.05)
  t.ok((sunday?.q ?? 0) > q)
  t.end()
})

t.test('more telephones are no loss: the expectation follows the mixture', (t) => {
  const mixed = (day: Day, mobile: number): DayCells => ({
    day,
    cells: [
      [0, 'mobile', 'direct', 'new', [mobile, Math.round(mobile * 0.3)]],
      [0, 'desktop', 'direct', 'new', [1000 - mobile, Math.round((1000 - mobile) * 0.7)]],
    ],
  })
  const made = daysFrom('2026-10-01', '2026-10-29').map((day, index) => mixed(day, index === 28 ? 800 : 400))
  const [test] = testDropoffs([judgedOf(made)], '2026-10-29', { people_min: peopleMin })
  t.ok(test && test.now.lost / test.now.reached > 0.6, 'the plain rate rose by 16 points')
  t.ok(test && Math.abs(test.difference) < 0.01, 'what was to be expected rose with it')
  t.ok((test?.q ?? 0) > q)
  t.end()
})

t.test('too few people, too few days and days that are not judged give no test', (t) => {
  const made = madeDays(29, 150, () => 0.4, 2)
  const at = (funnel: Judged, day: Day) => testDropoffs([funnel], day, { people_min: peopleMin })
  t.same(at(judgedOf(made), '2026-10-05'), [], 'no baseline yet')
  t.notOk(
    at(judgedOf(made), '2026-10-29').some(({ from }) => from === '2026-10-29'),
    '150 people are too few',
  )
  t.ok(
    at(judgedOf(made), '2026-10-29').some(({ from }) => from === '2026-10-28'),
    'those of two days are enough',
  )
  t.same(
    at(
      judgedOf(made, (day) => day !== '2026-10-29'),
      '2026-10-29',
    ),
    [],
  )
  t.end()
})

t.test('the days of a loss are found', (t) => {
  const made = madeDays(14, 600, (index) => (index >= 9 && index < 12 ? 0.55 : 0.4), 3)
  t.same(locateLoss(made, 0, 0.4), { from: '2026-10-10', to: '2026-10-12' })
  t.equal(
    locateLoss(
      madeDays(5, 600, () => 0, 4),
      0,
      0.4,
    ),
    null,
  )
  t.end()
})

t.test(
  'an alert is raised by the hour, renewed at night, told again only when it matters, and cleared when it is over',
  async (t) => {
    const { db, close } = await createTestDatabase()
    t.teardown(close)
    const engine = engineOn(db)
    const random = createRandom(9)
    /** So many visits in an hour, of which a share looks at a product. */
    const hour = (day: string, at: number, visits: number, share: number): SentEvent[] =>
      Array.from({ length: visits }, (_, n) => {
        const visitor = `${day}-${at}-${n}`
        const ms = Date.parse(`${day}T00:00:00Z`) + at * 3_600_000 + n * 1_000
        const view: SentEvent[] = random.chance(share) ? [{ type: 'product_view', at: ms + 5_000, visitor }] : []
        return [{ type: 'pageview', at: ms, visitor } as SentEvent, ...view]
      }).flat()
    const dayOf = (index: number) => new Date(Date.UTC(2026, 9, 1 + index)).toISOString().slice(0, 10)
    for (let index = 0; index < 14; index++)
      await storeBatch(
        db,
        [8, 10, 12].flatMap((at) => hour(dayOf(index), at, 40, 0.6)),
      )
    await storeBatch(db, [...hour(dayOf(14), 8, 110, 0.6), ...hour(dayOf(14), 10, 110, 0.1)])
    await storeBatch(db, hour(dayOf(14), 11, 1, 1))
    await engine.run({ kind: 'hourly' })
    const alerts = async () =>
      (await db.query<{ body: string }>('select body from dropoff_alerts order by opened_at')).map(
        ({ body }) => JSON.parse(body) as DropoffAlert,
      )
    const told = async () =>
      (await db.query<{ type: string }>('select type from outbox order by occurred_at, type')).map(({ type }) => type)
    t.same(await alerts(), [], 'the hour that is under way is not judged')

    await storeBatch(db, hour(dayOf(14), 12, 110, 0.1))
    await engine.run({ kind: 'hourly' })
    const [raised] = await alerts()
    t.match(raised, { state: 'open', severity: 'critical', funnelId: 'shop', fromStep: 'Visit', toStep: 'Product' })
    t.same([raised?.current.n, raised?.window.from], [220, '2026-10-15T00:00:00.000Z'])
    for (const { baseline } of raised ? [raised, ...raised.affected] : [])
      t.same(
        baseline.window,
        { from: '2026-10-01T00:00:00.000Z', to: '2026-10-15T00:00:00.000Z' },
        'what was expected is of the days before',
      )
    t.ok((raised?.current.value ?? 0) > 0.55 && (raised?.baseline.value ?? 1) < 0.5)
    t.same(raised?.lostRevenue.value, null)
    t.same(await told(), ['alert.raised'])

    await storeBatch(db, hour(dayOf(15), 8, 120, 0.1))
    await engine.run({ kind: 'hourly' })
    const [renewed] = await alerts()
    t.equal(renewed?.id, raised?.id)
    t.ok((renewed?.current.n ?? 0) > 300, 'the whole day is in it now')
    t.same(await told(), ['alert.raised'], 'nothing material changed')

    for (let index = 16; index < 22; index++)
      await storeBatch(
        db,
        [8, 10, 12].flatMap((at) => hour(dayOf(index), at, 90, 0.6)),
      )
    await engine.run({ kind: 'hourly' })
    t.match(await alerts(), [{ id: raised?.id, state: 'closed', closedAt: /^2026-10-/ }])
    t.same(await told(), ['alert.raised', 'alert.cleared'])
  },
)
