import t from 'tap'
import { addDays, createCalendar } from '../../src/agents/days.ts'
import { judgeQuality } from '../../src/agents/judge-quality.ts'
import { createFacts } from '../../src/agents/make-fact.ts'
import type { SiteDay } from '../../src/agents/site-tally.ts'

const calendar = createCalendar('UTC')
// A Wednesday.
const today = '2026-11-18'

const siteDay = (day: string, hours: readonly number[]): SiteDay => {
  const last = hours.findLastIndex((events) => events > 0)
  return {
    ...{ siteId: 'shop', day, events: hours.reduce((sum, events) => sum + events, 0), pageviews: 0, botEvents: 0 },
    ...{ late: 0, misdated: 0, rejected: 0, duplicates: 0, consents: new Map(), types: new Map(), skew: new Map() },
    hours: new Map(hours.map((events, hour) => [String(hour), events])),
    lastMs: last < 0 ? null : calendar.startOf(day) + last * 3_600_000 + 1_800_000,
  }
}

/** What is said of a day after which nothing came, by the hours of two weeks before. */
const levelOf = (hoursOf: (day: string, n: number) => number[], lastHour: number): string | undefined => {
  const history = Array.from({ length: 15 }, (_, n) => {
    const day = addDays(today, n - 14)
    return siteDay(
      day,
      hoursOf(day, n).map((events, hour) => (day === today && hour > lastHour ? 0 : events)),
    )
  })
  const { checks } = judgeQuality({
    facts: createFacts({ dims: { site: 'shop' }, fromMs: 0, toMs: 86_400_000, query: 'test' }),
    ...{ siteId: 'shop', day: today, isComplete: true, history, unread: 0, sent: 0, arrived: 0, calendar },
    asOfMs: calendar.endOf(today),
  })
  return checks.find(({ check }) => check === 'silence')?.level
}
const isWeekend = (day: string): boolean => [0, 6].includes(new Date(day).getUTCDay())
const even = (events: number): number[] => Array.from({ length: 24 }, () => events / 24)

t.test('tracking that dies in the morning is seen, also where a weekend has a fraction of a weekday', (t) => {
  for (const weekend of [500, 3_000, 8_000, 20_000])
    t.equal(
      levelOf((day) => even(isWeekend(day) ? weekend : 20_000), 10),
      'red',
      `${weekend} events at weekends`,
    )
  t.end()
})

t.test('one great day hides nothing', (t) => {
  t.equal(
    levelOf((_, n) => even(n === 9 ? 40_000 : 200), 10),
    'red',
  )
  t.end()
})

t.test('a small shop has quiet evenings: a dozen events come with one visit, or none do', (t) => {
  // Four visits of twelve events on every other evening are 24 events to be expected, and no evening without them is strange.
  const evening = (n: number): number[] =>
    Array.from({ length: 24 }, (_, hour) => (hour < 18 ? 10 : hour === 20 && n % 2 === 0 ? 48 : 0))
  t.equal(
    levelOf((_, n) => evening(n), 17),
    'green',
  )
  t.end()
})
