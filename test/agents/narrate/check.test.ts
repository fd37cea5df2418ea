import t from 'tap'
import type { Fact } from '../../../src/agents/fact.ts'
import { checkDraft } from '../../../src/agents/narrate/check-draft.ts'
import type { Draft, DraftPiece } from '../../../src/agents/narrate/draft.ts'
import { viewOf } from '../../../src/agents/narrate/view.ts'
import { wilson } from '../../../src/agents/statistics/wilson.ts'
import { factOf } from './facts.ts'

/**
 * The gate by itself: drafts with a seeded lie, all of which it must refuse, and honest ones, all of which it must let
 * through. Both rates are printed, because a gate that refuses everything would pass the first half.
 */
const facts = [
  factOf('sessions', 1_234, { compare: { value: 1_000, direction: 'up' } }),
  factOf('orders', 30, { compare: { value: 60, direction: 'down' } }),
  factOf('visitors', 900, { compare: { value: 905, direction: 'flat' } }),
  ...(
    [
      ['mobile', 48, 400],
      ['desktop', 93, 300],
      ['tablet', 20, 100],
    ] as const
  ).map(([device, part, n]) =>
    factOf('conversion_rate', part / n, { n, unit: 'share', among: 3, dims: { device }, interval: wilson(part, n) }),
  ),
  factOf('page_views', 500, { dims: { page: '/a' } }),
  factOf('page_views', 300, { dims: { page: '/b' } }),
  factOf('dropoff_difference', 0.15, { n: 300, unit: 'points', interval: { low: 0.1, high: 0.2, level: 0.95 } }),
  factOf('js_errors', 50),
  factOf('bounce_share', 0.021, {
    ...{ n: 48, unit: 'share', interval: { low: 0.004, high: 0.109, level: 0.95 } },
    compare: { value: 0.041, direction: 'down' },
  }),
  // A difference and a rise that chance explains, and parts of what there is.
  factOf('dropoff_difference', 0.04, { n: 60, unit: 'points', interval: { low: -0.05, high: 0.13, level: 0.95 } }),
  factOf('new_visitors', 48, { compare: { value: 59, direction: 'down' } }),
  factOf('revenue', 5_000, { n: 40, people: 30, unit: 'usd', dims: { campaign: 'x' } }),
  factOf('revenue', 90_000, { n: 900, people: 700, unit: 'usd' }),
  ...[
    ['25', 300],
    ['50', 200],
    ['75', 100],
  ].map(([bucket, part]) =>
    factOf('scroll_reached', Number(part) / 400, {
      n: 400,
      unit: 'share',
      dims: { page: '/a', bucket: String(bucket) },
    }),
  ),
  factOf('entries', 400, { dims: { page: '/a' } }),
  factOf('exits', 100, { dims: { page: '/a' } }),
  ...[
    ['product', 90],
    ['cart', 40],
    ['checkout', 30],
  ].map(([step, lost], at) =>
    factOf('step_dropoff', Number(lost) / 100, {
      ...{ n: 100, unit: 'share', among: 4, interval: wilson(Number(lost), 100) },
      dims: { funnel: 'shop', step: String(step), order: String(at + 1) },
    }),
  ),
  factOf('dropoff_baseline', 0.35, { n: 900, unit: 'share' }),
  factOf('journey_sessions', 3, { n: 40 }),
  factOf('journey_seconds', 3_600, { n: 40, unit: 'seconds' }),
  factOf('quality_late_share', 0.2, { n: 900, unit: 'share' }),
  ...['direct', 'paid'].map((channel, at) => factOf('sessions', 600 + 20 * at, { among: 2, dims: { channel } })),
]
const view = viewOf(facts)
const [sessions, orders, visitors, mobile, desktop, tablet, pageA, pageB, excess, errors, bounces, ...rest] =
  view.facts.map(({ id }) => id)
const [, newcomers, ofCampaign, revenue, depth, , , entries, exits, lostAtProduct] = rest

/** `There were {f1} sessions.`, `{f4.device}` for a name, `{f1:interval}` for a format. */
const piecesOf = (text: string): DraftPiece[] =>
  text
    .split(/(\{[^}]*\})/)
    .filter((part) => part !== '')
    .map((part): DraftPiece => {
      const name = /^\{(\w+)\.(\w+)\}$/.exec(part)
      if (name) return { kind: 'name', fact_id: name[1] ?? '', dimension: name[2] as 'page' }
      const fact = /^\{(\w+)(?::(\w+))?\}$/.exec(part)
      if (fact) return { kind: 'fact', fact_id: fact[1] ?? '', format: (fact[2] ?? 'value') as 'value' }
      return { kind: 'text', text: part }
    })
const draftOf = (...paragraphs: string[]): Draft => ({
  paragraphs: paragraphs.map((text) => ({ pieces: piecesOf(text) })),
})
const isRefused = (draft: Draft): boolean => 'problems' in checkDraft(draft, view)

