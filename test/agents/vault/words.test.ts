import t from 'tap'
import { addDays, createCalendar } from '../../../src/agents/days.ts'
import { judgeQuality } from '../../../src/agents/judge-quality.ts'
import { createFacts } from '../../../src/agents/make-fact.ts'
import type { SiteDay } from '../../../src/agents/site-tally.ts'
import { against, wordFor } from '../../../src/agents/vault/plain-text.ts'
import { type SentEvent, storeBatch } from '../lab.ts'
import { vaultLab } from './lab.ts'

/** What a person reads out of the plain sentences must be what the figures say. */
const facts = createFacts({ dims: { site: 's' }, fromMs: 0, toMs: 86_400_000, query: 'q' })
const basis = 'median of the same weekday'
const said = (fact: Parameters<typeof against>[0]): string =>
  against(fact)
    .map((piece) => (typeof piece === 'string' ? piece : ''))
    .join('…')

t.test('what chance explains is called no rise and no fall', (t) => {
  const shareOf = (part: number, of: number, before: number) =>
    facts.share('conversion_rate', part, of, {}, { compare: { value: before, n: 100, basis } })
  t.match(said(shareOf(1, 48, 0.041)), /^, not clearly other than /, '2.1 % (0.4 % to 10.9 %) is no fall from 4.1 %')
  t.match(said(shareOf(100, 1_000, 0.2)), /^, down from /)
  t.match(said(shareOf(300, 1_000, 0.2)), /^, up from /)
  t.match(said(shareOf(200, 1_000, 0.2)), /^, much like /)
  const share = { part: 14, of: 265 }
  const rate = { value: 0.053, n: 100, basis, share }
  t.match(
    said(facts.share('conversion_rate', 12, 125, {}, { compare: rate })),
    /^, not clearly other than /,
    '14 of 265 visits before are no sure 5.3 %',
  )
  t.match(said(facts.share('conversion_rate', 24, 125, {}, { compare: rate })), /^, up from /)
  const count = (value: number, days: readonly number[]) => {
    const middle = [...days].sort((a, b) => a - b)[Math.floor(days.length / 2)] ?? 0
    return said(facts.count('sessions', value, {}, { compare: { value: middle, n: middle, basis, days } }))
  }
  t.match(count(48, [55, 59, 64]), /^, not clearly other than /, 'quiet days have 48 visits as well as 59')
  t.match(count(20, [55, 59, 64]), /^, down from /)
  t.match(count(590, [550, 590, 640, 585]), /^, much like /)
  t.match(count(700, [550, 590, 640, 585]), /^, not clearly other than /, 'days differ by more than chance alone')
  t.match(count(900, [550, 590, 640, 585]), /^, up from /)
  t.match(count(0, [2, 3, 2]), /^, not clearly other than /)
  t.match(said(facts.count('sessions', 48, {}, { compare: { value: 59, n: 59, basis } })), /^, not clearly/)
  const tiny = facts.fact('pageviews', 1.44, { compare: { value: 1.36, n: 9, basis } })
  t.match(said(tiny), /^, much like /, 'what is printed as the same is not called a change')
  t.equal(wordFor(facts.count('orders', 1), 'order'), 'order')
  t.equal(wordFor(facts.count('orders', 0), 'order'), 'orders')
  t.end()
})

t.test('a volume that is to be looked at is called up or down, and one that is in order is not', (t) => {
  const siteDay = (week: number, events: number): SiteDay => ({
    ...{
      siteId: 's',
      day: addDays('2026-11-19', -7 * week),
      events,
      pageviews: events,
      botEvents: 0,
      late: 0,
      misdated: 0,
    },
    ...{ rejected: 0, duplicates: 0, consents: new Map(), types: new Map(), skew: new Map(), hours: new Map() },
    lastMs: 0,
  })
  const volume = (events: number) => {
    const history = [...[1_200, 1_374, 1_430].map((before, index) => siteDay(3 - index, before)), siteDay(0, events)]
    const calendar = createCalendar('UTC')
    const asOfMs = calendar.endOf('2026-11-19')
    const judged = judgeQuality({
      ...{ facts, siteId: 's', day: '2026-11-19', isComplete: true, history, unread: 0, sent: 0, arrived: 0 },
      ...{ calendar, asOfMs },
    })
    const check = judged.checks.find((one) => one.check === 'volume')
    return check && [check.level, said(check.fact)]
  }
  t.match(volume(1_888), ['amber', /^, up from /])
  t.match(volume(1_500), ['green', /^, not clearly other than /])
  t.match(volume(700), ['amber', /^, down from /])
  t.end()
})

t.test('one of a thing is told in the singular', async (t) => {
  const lab = await vaultLab(t)
  const at = (minute: number) => `2026-11-18T10:0${minute}:00Z`
  const events: SentEvent[] = [
    { type: 'pageview', at: at(0) },
    { type: 'product_view', at: at(1) },
    { type: 'add_to_cart', at: at(2) },
    { type: 'begin_checkout', at: at(3) },
    { type: 'purchase', at: at(4), data: { orderId: 'o1', value: 20, currency: 'USD' } },
  ]
  // Three of four begin no form; of two who look at a product none puts it into the cart.
  const others = ['v3', 'v4', 'v5', 'v6'].map((visitor) => ({ type: 'pageview', at: '2026-11-19T10:00:00Z', visitor }))
  await storeBatch(lab.db, [
    ...[...events, ...others],
    ...['v3', 'v6'].map((visitor) => ({ type: 'product_view', at: '2026-11-19T10:01:00Z', visitor })),
    { type: 'form_start', at: '2026-11-19T10:02:00Z', visitor: 'v6' },
    { type: 'pageview', at: '2026-11-20T00:01:00Z', visitor: 'v2' },
  ])
  await lab.run()
  await lab.vault.write({ kind: 'nightly' })
  const files = await lab.files()
  const day = (date: string) => files.get(`daily_reports/${date} shop.example.md`)?.text ?? ''
  t.match(day('2026-11-18'), /\n1 session by 1 visitor\. 1 visitor was new\. 1 order brought /)
  t.match(day('2026-11-20'), /Nobody ordered/)
  t.match(
    day('2026-11-19'),
    'In the funnel Shop most were lost between Product and Cart: 2',
    'of the funnel that is drawn',
  )
  for (const [at, { text }] of files)
    t.notMatch(text, /(^|[\s(])1 (sessions|visitors|orders|people|clicks|views|rage clicks)\b/m, at)
})

t.test('tracking that is not in order is told with what to do about it', async (t) => {
  const lab = await vaultLab(t)
  const late = { at: '2026-11-18T10:00:00Z', created: '2026-11-19T10:00:00Z' }
  await storeBatch(
    lab.db,
    Array.from({ length: 60 }, (_, n) => ({ type: 'pageview', visitor: `v${n}`, ...late })),
  )
  await storeBatch(lab.db, [{ type: 'pageview', at: '2026-11-20T00:01:00Z', visitor: 'w' }])
  await lab.run()
  await lab.vault.write({ kind: 'nightly' })
  const files = await lab.files()
  const text = files.get('insights/2026-11-18 shop.example tracking_quality.md')?.text ?? ''
  t.match(text, /^> - late: 100 %, to be looked at; .*they are in the figures$/m)
})
