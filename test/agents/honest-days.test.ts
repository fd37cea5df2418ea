import t from 'tap'
import { describeAlert } from '../../src/agents/alert-report.ts'
import { selectEarlier } from '../../src/agents/day-totals.ts'
import { addDays, createCalendar } from '../../src/agents/days.ts'
import { loadFunnels } from '../../src/agents/funnel-file.ts'
import type { FunnelCell } from '../../src/agents/funnel-tally.ts'
import type { CustomerProfile, DayReport, DropoffAlert, SegmentReport } from '../../src/agents/report.ts'
import { selectReports } from '../../src/agents/report-rows.ts'
import { alertNote } from '../../src/agents/vault/alert-note.ts'
import type { Db } from '../../src/db.ts'
import { createTestDatabase } from '../support/database.ts'
import { cell, storeJudgeableDays } from './earlier-days.ts'
import { engineOn, type SentEvent, storeBatch } from './lab.ts'
import { vaultLab } from './vault/lab.ts'

type Tap = { teardown(fn: () => unknown): void }
const database = async (t: Tap): Promise<Db> => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  return db
}
const last = '2026-11-19'
const dayOf = async (db: Db, day: string): Promise<DayReport | undefined> =>
  (await selectReports<DayReport>(db, { kind: 'day', sites: ['shop.example'], from: day, to: day }))[0]?.body

