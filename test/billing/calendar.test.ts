import t from 'tap'
import { addMonths, monthAt, monthStart, parseMonth } from '../../src/billing/calendar.ts'
import { ensurePeriods, type Period, selectPeriods } from '../../src/billing/periods.ts'
import { loadPlans, termsOf } from '../../src/billing/plans.ts'
import { quarterMs } from '../../src/types.ts'
import { createTestDatabase } from '../support/database.ts'

const iso = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z')
const months2026 = Array.from({ length: 13 }, (_, n) => addMonths('2026-01', n))
const terms = termsOf(loadPlans('/nowhere'), { BILLING_PLAN: 'metered', PRIVACY_LEVEL: 'standard' })

/** By hand, from the zones' rules: offsets before and after each change of the clocks. */
const table: Record<string, Record<string, string>> = {
  'Europe/Berlin': {
    '2026-01': '2025-12-31T23:00:00Z',
    '2026-03': '2026-02-28T23:00:00Z',
    // summer time from 29 March to 25 October
    '2026-04': '2026-03-31T22:00:00Z',
    '2026-10': '2026-09-30T22:00:00Z',
    '2026-11': '2026-10-31T23:00:00Z',
  },
  'America/New_York': {
    '2026-03': '2026-03-01T05:00:00Z',
    '2026-04': '2026-04-01T04:00:00Z',
    // the clocks go back on 1 November at 02:00, two hours into the month
    '2026-11': '2026-11-01T04:00:00Z',
    '2026-12': '2026-12-01T05:00:00Z',
  },
  'Asia/Kolkata': { '2026-01': '2025-12-31T18:30:00Z', '2026-07': '2026-06-30T18:30:00Z' },
  'Pacific/Auckland': {
    '2026-04': '2026-03-31T11:00:00Z',
    // winter time from 5 April to 27 September
    '2026-05': '2026-04-30T12:00:00Z',
    '2026-10': '2026-09-30T11:00:00Z',
  },
  // without summer time since 2021
  'Pacific/Apia': { '2026-01': '2025-12-31T11:00:00Z', '2026-07': '2026-06-30T11:00:00Z' },
  'Asia/Kathmandu': { '2026-02': '2026-01-31T18:15:00Z' },
  'Pacific/Kiritimati': { '2026-01': '2025-12-31T10:00:00Z' },
  'Etc/GMT+12': { '2026-01': '2026-01-01T12:00:00Z' },
  UTC: { '2026-01': '2026-01-01T00:00:00Z' },
}

t.test('months begin where the calendar of the place says', async (t) => {
  for (const [zone, starts] of Object.entries(table))
    for (const [month, start] of Object.entries(starts))
      t.equal(iso(monthStart(month, zone)), start, `${zone} ${month}`)
  // Samoa had no 30 December 2011: it went from -10 (summer time) to +14 (summer time).
  t.equal(iso(monthStart('2011-12', 'Pacific/Apia')), '2011-12-01T10:00:00Z')
  t.equal(iso(monthStart('2012-01', 'Pacific/Apia')), '2011-12-31T10:00:00Z')
  // In Asunción the midnight of 1 October 2017 was skipped.
  t.equal(iso(monthStart('2017-10', 'America/Asuncion')), '2017-10-01T04:00:00Z')
})

const hourMs = 3600_000
/** Every quarter for a day and a half around a boundary, where it matters; every three hours elsewhere. */
const instants = function* (startsMs: number, endsMs: number): Generator<number> {
  const near = 36 * hourMs
  for (let at = startsMs; at < endsMs; at += at < startsMs + near || at >= endsMs - near ? quarterMs : 3 * hourMs)
    yield at
}

t.test('every instant of a year lies in exactly one month, and the months touch', async (t) => {
  for (const zone of Object.keys(table)) {
    const starts = months2026.map((month) => monthStart(month, zone))
    let wrong = 0
    for (let n = 0; n < 12; n++) {
      const [startsMs = 0, endsMs = 0] = starts.slice(n, n + 2)
      if (startsMs % quarterMs !== 0 || endsMs <= startsMs) wrong++
      for (const at of instants(startsMs, endsMs)) if (monthAt(at, zone) !== months2026[n]) wrong++
    }
    t.equal(wrong, 0, zone)
  }
})

t.test('2026-11-30T23:30Z is November in New York, and December in Berlin, Kolkata and Auckland', async (t) => {
  const at = Date.parse('2026-11-30T23:30:00Z')
  t.equal(monthAt(at, 'America/New_York'), '2026-11')
  for (const zone of ['Europe/Berlin', 'Asia/Kolkata', 'Pacific/Auckland']) t.equal(monthAt(at, zone), '2026-12')
})

const tile = (periods: readonly Period[]): boolean =>
  periods.every((one, n) => n === 0 || one.startsMs === periods[n - 1]?.endsMs)

t.test('a change of zone or plan counts from the next period, and no instant is in two or in none', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const zones = ['Pacific/Kiritimati', 'Etc/GMT+12', 'Europe/Berlin', 'Pacific/Auckland', 'America/New_York', 'UTC']
  const made = (timeZone: string, at: string, plan = terms) =>
    db.transaction((tx) =>
      ensurePeriods(tx, {
        timeZone,
        terms: plan,
        nowMs: Date.parse(at),
        earliestMs: Date.parse('2025-11-20T00:00:00Z'),
      }),
    )
  for (const [n, zone] of zones.entries()) await made(zone, `2026-0${n + 1}-15T00:00:00Z`)
  const small = termsOf(loadPlans('/nowhere'), { BILLING_PLAN: 'small', PRIVACY_LEVEL: 'hipaa' })
  await made('UTC', '2026-06-20T00:00:00Z', small)
  await made('UTC', '2026-07-20T00:00:00Z', small)
  const periods = await selectPeriods(db)
  t.ok(tile(periods))
  t.strictSame(
    periods.map((one) => one.month),
    ['2025-11', '2025-12', ...months2026.slice(0, 7)],
  )
  t.strictSame(
    periods.slice(2).map((one) => one.timeZone),
    [...zones, 'UTC'],
  )
  t.strictSame(
    periods.slice(-2).map((one) => one.terms.plan),
    ['metered', 'small'],
  )
  t.match(periods.at(-1)?.terms.addons, [{ name: 'hipaa', monthly_usd: '1500' }])
  const before = await selectPeriods(db)
  await made('Asia/Kolkata', '2026-07-21T00:00:00Z')
  t.strictSame(await selectPeriods(db), before, 'periods that exist stay as they are')
  let outside = 0
  const last = periods.at(-1)?.endsMs ?? 0
  for (let at = periods[0]?.startsMs ?? 0; at < last; at += quarterMs)
    if (periods.filter((one) => one.startsMs <= at && at < one.endsMs).length !== 1) outside++
  t.equal(outside, 0)
})

t.test('a month is YYYY-MM of a year that a calendar here can hold', async (t) => {
  for (const right of ['1970-01', '2026-11', '2999-12']) t.equal(parseMonth(right), right)
  for (const wrong of [
    '',
    '2026',
    '2026-13',
    '2026-00',
    '26-11',
    '0000-01',
    '1969-12',
    '9999-12',
    '2026-11-01',
    ' 2026-11',
  ])
    t.throws(() => parseMonth(wrong), { code: 'request_invalid' }, wrong)
})