const honest: string[] = [
  `There were {${sessions}} sessions.`,
  `Sessions rose to {${sessions}}, from {${sessions}:comparison}.`,
  `The number of sessions was higher than on the same weekday before, by {${sessions}:difference}.`,
  `There were {${sessions}:difference} more sessions.`,
  `Orders were {${orders}}, against {${orders}:comparison} on the same weekday.`,
  `The conversion on mobile stands on {${mobile}:sample} cases.`,
  `Revenue was {${revenue}}.`,
  `Revenue of the campaign {${ofCampaign}.campaign} was {${ofCampaign}}.`,
  `Entries on the page {${entries}.page} were {${entries}}, with {${entries}:sample} cases.`,
  `On {${exits}.page}, exits came to {${exits}}.`,
  `The depth of {${depth}.bucket} of {${depth}.page} was reached in {${depth}} of the views.`,
  `There was no clear change in new visitors: {${newcomers}}, against {${newcomers}:comparison} before.`,
  'The expected drop-off was {f24}.',
  'From the first visit to the order it took {f26}.',
  'Late events came to {f27}.',
  'In the shop the drop-off at the step {f21.step} of {f21} is higher than {f22} at the step {f22.step}.',
  `In the shop funnel, the drop-off at the step {${lostAtProduct}.step} was {${lostAtProduct}}.`,
  `Compare the checkout on mobile and desktop again. Orders fell to {${orders}}.`,
  `Orders fell to {${orders}}.`,
  `Visitors were unchanged at {${visitors}}.`,
  `Sessions rose to {${sessions}}. Orders fell to {${orders}}. Look at the drop-off of the checkout next.`,
  `Conversion was {${mobile}} on {${mobile}.device} and {${desktop}} on {${desktop}.device}.`,
  `On {${mobile}.device} the conversion was {${mobile}}, on {${desktop}.device} {${desktop}}.`,
  `The highest conversion was that of {${desktop}.device}, {${desktop}}.`,
  `The lowest conversion was that of {${mobile}.device}, {${mobile}}.`,
  `Conversion on mobile was {${mobile}}.`,
  `The conversion of {${desktop}} on {${desktop}.device} is higher than {${mobile}} on {${mobile}.device}.`,
  `The page {${pageA}.page} had {${pageA}} views, and {${pageB}.page} had {${pageB}} views.`,
  `The drop-off was higher by {${excess}}.`,
  `Script errors came to {${errors}}.`,
  `The bounce share was {${bounces}}, against {${bounces}:comparison} before.`,
  `Check the form before the next release. Sessions were {${sessions}}.`,
  `"Sessions" were {${sessions}}. Look at the checkout first.`,
]