t.test('the worst day of a funnel is told as what it is', async (t) => {
  const lab = await vaultLab(t)
  const visits = (day: string, types: readonly string[]): SentEvent[] =>
    Array.from({ length: 20 }, (_, n) =>
      types.map((type, at) => ({ type, at: Date.parse(`${day}T12:00:00Z`) + n * 1_000 + at, visitor: `${day}-${n}` })),
    ).flat()
  const before = addDays(last, -1)
  await storeBatch(lab.db, [
    ...visits(addDays(last, -2), ['pageview']),
    ...visits(before, ['pageview', 'product_view', 'add_to_cart']),
    ...visits(last, ['pageview']),
    { type: 'pageview', at: `${addDays(last, 1)}T00:01:00Z`, site: 'tick.example', visitor: 'tick' },
  ])
  await lab.run()
  await lab.vault.write({ kind: 'nightly' })
  const report = await dayOf(lab.db, last)
  t.same(
    report?.funnels.map(({ funnelId }) => funnelId),
    ['shop', 'customers'],
  )
  t.match(report?.topDropoffs, [{ fromStep: 'Visit', toStep: 'Product', lost: { value: 20 }, rate: { value: 1 } }, {}])
  t.equal(report?.topDropoffs.length, 2, 'steps that nobody came to lose nobody')
  const files = await lab.files()
  const note = (day: string) => files.get(`daily_reports/${day} shop.example.md`)?.text ?? ''
  t.match(note(last), 'In the funnel Shop most were lost between Visit and Product: 20, a drop-off of 100 %')
  t.match(note(last), /\| Visit → Product \| 20 \| 100 % \|/)
  t.notMatch(note(last), /No funnel|Nobody was lost/)
  // Of a site that never had a second step nothing else can be said.
  t.same((await dayOf(lab.db, addDays(last, -2)))?.funnels, [])
  t.match(note(addDays(last, -2)), /## Funnels\n\nNobody got beyond the first step of a funnel\.\n/)
  t.match(note(addDays(last, -2)), /## Where people were lost\n\nNobody got beyond the first step of a funnel\.\n/)
})

t.test('a day whose tracking was not in order, or that was not over, is no baseline', async (t) => {
  const db = await database(t)
  await storeJudgeableDays(db, 'shop.example', addDays(last, -1), 28, (back) => ({
    totals: {
      sessions: 1 + back,
      ...(back === 6 && { level: 'red' }),
      ...(back === 13 && { isComplete: false }),
    },
  }))
  const { sameWeekday } = await selectEarlier(db, 'shop.example', last)
  t.same(
    sameWeekday.map(({ sessions }) => sessions),
    [28, 21],
  )
})

t.test('an average order is that of the orders whose worth is known', async (t) => {
  const db = await database(t)
  const order = (n: number, currency: string, total: number | undefined): SentEvent => ({
    ...{ type: 'purchase', at: Date.parse(`${last}T10:00:00Z`) + n * 1_000, visitor: `v${n}` },
    data: { orderId: `o${n}`, currency, ...(total !== undefined && { total }) },
  })
  await storeBatch(db, [
    ...[1, 2, 3].map((n) => order(n, 'USD', 30)),
    ...[4, 5].map((n) => order(n, 'SEK', 300)),
    order(6, 'USD', undefined),
    { type: 'pageview', at: `${addDays(last, 1)}T00:01:00Z`, site: 'tick.example', visitor: 'tick' },
  ])
  await engineOn(db).run({ kind: 'nightly' })
  t.match((await dayOf(db, last))?.totals, {
    orders: { value: 6 },
    revenue: { value: 90, n: 3 },
    averageOrderValue: { value: 30, n: 3 },
  })
})

t.test('what a person and a segment spent is in one currency', async (t) => {
  const db = await database(t)
  const order = (visitor: string, n: number, currency: string | undefined, total: number | undefined): SentEvent => ({
    ...{ type: 'purchase', at: Date.parse(`${last}T10:00:00Z`) + n * 1_000, visitor },
    data: { orderId: `${visitor}${n}`, ...(currency && { currency }), ...(total !== undefined && { total }) },
  })
  const login = (visitor: string): SentEvent => ({
    ...{ type: 'identify', at: `${last}T09:59:00Z`, visitor, user: `user-${visitor}` },
  })
  await storeBatch(db, [
    // Buys in crowns, and once in dollars; what has no currency is taken to be in theirs.
    ...[login('ada'), order('ada', 1, 'SEK', 300), order('ada', 2, 'SEK', 100), order('ada', 3, 'USD', 70)],
    ...[order('ada', 4, undefined, 50), order('ada', 5, 'SEK', undefined)],
    ...[login('bob'), order('bob', 1, 'USD', 10), order('bob', 2, 'USD', 20), order('bob', 3, 'SEK', 900)],
    ...[1, 2, 3].map((n) => order('eve', n, 'USD', 5)),
    { type: 'pageview', at: `${addDays(last, 1)}T00:01:00Z`, site: 'tick.example', visitor: 'tick' },
  ])
  await engineOn(db).run({ kind: 'nightly' })
  const customers = (await selectReports<CustomerProfile>(db, { kind: 'customer' })).map(({ body }) => body)
  const figures = (user: string) => customers.find(({ rawUserId }) => rawUserId === user)?.figures
  t.match(figures('user-ada'), {
    orders: { value: 5 },
    lifetimeValue: { value: 450, n: 3, currency: 'SEK' },
    averageOrderValue: { value: 150, n: 3, currency: 'SEK' },
  })
  t.match(figures('user-bob'), {
    orders: { value: 3 },
    lifetimeValue: { value: 30, n: 2, currency: 'USD' },
    averageOrderValue: { value: 15, n: 2 },
  })
  const weeks = customers.find(({ rawUserId }) => rawUserId === 'user-ada')?.weeks
  t.match(weeks, [{ revenue: { value: 450, n: 3 } }])
  const touchpoints = customers.find(({ rawUserId }) => rawUserId === 'user-ada')?.touchpoints
  t.match(touchpoints, [{ orders: 5, revenue: 450 }])
  // Most orders are paid in dollars: 70 + 50 of Ada (no currency is no other one), 30 of Bob, 15 of Eve.
  const segments = (await selectReports<SegmentReport>(db, { kind: 'segment' })).map(({ body }) => body)
  const repeat = segments.find(({ id }) => id === 'repeat_buyers')?.figures
  t.match(
    repeat?.find(({ metric }) => metric === 'segment_orders'),
    { value: 11 },
  )
  t.match(
    repeat?.find(({ metric }) => metric === 'segment_revenue'),
    { value: 165, n: 7, people: 3, currency: 'USD' },
  )
})

/** Four weeks in which half of the visits look at a product, and two days on which telephones hardly do. */
const alertOn = async (t: Tap): Promise<DropoffAlert | undefined> => {
  const db = await database(t)
  await storeJudgeableDays(db, 'shop.example', last, 31, (back) => ({
    totals: { orders: 50, paidOrders: 25, paying: 9, revenueMicros: 25 * 20e6 },
    cells: [
      cell('desktop', [200, 100, 60, 40, 20]),
      cell('tablet', [100, back < 2 ? 49 : 50, 30, 20, 10]),
      cell('mobile', [200, back < 2 ? 20 : 100, 10, 10, 10]),
    ],
  }))
  await storeBatch(db, [
    { type: 'pageview', at: `${addDays(last, 1)}T00:01:00Z`, site: 'tick.example', visitor: 'tick' },
  ])
  await engineOn(db).run({ kind: 'nightly' })
  const [row] = await db.query<{ body: string }>(`select body from dropoff_alerts where step = 0`)
  return row && (JSON.parse(row.body) as DropoffAlert)
}

t.test('an alert values a loss by orders whose worth is known, and names the kinds that stand out', async (t) => {
  const alert = await alertOn(t)
  t.match(alert, { fromStep: 'Visit', toStep: 'Product' })
  t.same(alert?.affected.map(({ dimension, value }) => `${dimension} ${value}`).sort(), [
    'channel direct',
    'device mobile',
    'visitor_kind new',
  ])
  t.match(alert?.window, { from: '2026-11-18T00:00:00.000Z', to: '2026-11-20T00:00:00.000Z' })
  const { lostSessions, lostRevenue } = alert ?? {}
  const ordering = (20 + 10 + 10) / (100 + 50 + 100)
  t.ok(
    Math.abs((lostRevenue?.value ?? 0) / ((lostSessions?.value ?? 1) * ordering) - 20) < 0.01,
    'an order is 20 dollars',
  )
  t.match(lostRevenue, { n: 25 * 28, people: 9 }, 'of nine buyers: money that no model is told of')
})

t.test('an alert says of which days its p and q are, and what they mean', (t) => {
  const [funnel] = loadFunnels('/nowhere').funnels
  if (!funnel) return t.end()
  const days = (count: number, cells: FunnelCell[]) =>
    Array.from({ length: count }, (_, back) => ({ day: addDays(last, -back), cells }))
  const alert = describeAlert(
    {
      ...{ siteId: 'shop.example', funnelId: 'shop', step: 0, from: addDays(last, -1), to: last },
      ...{ now: { reached: 1_000, lost: 660 }, difference: 0.16, p: 1e-9, q: 0.0021 },
      expected: { ...{ rate: 0.5, weight: 10_000, reached: 10_000, lost: 5_000 }, days: [], sameWeekdays: false },
    },
    {
      ...{ id: 'a_0000000000000000', severity: 'warning', state: 'open', closedAt: null },
      ...{ openedAt: '2026-11-20T00:00:00.000Z', changedAt: '2026-11-20T00:00:00.000Z' },
    },
    {
      ...{ calendar: createCalendar('UTC'), funnel, typesNow: new Map(), typesBefore: new Map() },
      // Of other channels and kinds than before, so that devices alone can stand out: mobile does, and tablet by chance.
      now: days(2, [
        cell('mobile', [400, 121, 0, 0, 0], 'search', 'returning'),
        cell('tablet', [100, 49, 0, 0, 0], 'search', 'returning'),
      ]),
      before: days(20, [cell('mobile', [400, 200, 0, 0, 0]), cell('tablet', [100, 50, 0, 0, 0])]),
      tested: { from: addDays(last, -4), to: last, now: { reached: 2_500, lost: 1_450 } },
      ...{ people: 10, orders: 25, payers: 10, orderMicros: 20e6, currency: 'USD' },
    },
  )
  t.match(alert.window, { from: '2026-11-18T00:00:00.000Z', to: '2026-11-20T00:00:00.000Z' })
  t.same(
    alert.affected.map(({ value }) => value),
    ['mobile'],
  )
  for (const one of [alert.pValue, alert.qValue])
    t.match(one, { n: 2_500, window: { from: '2026-11-15T00:00:00.000Z', to: '2026-11-20T00:00:00.000Z' } })
  const context = { timeZone: 'UTC', exists: () => false, link: (_: string, text: string) => text as never }
  const note = alertNote(alert, context).finish(null)
  const text = note.regions.map(({ body }) => body).join('\n')
  t.match(
    text,
    'p less than 0.001: how often so many or more would be lost from 2026-11-15 to 2026-11-19, the days that were tested, if the rate were as before',
  )
  t.match(text, 'q 0.002, of the same test: it bounds the share of false alerts among all that are raised')
  t.match(text, 'Lost from 2026-11-18 to 2026-11-19.')
  t.end()
})

t.test('days of an earlier version, which counted no people, are counted anew', async (t) => {
  const db = await database(t)
  await storeJudgeableDays(db, 'shop.example', addDays(last, -1), 2, () => ({ totals: { sessions: 7 } }))
  await db.execute(`update site_days set totals = (totals::jsonb - 'paying')::json where day = $1::date`, [
    addDays(last, -2),
  ])
  await storeBatch(db, [
    { type: 'pageview', at: `${addDays(last, -2)}T12:00:00Z`, visitor: 'v' },
    { type: 'pageview', at: `${addDays(last, 1)}T00:01:00Z`, site: 'tick.example', visitor: 'tick' },
  ])
  await db.execute('update site_days set is_stale = false')
  await engineOn(db).run({ kind: 'nightly' })
  const rows = await db.query<{ day: string; totals: string }>(
    `select day::text as day, totals from site_days where site_id = 'shop.example' and day < $1::date order by day`,
    [last],
  )
  const read = rows.map(({ day, totals }) => ({ day, ...(JSON.parse(totals) as { sessions: number; paying: number }) }))
  t.match(read, [
    { day: addDays(last, -2), sessions: 1, paying: 0 },
    { day: addDays(last, -1), sessions: 7, paying: 10 },
  ])
})

t.test('a person with many browsers is one person in a funnel that counts people', async (t) => {
  const db = await database(t)
  const browsers = Array.from({ length: 10 }, (_, n) => `browser-${n}`)
  await storeBatch(db, [
    ...browsers.flatMap((visitor, n): SentEvent[] => [
      { type: 'pageview', at: `${last}T10:${10 + n}:00Z`, visitor },
      { type: 'identify', at: `${last}T10:${10 + n}:01Z`, visitor, user: 'ada' },
      { type: 'product_view', at: `${last}T10:${10 + n}:02Z`, visitor },
      { type: 'purchase', at: `${last}T10:${10 + n}:03Z`, visitor, data: { orderId: visitor, total: 5 } },
    ]),
    { type: 'pageview', at: `${last}T11:00:00Z`, visitor: 'eve' },
    { type: 'pageview', at: `${addDays(last, 1)}T00:01:00Z`, site: 'tick.example', visitor: 'tick' },
  ])
  await engineOn(db).run({ kind: 'nightly' })
  const report = await dayOf(db, last)
  t.match(report?.totals, { visitors: { value: 11 }, sessions: { value: 11 } })
  const entered = (id: string) =>
    report?.funnels
      .find(({ funnelId }) => funnelId === id)
      ?.steps.map((step) => [step.entered.value, step.entered.people])
  t.same(entered('customers')?.[0], [2, 2])
  t.same(entered('customers')?.at(-1)?.[0], 1)
})

t.test('what a person does on two devices at once is followed in the order of time', async (t) => {
  const db = await database(t)
  const on = (visitor: string, time: string, type: string, data = {}): SentEvent => ({
    ...{ type, at: `${last}T10:${time}Z`, visitor, data },
  })
  await storeBatch(db, [
    ...[on('phone', '00:00', 'pageview'), on('laptop', '10:00', 'pageview')],
    ...['phone', 'laptop'].map((visitor): SentEvent => ({ ...on(visitor, '11:00', 'identify'), user: 'ada' })),
    // Ordered before the product was looked at, on the other device.
    on('laptop', '15:00', 'purchase', { orderId: 'o1', total: 5 }),
    on('phone', '20:00', 'product_view'),
    { type: 'pageview', at: `${addDays(last, 1)}T00:01:00Z`, site: 'tick.example', visitor: 'tick' },
  ])
  await engineOn(db).run({ kind: 'nightly' })
  const steps = (await dayOf(db, last))?.funnels.find(({ funnelId }) => funnelId === 'customers')?.steps
  t.same(
    steps?.map(({ entered }) => entered.value),
    [1, 1, 0],
  )
  const [customer] = (await selectReports<CustomerProfile>(db, { kind: 'customer' })).map(({ body }) => body)
  t.match(
    customer?.funnels.find(({ funnelId }) => funnelId === 'customers'),
    { stepsDone: 2 },
  )
})
