import t from 'tap'
import { createAssociations } from '../../src/agents/associations.ts'
import { withVisitorsMarked } from '../../src/agents/counts-visitors.ts'
import { definitionOf, type Funnel, isForSite, loadFunnels, parseFunnels } from '../../src/agents/funnel-file.ts'
import { createFacts, factsIn } from '../../src/agents/make-fact.ts'
import { createMatcher } from '../../src/agents/match-funnel.ts'
import type { Visit } from '../../src/agents/visits.ts'
import { createWindowFunnel } from '../../src/agents/window-funnel.ts'

const minute = 60_000
/** A funnel of one-letter events. */
const funnelOf = (steps: string, rest: Partial<Funnel> = {}): Funnel => ({
  ...{ id: 'f', name: 'F', order: 'sequential', counts: 'visitors', window_hours: 1, exclude: [] },
  steps: [...steps].map((event) => ({ name: event, event })),
  ...rest,
})
/** One act a minute. */
const acts = (types: string) => [...types].map((type, index) => ({ atMs: index * minute, type }))
const done = (funnel: Funnel, types: string): number => createMatcher(funnel)(acts(types)).length

t.test("a strict funnel counts PostHog's eight people as 7, 2 and 1", (t) => {
  // test_basic_strict_funnel: s signed up, p pageview, i insight viewed, b anything else.
  const people = ['s', 'ps', 'spbi', 'ibps', 'psbpi', 'bsbp', 'bspib', 'ip']
  const reached = people.map((types) => done(funnelOf('spi', { order: 'strict' }), types))
  t.same(
    [1, 2, 3].map((step) => reached.filter((one) => one >= step).length),
    [7, 2, 1],
  )
  const loose = people.map((types) => done(funnelOf('spi'), types))
  t.same(
    [1, 2, 3].map((step) => loose.filter((one) => one >= step).length),
    [7, 4, 3],
  )
  t.end()
})

t.test('steps in order, with anything between', (t) => {
  t.equal(done(funnelOf('abc'), 'xaxxbxc'), 3)
  t.equal(done(funnelOf('abc'), 'acb'), 2)
  t.equal(done(funnelOf('abc'), 'bca'), 1)
  t.equal(done(funnelOf('aa'), 'a'), 1, 'the same event as two steps must happen twice')
  t.equal(done(funnelOf('aa'), 'axa'), 2)
  t.same(createMatcher(funnelOf('ab'))(acts('xaxb')), [1 * minute, 3 * minute])
  t.end()
})

t.test('the window begins with the first step one, and a later one does not begin it again', (t) => {
  const late = `a${'x'.repeat(59)}b`
  t.equal(done(funnelOf('ab'), late), 2, 'exactly the window still counts')
  t.equal(done(funnelOf('ab'), `ax${'x'.repeat(59)}b`), 1)
  t.equal(done(funnelOf('ab'), `ax${'x'.repeat(58)}ab`), 1)
  t.equal(done(funnelOf('ab', { counts: 'sessions' }), `ax${'x'.repeat(99)}b`), 2, 'a session is its own window')
  t.end()
})

t.test('figures of a funnel say when they count visitors, also of a report that an earlier version stored', (t) => {
  const facts = createFacts({ dims: { site: 's' }, fromMs: 0, toMs: 1, query: 'q' })
  const marked = (counts: Funnel['counts']) => {
    const made = createWindowFunnel(funnelOf('ab', { counts })).report(facts, 's')
    const stored = JSON.parse(JSON.stringify({ ...made, orders: facts.count('orders', 1, {}) })) as typeof made
    const all = factsIn(withVisitorsMarked(stored, [stored]))
    return all.filter(({ countsVisitors }) => countsVisitors).map(({ metric }) => metric)
  }
  t.same(marked('sessions'), [])
  t.same(marked('visitors').sort(), [
    ...['funnel_conversion', 'step_conversion', 'step_conversion_from_first', 'step_conversion_from_first'],
    ...['step_dropoff', 'step_entered', 'step_entered', 'step_lost'],
  ])
  t.end()
})

t.test('any order counts different steps', (t) => {
  t.equal(done(funnelOf('abc', { order: 'any' }), 'cxba'), 3)
  t.equal(done(funnelOf('abc', { order: 'any' }), 'aaa'), 1)
  t.equal(done(funnelOf('abc', { order: 'any' }), ''), 0)
  t.end()
})