const lies: Record<string, string[]> = {
  'a digit': [
    'There were 1234 sessions {f1}.',
    'There were １２３ sessions {f1}.',
    'There were ½ sessions {f1}.',
    'There were ² sessions {f1}.',
    'There were ④ sessions {f1}.',
    'There were ٣ sessions {f1}.',
    'There were 𝟗 sessions {f1}.',
    'There were Ⅷ sessions {f1}.',
    'There were 三 sessions {f1}.',
  ],
  'a number word': [
    'twelve',
    'Twelve hundred',
    'twenty-three',
    'twentythree',
    'a third of',
    'two out of three',
    'half of the',
    'Double the',
    'doubled',
    'threefold',
    'tenfold',
    'twice the',
    'a dozen',
    'dozens of',
    'a couple of',
    'one of the',
    'once',
    'zero',
    'none of the',
    'most of the',
    'the majority of',
    'every',
    'all of the',
    'ten percent of',
    'a quarter of',
    'the seventh of',
    'a hundredth of',
    'nil',
    'millions of',
    'a pair of',
    'XIV',
    'MCM',
    'n i n e',
    'zwei',
    'zwölf',
    'einundzwanzig',
    'hundert',
    'dreifach',
    'die Hälfte',
    'deux',
    'la moitié',
    'dos',
    'tres',
    'la mitad',
    'twintig',
    'metade',
    'dieci',
    'fünfzig Prozent',
    'ninety-nine',
    'hundredfold',
    'several times the',
  ].map((words) => `There were ${words} sessions {f1}.`),
  'another fact than there is': [
    'There were {f99} sessions.',
    'There were {constructor} sessions.',
    'There were {} sessions {f1}.',
    'On {f1.page} sessions were {f1}.',
  ],
  'a format that the fact has not': [
    'There were {f1:interval} sessions.',
    'There were {f10:comparison} errors.',
    'There were {f10:difference} errors.',
  ],
  'another number of the same fact': [
    'There were {f1:comparison} sessions.',
    'There were {f1:difference} sessions.',
    'Sessions rose by {f1}.',
    'Sessions rose from {f1}.',
    'Sessions rose to {f1:difference}.',
    'Sessions rose to {f1:comparison}.',
    'Sessions are higher than {f1}.',
    'Conversion was {f4:sample}.',
    'Orders fell by {f2:comparison}.',
  ],
  'a direction against the fact': [
    'Sessions fell to {f1}.',
    'Orders rose to {f2}.',
    'Visitors rose to {f3}.',
    'Sessions were unchanged at {f1}.',
    'Orders increased to {f2}.',
    'Sessions dropped to {f1}.',
    'Sessions declined; they were {f1}.',
    'Sessions, at {f1}, are down.',
    'Orders were up: {f2}.',
    'The drop-off was lower by {f9}.',
    'Sessions did not rise: {f1}.',
    'Orders recovered to {f2}.',
    'Sessions collapsed to {f1}.',
    'Check why sessions vanished. Orders were {f2}.',
    'Orders never fell below {f2}.',
    'Sessions rose and fell: {f1}.',
    'Errors rose to {f10}.',
    'Sessions rose.',
    'Orders soared to {f2}.',
    'The bounce share fell to {f11}.',
    'The bounce share was unchanged at {f11}.',
    'The bounce share is lower than before: {f11}.',
    'Sessions are lower than before: {f1}.',
    'More orders came: {f2}.',
    'Conversion on {f4.device} of {f4} is higher than {f5} on {f5.device}.',
    'Conversion on {f5.device} of {f5} is lower than {f4} on {f4.device}.',
    'Conversion of {f5} on {f5.device} is higher than the orders {f2}.',
  ],
  'a superlative against the facts': [
    'The highest conversion was {f4}.',
    'The lowest conversion was {f5}.',
    'The highest conversion was {f6}.',
    'The highest number of sessions was {f1}.',
    'The top conversions were {f4.device} {f4} and {f5.device} {f5}.',
  ],
  'the right number for the wrong thing': [
    'Revenue was {f1}.',
    'There were {f1} orders.',
    'There were {f2} visitors.',
    'On {f5.device} conversion was {f4}.',
    'Conversion on desktop was {f4}.',
    'The page {f8.page} had {f7} views.',
    'Conversions were {f4} and {f5}.',
    'There were {f1} sessions and {f2} orders.',
    'It was {f1}.',
    'Mobile conversion was {f5}.',
    'Conversion was {f4} on {f5.device} and {f5} on {f4.device}.',
    'On {f4.device} conversion was {f5}, on {f5.device} {f4}.',
  ],
  'a part for the whole': [
    'Revenue was {f14}.',
    'Revenue of the site was {f14}.',
    'Conversion was {f4}.',
    'The conversion stands on {f4:sample} cases.',
    'The drop-off was {f21}.',
    'The drop-off of the shop was {f21}.',
    'Sessions were {f28}.',
  ],
  'a whole for a part': [
    'New visitors were {f3}.',
    'Paid sessions were {f1}.',
    'Sessions with errors were {f1}.',
    'Sessions of the campaign were {f1}.',
    'Sessions at the checkout were {f1}.',
    'The average revenue was {f15}.',
    'The share of sessions was {f1}.',
  ],
  'one page or depth for another': [
    'The page {f19.page} had {f19} exits.',
    'On {f20.page}, entries came to {f20}.',
    'The depth of {f16.page} was reached in {f16} of the views.',
    'The depth of {f17.bucket} of {f16.page} was reached in {f16} of the views.',
    'Form errors were {f10}.',
  ],
  'what was expected or before for what came': [
    'Sessions before were {f1}.',
    'Expected orders were {f2}.',
    'The expected drop-off of the shop at the step {f21.step} was {f21}.',
    'The drop-off was {f24}.',
  ],
  'one median or share of its kind for another': [
    'Sessions were {f25}.',
    'The median of attention was {f26}.',
    'Events that were lost came to {f27}.',
  ],
  'what chance explains': [
    'The drop-off was higher by {f12}.',
    'New visitors fell to {f13}.',
    'In the shop the drop-off at the step {f22.step} of {f22} is higher than {f23} at the step {f23.step}.',
    'Sessions of {f28} from direct are lower than {f29} from paid.',
    'The highest number of sessions was that of {f29.channel}, {f29}.',
  ],
  'a superlative over a list that was cut': [
    'The highest drop-off was at the step {f21.step} of the shop, {f21}.',
    'The page {f7.page} had the highest number of views, {f7}.',
  ],
  'no change where there is one': [
    'There was no clear change in sessions: {f1}, against {f1:comparison} before.',
    'Script errors had no change: {f10}.',
  ],
  'a direction by another word': [
    'Sessions plummeted to {f1}.',
    'Sessions dwindled to {f1}.',
    'Orders skyrocketed to {f2}.',
    'Sessions cratered to {f1}.',
    'Orders doubled down to {f2}.',
    'Sessions went south to {f1}.',
    'Orders surpassed expectations with {f2}.',
    'Orders were not {f2}.',
  ],
  'a cause by another word': [
    'Script errors led visitors to leave: {f10}.',
    'Script errors of {f10} explain the drop-off.',
    'Orders fell to {f2} as the form is broken.',
    'The reason for orders of {f2} is the form.',
    'Orders fell to {f2} since the form has errors.',
    'Orders fell to {f2} after the release.',
    'Orders fell to {f2}: people dislike the form.',
    'Orders of {f2} reflect the checkout.',
  ],
  'a claim that is dressed as advice': [
    'Look: the checkout is broken. Orders fell to {f2}.',
    'Look at the form, it is broken. Orders fell to {f2}.',
    'Check the checkout because errors keep visitors away. Orders fell to {f2}.',
    'Check the form that errors made slow. Orders fell to {f2}.',
    'See how the campaign failed. Orders fell to {f2}.',
    'Try again. Orders fell to {f2}.',
    'Watch the checkout (it fails). Orders fell to {f2}.',
    'Consider that visitors hate the form. Orders fell to {f2}.',
  ],
  'a claim without a figure': [
    'The checkout is broken. There were {f1} sessions.',
    'There were {f1} sessions. Visitors dislike the form.',
    'People left without a word. Sessions were {f1}.',
    'There were {f1} sessions. It was a quiet day.',
  ],
  'a name that was made up': [
    'Visitors from Google made {f1} sessions.',
    'Google brought {f1} sessions.',
    'Sessions from our partner Acme were {f1}.',
    'On the iPhone there were {f1} sessions.',
    'Sessions of people with a phone were {f1}.',
  ],
  'a part where the fact is the whole': [
    'Mobile sessions were {f1}.',
    'Sessions on desktop were {f1}.',
    'On tablet, orders fell to {f2}.',
  ],
  'a time that is not the fact’s': [
    'Sessions were {f1}, against {f1:comparison} a week ago.',
    'Sessions of the last month were {f1}.',
    'In the evening there were {f1} sessions.',
  ],
  'a vague quantity': ['Many sessions came: {f1}.', 'Few orders came: {f2}.', 'A handful of orders came: {f2}.'],
  'a cause, a judgement, a date': [
    'Orders fell to {f2} because of the errors.',
    'Orders of {f2} were caused by this.',
    'Orders were {f2}, due to the form.',
    'Conversion improved to {f4}.',
    'Orders were worse: {f2}.',
    'On Monday there were {f1} sessions.',
    'Yesterday saw {f1} sessions.',
    'In November sessions were {f1}.',
  ],
  'markup, links, and what a vault runs': [
    '<b>{f1}</b> sessions',
    '**Sessions** {f1}',
    '![x](http://evil.example/p.png) sessions {f1}',
    '[[note]] sessions {f1}',
    'see https://evil.example sessions {f1}',
    'see www.evil.example sessions {f1}',
    'see evil.example sessions {f1}',
    '`= this.file` sessions {f1}',
    '<% tp.x %> sessions {f1}',
    'sessions:: {f1}',
    '#tag sessions {f1}',
    '- sessions {f1}',
    '> sessions {f1}',
    'sessions {f1}\n- next',
    'sessions | {f1}',
    '%% sessions {f1}',
    'sessions ^id {f1}',
    'sessions -- {f1}',
    'sessions... {f1}',
    'javascript:alert sessions {f1}',
    '&lt;b sessions {f1}',
    'sessions \u202e{f1}',
    'sessions\u200b {f1}',
    'sessions\u0000 {f1}',
    'sеssions sessions {f1}',
    '$x$ sessions {f1}',
    'sessions 😀 {f1}',
    'page_7 sessions {f1}',
  ],
  'a form that is none': ['', 'There were many sessions.', `${'Sessions were seen. '.repeat(40)}{f1}`],
}

