import t from 'tap'
import { checkDraft } from '../../../src/agents/narrate/check-draft.ts'
import type { Draft, DraftPiece } from '../../../src/agents/narrate/draft.ts'
import { viewOf } from '../../../src/agents/narrate/view.ts'
import { factOf } from './facts.ts'

/**
 * The gate by itself: drafts with a seeded lie, all of which it must refuse, and honest ones, all of which it must let
 * through. Both rates are printed, because a gate that refuses everything would pass the first half.
 */
const facts = [
  factOf('sessions', 1_234, { compare: { value: 1_000, direction: 'up' } }),
  factOf('orders', 40, { compare: { value: 60, direction: 'down' } }),
  factOf('visitors', 900, { compare: { value: 905, direction: 'flat' } }),
  factOf('conversion_rate', 0.12, { n: 400, unit: 'share', dims: { device: 'mobile' } }),
  factOf('conversion_rate', 0.31, { n: 300, unit: 'share', dims: { device: 'desktop' } }),
  factOf('conversion_rate', 0.2, { n: 100, unit: 'share', dims: { device: 'tablet' } }),
  factOf('page_views', 500, { dims: { page: '/a' } }),
  factOf('page_views', 300, { dims: { page: '/b' } }),
  factOf('dropoff_difference', 0.15, { n: 300, unit: 'points', interval: { low: 0.1, high: 0.2, level: 0.95 } }),
  factOf('js_errors', 50),
  factOf('bounce_share', 0.021, {
    ...{ n: 48, unit: 'share', interval: { low: 0.004, high: 0.109, level: 0.95 } },
    compare: { value: 0.041, direction: 'down' },
  }),
]
const view = viewOf(facts)
const [sessions, orders, visitors, mobile, desktop, tablet, pageA, pageB, excess, errors, bounces] = view.facts.map(
  ({ id }) => id,
)

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
  `The conversion stands on {${mobile}:sample} cases.`,
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
  `This coincided with {${errors}} script errors.`,
  `The bounce share was {${bounces}}, against {${bounces}:comparison} before.`,
  `Check the form before the next release. Sessions were {${sessions}}.`,
  `"Sessions" were {${sessions}}; look at the checkout first.`,
  `A person who decides may want to look at the form: it saw {${errors}} errors!`,
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