t.test('what is excluded removes the person from the whole funnel', (t) => {
  const funnel = funnelOf('ab', { exclude: ['e'] })
  t.equal(done(funnel, 'aeb'), 0)
  t.equal(done(funnel, 'eab'), 2)
  t.equal(done(funnel, 'abe'), 2)
  t.end()
})

t.test('a step may ask for pages', (t) => {
  const funnel = funnelOf('', {
    steps: [
      { name: 'List', event: 'pageview', path: '/c/*' },
      { name: 'Add', event: 'add', path: ['/p/*', '/q'] },
    ],
  })
  const visit = (list: string, page: string) =>
    createMatcher(funnel)([
      { atMs: 0, type: 'pageview', text: list },
      { atMs: 1, type: 'pageview', text: page },
      { atMs: 2, type: 'add' },
    ]).length
  t.equal(visit('/c/new', '/p/tea'), 2)
  t.equal(visit('/c/new', '/q'), 2)
  t.equal(visit('/c/new', '/q/r'), 1)
  t.equal(visit('/cc', '/p/tea'), 0)
  const slow = createMatcher({
    ...funnel,
    steps: funnel.steps.map((step) => ({ ...step, path: `/${'*a'.repeat(140)}` })),
  })
  t.equal(slow([{ atMs: 0, type: 'pageview', text: '/a' }]).length, 0)
  t.end()
})

t.test('the file of funnels', (t) => {
  const shipped = loadFunnels('/nowhere')
  t.same(
    shipped.funnels.map(({ id }) => id),
    ['shop', 'customers', 'forms'],
  )
  const [shop, other] = shipped.funnels as [Funnel, Funnel]
  t.equal(definitionOf(shop), definitionOf({ ...shop, name: 'Another name' }))
  t.not(definitionOf(shop), definitionOf(other))
  t.ok(isForSite({ ...shop, sites: ['*.example'] }, 'tea.example'))
  t.notOk(isForSite({ ...shop, sites: ['a.example'] }, 'tea.example'))
  const steps = 'steps: [{name: A, event: a}, {name: B, event: b}]'
  for (const [text, wanted] of [
    ['version: 2\nfunnels: []', /version/],
    ['version: 1\nfunnels: [{id: x, name: X, steps: [{name: A, event: a}]}]', /steps/],
    [`version: 1\nfunnels: [{id: x, name: "[[link]]", ${steps}}]`, /letters, digits/],
    [`version: 1\nfunnels: [{id: x, name: X, ${steps}}, {id: x, name: Y, ${steps}}]`, /two funnels with one id/],
    [`version: 1\nfunnels: [{id: x, name: X, colour: red, ${steps}}]`, /colour/],
    ['a: [', /not YAML/],
  ] as const)
    t.throws(() => parseFunnels(text, 'funnels.yaml'), { code: 'setting_invalid', message: wanted })
  t.end()
})

t.test('a trouble counts at the step it was met at, and never after going on', (t) => {
  const funnel = funnelOf('abc')
  const found = (visits: readonly string[]) => {
    const associations = createAssociations(funnel)
    const matcher = createMatcher(funnel)
    for (const types of visits) {
      const trail = acts([...types].map((type) => type).join('')).map((act) => ({
        ...act,
        type: act.type === 'e' ? 'js_error' : act.type,
      }))
      const visit = { device: 'mobile', channel: 'direct', isNew: true, acts: trail } as unknown as Visit
      associations.add(visit, matcher(trail))
    }
    const facts = createFacts({ dims: { site: 'shop.example' }, fromMs: 0, toMs: 1, query: '' })
    return associations.report(facts).map(({ step, trait, oddsRatio }) => [step, trait, (oddsRatio.value ?? 1) < 1])
  }
  const times = (count: number, types: string): string[] => Array.from({ length: count }, () => types)
  t.same(found([...times(100, 'abe'), ...times(100, 'a')]), [], 'whoever went on met it afterwards')
  t.same(found([...times(100, 'eab'), ...times(100, 'a')]), [], 'it was met before')
  t.same(found([...times(100, 'ab'), ...times(100, 'ae')]), [['a', 'js_error', true]])
  t.same(found([...times(100, 'abc'), ...times(100, 'abe'), ...times(100, 'a')]), [['b', 'js_error', true]])
  t.end()
})