t.test('the gate refuses every seeded lie', (t) => {
  let [seeded, refused] = [0, 0]
  for (const [what, texts] of Object.entries(lies))
    for (const text of texts) {
      seeded++
      const isCaught = isRefused(draftOf(text))
      if (isCaught) refused++
      t.ok(isCaught, `${what}: ${text.slice(0, 80)}`)
    }
  const long = draftOf(...Array.from({ length: 9 }, () => honest[0] ?? ''))
  t.ok(isRefused(long), 'too many paragraphs')
  t.ok(isRefused({ paragraphs: [] }), 'nothing')
  t.ok(isRefused({ paragraphs: [{ pieces: [] }] }), 'an empty paragraph')
  t.ok(isRefused(draftOf(`{${sessions}} sessions. `.repeat(60))), 'too many pieces')
  t.comment(`${refused} of ${seeded} seeded lies refused`)
  t.end()
})

t.test('the gate lets honest texts through, with the ids of the facts', (t) => {
  let passed = 0
  for (const text of honest) {
    const checked = checkDraft(draftOf(text), view)
    if ('narrative' in checked) passed++
    t.strictSame('problems' in checked ? checked.problems : [], [], text)
  }
  t.comment(`${passed} of ${honest.length} honest texts let through`)
  const checked = checkDraft(draftOf(`On {${tablet}.device} the conversion was {${tablet}:value}.`), view)
  t.strictSame(checked, {
    narrative: {
      source: 'model',
      paragraphs: [
        [
          { kind: 'text', text: 'On ' },
          { kind: 'name', factId: facts[5]?.id, dimension: 'device' },
          { kind: 'text', text: ' the conversion was ' },
          { kind: 'fact', factId: facts[5]?.id, format: 'value' },
          { kind: 'text', text: '.' },
        ],
      ],
    },
  })
  t.end()
})

t.test('no word keeps the gate busy', (t) => {
  for (const word of ['hundred', 'seventy', 'many', 'several', 'I', 'IV', 'zehn', 'a-', '. ', ', "', 'é'])
    t.ok(isRefused(draftOf(`${word.repeat(390 / word.length)}x {f1}`)), word)
  t.end()
})

t.test('what may be chance is no direction: the model is told so', (t) => {
  const directionOf = (id: string | undefined) =>
    JSON.parse(view.byId.get(id ?? '')?.line ?? '{}').compared_with?.direction
  t.equal(directionOf(bounces), 'no clear change', 'the value before lies within the interval')
  t.same([directionOf(sessions), directionOf(orders), directionOf(visitors)], ['up', 'down', 'flat'])
  t.end()
})

/** Facts by the names that sentences below refer to them by: `{mobile}`, `{mobile.device}`, `{mobile:comparison}`. */
type Cases = { facts: Record<string, Fact>; refused: string[]; let: string[] }
const problemsOf = ({ facts }: Cases, text: string): readonly string[] => {
  const ids = Object.keys(facts)
  const seen = viewOf(Object.values(facts))
  t.equal(seen.facts.length, ids.length, 'every fact is seen')
  const draft = draftOf(text.replace(/\{(\w+)/g, (_, name: string) => `{f${ids.indexOf(name) + 1}`))
  const checked = checkDraft(draft, seen)
  return 'problems' in checked ? checked.problems : []
}
const share = (metric: Fact['metric'], part: number, n: number, more: Parameters<typeof factOf>[2] = {}): Fact =>
  factOf(metric, part / n, { n, unit: 'share', interval: wilson(part, n), ...more })

/** Figures of a day that are unlike those before, and one that is not clearly so. */
const day = {
  sessions: factOf('sessions', 120, { compare: { value: 80, direction: 'up' } }),
  visitors: factOf('visitors', 110, { compare: { value: 108, direction: 'flat' } }),
  newcomers: factOf('new_visitors', 90, { compare: { value: 55, direction: 'up' } }),
  orders: factOf('orders', 30, { compare: { value: 60, direction: 'down' } }),
  conversion: share('conversion_rate', 600, 5_000, { compare: { value: 0.09, direction: 'up' } }),
  unclear: share('bounce_share', 10, 48, { compare: { value: 0.25, direction: 'down' } }),
  revenue: factOf('revenue', 9_000, {
    ...{ n: 90, people: 80, unit: 'usd' },
    compare: { value: 5_000, direction: 'up', chance: { low: 4_000, high: 6_000 } },
  }),
}
/** A step where more were lost than was expected. */
const cart = { step: 'Cart', order: '3' }
const alert = {
  dropoff: share('step_dropoff', 150, 250, { dims: cart, compare: { value: 0.4, direction: 'up' } }),
  baseline: factOf('dropoff_baseline', 0.4, { n: 900, unit: 'share', dims: cart }),
  excess: factOf('dropoff_difference', 0.2, {
    ...{ n: 250, unit: 'points', dims: cart },
    interval: { low: 0.14, high: 0.26, level: 0.95 },
  }),
  lost: factOf('dropoff_lost_sessions', 50, { n: 250, dims: cart, interval: { low: 34, high: 65, level: 0.95 } }),
  lostRevenue: factOf('dropoff_lost_revenue', 800, { n: 90, people: 80, unit: 'usd', dims: cart }),
}

/** Of 400, and more than the half that it is compared with. */
const ofKind = (metric: Fact['metric'], part: number, device: string): Fact =>
  share(metric, part, 400, { dims: { device }, compare: { value: 0.5, direction: 'up' } })

const cases: Record<string, Cases> = {
  'a value is no difference': {
    facts: { ...day, ...alert },
    refused: [
      'There were {sessions} more sessions than before.',
      'There were {sessions} sessions more than before.',
      'There were {sessions} (more) sessions than before.',
      'Conversion was {conversion} higher than before.',
      'Conversion was {conversion:interval} higher than before.',
      'Conversion was {conversion}, from {conversion:comparison} higher.',
      'At {dropoff.step} {dropoff} more sessions were lost than expected.',
      'The difference was {sessions} sessions.',
      'The gap was {sessions} sessions.',
      'Sessions were {sessions}, a difference to {sessions:comparison}.',
      'There was a {sessions} rise in sessions.',
      'The increase of sessions was {sessions}.',
      'Sessions rose, with an increase in sessions of {sessions}.',
      'Sessions rose by a number of {sessions}.',
      'Sessions rose {sessions}.',
      'Sessions were up {sessions} on the day.',
      'Sessions are above {sessions}.',
      'Sessions rose from a value of {sessions}.',
      'Sessions gained came to {sessions}.',
      'Orders vanished: {orders}.',
      // And a difference is no value.
      'The drop-off at {excess.step} rose to {excess}, higher than expected.',
      'At {lost.step} {lost} sessions were lost, more than expected.',
    ],
    let: [
      'There were {sessions:difference} more sessions than before.',
      'There were more sessions than before: {sessions}.',
      'Conversion was higher than before, at {conversion}.',
      'Sessions rose to {sessions}, up from {sessions:comparison}, a difference of {sessions:difference}.',
      'There was an increase in sessions to {sessions}, from {sessions:comparison}.',
      'Orders saw a drop of {orders:difference}.',
      'At {excess.step}, the drop-off was {excess} higher than expected.',
      'At {lost.step}, {lost} more sessions were lost than expected.',
      'The gap to the expected drop-off at {excess.step} was {excess}.',
    ],
  },
  'a change is that of the figure, and of nothing else': {
    facts: day,
    refused: [
      'Conversion rose to {conversion}, and orders rose too.',
      'Revenue rose to {revenue}, and orders too.',
      'New visitors rose to {newcomers}, and visitors too.',
      'Orders and conversion rose to {conversion}.',
      'Orders rose: conversion came to {conversion}.',
      'Orders rose at a conversion of {conversion}.',
      'Orders rose at a higher conversion of {conversion}.',
      'Conversion rose to {conversion} (orders too).',
      'Conversion rose to {conversion}, together with orders.',
      'Conversion rose to {conversion}, with orders.',
      'Conversion rose to {conversion} from orders that rose.',
      'Sessions rose to {sessions}, and on the site too.',
      'Sessions rose to {sessions}, and people too.',
    ],
    let: [
      'Conversion rose to {conversion} of the sessions.',
      'The share of sessions that converted rose to {conversion}.',
      'Of the sessions, {conversion} converted, more than before.',
      'Revenue from orders rose to {revenue}, and was higher than on the same weekday before.',
      'More visitors were new than before, at {newcomers}.',
      'Orders, too, fell to {orders}.',
    ],
  },
  'no change is that of the figure, and of nothing else': {
    facts: { conversion: share('conversion_rate', 10, 48, { compare: { value: 0.25, direction: 'down' } }) },
    refused: [
      'Conversion had no clear change, and orders too',
      'Conversion had no clear change at {conversion}, and orders too.',
      'Conversion of {conversion} had no clear change, also orders.',
    ],
    let: [
      'Conversion had no clear change, at {conversion}.',
      'There was no clear change in the conversion of sessions: {conversion}, against {conversion:comparison} before.',
    ],
  },
  'two figures are held against each other in one way': {
    facts: {
      ...{ M: ofKind('step_dropoff', 240, 'mobile'), D: ofKind('step_dropoff', 300, 'desktop') },
      S: factOf('sessions', 100, { dims: { channel: 'search' }, compare: { value: 50, direction: 'up' } }),
      E: factOf('sessions', 500, { dims: { channel: 'email' }, compare: { value: 300, direction: 'up' } }),
    },
    refused: [
      'The drop-off on {M.device} at {M} was higher than on {D.device} at {D}.',
      'Lower than sessions on {S.channel} at {S} were those on {E.channel} at {E}.',
      'Above sessions on {E.channel} at {E} were those on {S.channel} at {S}.',
      'The drop-off on {M.device} at {M} was above that on {D.device} at {D}.',
      'The drop-off on {M.device} at {M} was higher than before on {D.device} at {D}.',
      'The drop-off was higher than before on {M.device} at {M}, above that on {D.device} at {D}.',
      'The drop-off was higher on {M.device} at {M}, and on {D.device} it was {D}.',
      'The drop-off on {D.device} at {D} was exceeded by that on {M.device} at {M}.',
      'Sessions on {S.channel} at {S}, than which those on {E.channel} at {E} were lower.',
    ],
    let: [
      'The drop-off on {D.device} at {D} was higher than on {M.device} at {M}.',
      'The drop-off on {M.device} at {M} was below that on {D.device} at {D}.',
      'Sessions on {S.channel} at {S} were fewer than those on {E.channel} at {E}.',
      'The drop-off was higher than before, at {M} on {M.device} and at {D} on {D.device}.',
      'Sessions rose to {S} on {S.channel} and to {E} on {E.channel}.',
    ],
  },
  'a name makes no claim by its words': {
    facts: {
      signUp: share('step_dropoff', 150, 250, { dims: { step: 'Sign up', order: '2' } }),
      entered: factOf('step_entered', 250, { dims: { step: 'Sign up', order: '2' } }),
      one: share('step_dropoff', 60, 250, { dims: { step: 'One page checkout', order: '3' } }),
      declined: share('step_dropoff', 150, 250, {
        ...{ dims: { step: 'Card declined', order: '4' }, compare: { value: 0.4, direction: 'up' } },
      }),
      orders: factOf('orders', 30, { compare: { value: 60, direction: 'down' } }),
      sessions: factOf('sessions', 120, { compare: { value: 80, direction: 'up' } }),
    },
    refused: [
      'At the step Sign up the drop-off was {signUp}.',
      'Sessions up on the day were {orders}.',
      'Orders sign up to {orders}.',
      'The drop-off at card declined to {declined}.',
      'The drop-off at {declined.step} to {declined}.',
      'The drop-off at {declined.step}, from {declined:comparison}, was to {declined}.',
      'The drop-off at {declined.step} fell to {declined}.',
      'The drop-off at one page checkout was {one}.',
      'Orders recovered to {orders}.',
      'Sessions recovered to {sessions}.',
    ],
    let: [
      'At the step {signUp.step} the drop-off was {signUp}.',
      'The step {entered.step} was reached in {entered} sessions.',
      'The drop-off at {declined.step} rose to {declined}, from {declined:comparison}.',
      'The drop-off was {signUp} at {signUp.step} and {one} at {one.step}.',
      'Check the form of {signUp.step}. Orders fell to {orders}.',
      'Sessions reached {sessions}, against {sessions:comparison} before.',
    ],
  },
  'names that all figures share tell nothing of which one is meant': {
    facts: {
      a: share('step_dropoff', 150, 250, { dims: { step: 'Cart', order: '2', device: 'mobile' } }),
      b: share('step_dropoff', 60, 250, { dims: { step: 'Cart', order: '2', device: 'desktop' } }),
    },
    refused: [
      'At {a.step}, the drop-off was {a} on {b.device} and {b} on {a.device} with {a:sample} cases.',
      'At {a.step} on {b.device} the drop-off was {a}, and {b} on {a.device}.',
    ],
    let: [
      'At {a.step} the drop-off was {a} on {a.device} and {b} on {b.device}.',
      'At Cart the drop-off was {a} on {a.device} and {b} on {b.device}.',
      'On {a.device} at {a.step} the drop-off was {a}, and on {b.device} {b}.',
    ],
  },
  'a funnel counts sessions, or visitors': {
    facts: {
      people: { ...factOf('step_entered', 250, { dims: { step: 'Trial', order: '1' } }), countsVisitors: true },
      lost: { ...share('step_dropoff', 150, 250, { dims: { step: 'Trial', order: '1' } }), countsVisitors: true },
      went: { ...share('step_conversion', 90, 250, { dims: { step: 'Trial', order: '1' } }), countsVisitors: true },
      inShop: {
        ...factOf('step_entered', 250, { dims: { funnel: 'shop', step: 'Cart', order: '1' } }),
        countsVisitors: true,
      },
      took: factOf('funnel_seconds_median', 90, { n: 250, unit: 'seconds', dims: { funnel: 'shop' } }),
      sessions: factOf('step_entered', 250, { dims: { step: 'Cart', order: '1' } }),
      newcomers: factOf('step_entered', 90, { dims: { step: 'Cart', order: '1', visitor_kind: 'new' } }),
      left: factOf('step_lost', 150, { dims: { step: 'Cart', order: '1' } }),
    },
    refused: [
      'The step Trial was reached in {people} sessions.',
      '{people} visits reached the step Trial.',
      'Of the sessions at Trial, {lost} left.',
      'The step Cart was reached by {sessions} visitors.',
      '{sessions} people reached Cart.',
      'At Cart, {left} people left.',
      'Sessions that reached Cart rose by {sessions}.',
      'Sessions that reached Cart in the shop rose by {sessions}.',
    ],
    let: [
      'The step Trial was reached by {people} visitors.',
      'The step Cart was reached in the shop by {inShop} visitors.',
      '{people} people reached Trial.',
      'Of the visitors at Trial, {lost} left.',
      'Of the visitors, {went} continued to Trial.',
      'In the shop, it took {took} from the first visit.',
      'The step Cart was reached in {sessions} sessions.',
      'Cart was reached in {newcomers} sessions of new visitors.',
      'At Cart, {left} sessions left.',
    ],
  },
  'a name is what its figure is about': {
    facts: {
      mobile: share('conversion_rate', 48, 400, { dims: { device: 'mobile' } }),
      search: factOf('sessions', 100, { dims: { channel: 'search' }, compare: { value: 50, direction: 'up' } }),
      paid: factOf('sessions', 50, { dims: { channel: 'paid' }, compare: { value: 100, direction: 'down' } }),
      dropoff: alert.dropoff,
    },
    refused: [
      'Apart from {mobile.device}, conversion was {mobile}.',
      'Sessions other than those of {search.channel} were {search}.',
      'Sessions of others than {search.channel} were {search}.',
      'Sessions but those of {search.channel} were {search}.',
      'Sessions on the site, but for {search.channel}, were {search}.',
      'Sessions without {search.channel} were {search}.',
      'Sessions of more than {search.channel} came to {search}.',
      'Sessions less those of {paid.channel} came to {paid}.',
      'The drop-off before {dropoff.step} rose to {dropoff}.',
      'The drop-off above the cart rose to {dropoff}.',
    ],
    let: [
      'On {mobile.device}, conversion was {mobile}.',
      'Sessions of {search.channel} were {search}, more than before.',
      'Sessions were {search} on {search.channel} but {paid} on {paid.channel}.',
      'The drop-off at the cart rose to {dropoff}.',
    ],
  },
  'a figure is called by its own name': {
    facts: {
      ...day,
      ...alert,
      average: factOf('average_order_value', 83, { n: 90, people: 80, unit: 'usd' }),
      journey: factOf('journey_sessions', 3, { n: 40 }),
      took: factOf('journey_seconds', 3_600, { n: 40, unit: 'seconds' }),
      pages: factOf('pages_per_session', 2.5, { n: 900, unit: 'ratio' }),
      views: factOf('pageviews', 2_250),
      fromFirst: share('step_conversion_from_first', 30, 300, { dims: cart }),
      cohort: factOf('cohort_size', 200, { dims: { week: '2026-11-09' } }),
      back: share('cohort_returned', 20, 200, { dims: { week: '2026-11-09' } }),
      paths: factOf('attribution_paths', 80),
      nullPaths: factOf('attribution_null_paths', 900),
      spread: factOf('attribution_spread', 0.2, { n: 60, unit: 'points', dims: { channel: 'paid' } }),
    },
    refused: [
      'Revenue was {average}.',
      'Orders were {journey}.',
      'Page views were {pages}.',
      'Revenue was {lostRevenue}.',
      'Revenue at {lostRevenue.step} was {lostRevenue}.',
      'Estimated revenue at {lostRevenue.step} was {lostRevenue}.',
      'Revenue of {lostRevenue} was lost at {lostRevenue.step}.',
      'The revenue lost was {revenue}.',
      'An order was worth {revenue}.',
      'Orders were worth {average}.',
      'There were {journey} journeys.',
      'Sessions with orders were {journey}.',
      'Between orders it took {took}.',
      'There were {views} pages.',
      'The conversion at {fromFirst.step} was {fromFirst}.',
      'Sessions expected to be lost at {lost.step} were {lost}.',
      'The drop-off at {baseline.step} was {baseline}, that was expected.',
      'Visitors of {cohort.week} that came back were {cohort}.',
      'Paths with a conversion were {nullPaths}.',
      'Paths to a conversion were {paths}.',
      'The credit of {spread.channel} was {spread}.',
    ],
    let: [
      'The average order was worth {average}.',
      'On average an order was worth {average}.',
      'An estimated {lostRevenue} of revenue was lost at {lostRevenue.step}.',
      'The revenue lost at {lostRevenue.step} is estimated at {lostRevenue}.',
      'The journey to the order took {journey} sessions.',
      'From the first visit to the order it took {took}.',
      'There were {pages} pages per session.',
      'On average a session had {pages} page views.',
      'There were {views} page views.',
      'From the first step, {fromFirst} of the sessions continued to {fromFirst.step}.',
      'At {baseline.step}, the expected drop-off was {baseline}.',
      'The cohort of {cohort.week} had {cohort} visitors.',
      'Of the cohort of {back.week}, {back} of the visitors came back.',
      'Paths without a conversion were {nullPaths}.',
      'The spread of credit for {spread.channel} was {spread}.',
    ],
  },
  'a name is typed whole, where it is true': {
    facts: {
      sessions: factOf('sessions', 5_000),
      begun: factOf('step_entered', 300, { dims: { step: 'Form begun', order: '2' } }),
      sent: factOf('step_entered', 90, { dims: { step: 'Form sent', order: '3' } }),
      dropoff: share('step_dropoff', 210, 300, { dims: { step: 'Form begun', order: '2' } }),
      odds: factOf('odds_ratio', 0.4, {
        ...{ n: 300, unit: 'ratio' },
        dims: { step: 'Form begun', order: '2', bucket: 'form_error' },
      }),
      valued: factOf('segment_size', 40, { dims: { segment: 'high_value' } }),
      loyal: factOf('segment_size', 60, { dims: { segment: 'loyal' } }),
      vip: factOf('segment_size', 30, { dims: { segment: 'vip' } }),
    },
    refused: [
      'Sessions that sent a form were {sessions}.',
      'Sessions with a form were {sessions}.',
      'Sessions with form sent were {sessions}.',
      'Sessions that reached form sent were {begun}.',
      'The drop-off with form error was {dropoff} at {dropoff.step}.',
      'People of high value were {valued} in {valued.segment}.',
      'Loyal people were {valued} in {valued.segment}.',
      'Vip sessions were {sessions}.',
    ],
    let: [
      'Sessions that reached form sent were {sent}.',
      'Form sent was reached in {sent} sessions.',
      'The drop-off at the step form begun was {dropoff}.',
      'The loyal segment has {loyal} people.',
      'The segment {valued.segment} has {valued} people.',
      'There were {sessions} sessions. Look at form begun next.',
    ],
  },
  'kinds of visitors and checks of tracking have their words': {
    facts: {
      ...alert,
      returning: factOf('conversion_rate', 0.1, { n: 300, unit: 'share', dims: { visitor_kind: 'returning' } }),
      lost: factOf('quality_loss_share', 0.05, { n: 900, unit: 'share', dims: { check: 'loss' } }),
      late: factOf('quality_late_share', 0.2, { n: 900, unit: 'share', dims: { check: 'late' } }),
    },
    refused: [
      'Conversion of new visitors was {returning}.',
      'Returning visitors were {returning}.',
      'Conversion was {returning}.',
      'Of the events, {late} were lost.',
      'Of the visitors, {returning} were lost.',
      'The drop-off at {dropoff.step} was {dropoff}, above {dropoff:comparison}.',
    ],
    let: [
      'Conversion of returning visitors was {returning}.',
      'Of the events, {lost} were lost.',
      'Late events came to {late}.',
      'The drop-off at {dropoff.step} was {dropoff}, above the expected {dropoff:comparison}.',
    ],
  },
  'the figure of the day is not that before': {
    facts: { ...day, ...alert },
    refused: [
      'Sessions before were {sessions} and rose.',
      'The previous figure of sessions was {sessions}; it rose.',
      'The same weekday saw {sessions} sessions.',
      'Sessions before were {sessions}, against {sessions:comparison}.',
      'Sessions were {sessions} before, against {sessions:comparison}.',
      'Sessions rose from {sessions:comparison} to the expected {sessions}.',
      'Sessions were higher than the previous figure, {sessions}.',
      'Sessions were higher than those before: {sessions}.',
      'Sessions were higher than before {sessions}.',
      'Sessions rose from {sessions:comparison} the day before to {sessions}.',
      'Sessions rose from the previous {sessions}.',
      'Sessions had been {sessions}, and rose.',
      'The comparison of sessions was {sessions}.',
      'Sessions were {sessions} again.',
      'Sessions were the same: {sessions}.',
      'It was expected at {dropoff.step}: a drop-off of {dropoff}.',
    ],
    let: [
      'Sessions were {sessions}, against {sessions:comparison} on the same weekday before.',
      'Sessions rose from {sessions:comparison} before to {sessions}.',
      'Sessions were higher than before, at {sessions}.',
      'There were more sessions than expected: {sessions}.',
      'The drop-off at {dropoff.step} was {dropoff}, against an expected {dropoff:comparison}.',
      'The bounce share was {unclear}, with no clear change against the same weekday.',
    ],
  },
}

for (const [what, one] of Object.entries(cases))
  t.test(what, (t) => {
    for (const text of one.refused) t.not(problemsOf(one, text).length, 0, `refused: ${text}`)
    for (const text of one.let) t.strictSame(problemsOf(one, text), [], `let through: ${text}`)
    t.end()
  })
