import t from 'tap'
import { markovCredits, removalEffects } from '../../src/agents/attribution/markov.ts'
import { pathTransforms } from '../../src/agents/attribution/path-transforms.ts'
import { shapleyCredits } from '../../src/agents/attribution/shapley.ts'
import { positional, touchWeights } from '../../src/agents/attribution/touch-weights.ts'
import { createRandom } from '../../src/demo/random.ts'

const nearAll = (found: readonly number[], wanted: readonly number[], within = 1e-6): boolean =>
  found.length === wanted.length && found.every((one, index) => Math.abs(one - (wanted[index] ?? 9)) <= within)
const path = (...ages: number[]) => ages.map((ageDays, index) => ({ channel: `c${index}`, ageDays }))

t.test('rules give the published shares', (t) => {
  // Mixpanel's documentation: 40/20/40, two touches 50/50, one 100; J-shaped and inverse J.
  t.ok(nearAll(touchWeights.position(path(5, 4, 3, 2, 1, 0)), [0.4, 0.05, 0.05, 0.05, 0.05, 0.4]))
  t.ok(nearAll(touchWeights.position(path(1, 0)), [0.5, 0.5]))
  t.ok(nearAll(touchWeights.position(path(0)), [1]))
  t.ok(nearAll(positional(2, 0.2, 0.6), [0.25, 0.75]))
  t.ok(nearAll(positional(3, 0.6, 0.2), [0.6, 0.2, 0.2]))
  // A half-life of seven days.
  t.ok(nearAll(touchWeights.time_decay(path(7, 0)), [1 / 3, 2 / 3]))
  t.ok(nearAll(touchWeights.time_decay(path(10, 3, 0)), [0.175691, 0.351383, 0.472926]))
  const dollars = touchWeights.time_decay(path(38, 33, 26, 8, 0)).map((share) => Math.round(share * 12_000))
  t.same(dollars, [175, 287, 575, 3417, 7545])
  const mixed = ['search', 'direct', 'email', 'direct'].map((channel) => ({ channel, ageDays: 0 }))
  t.same(touchWeights.first(mixed), [1, 0, 0, 0])
  t.same(touchWeights.last(mixed), [0, 0, 0, 1])
  t.same(touchWeights.last_non_direct(mixed), [0, 0, 1, 0])
  t.same(touchWeights.linear(mixed), [0.25, 0.25, 0.25, 0.25])
  t.same(touchWeights.last_non_direct(mixed.filter(({ channel }) => channel === 'direct')), [0, 1])
  t.end()
})

t.test('the removal effect, as published', (t) => {
  // analyzecore.com, "Attribution model with R", part 1: C1>C2>C3>conversion, C1>null, C2>C3>null.
  const paths = [
    { channels: ['c1', 'c2', 'c3'], conversions: 1, nulls: 0 },
    { channels: ['c1'], conversions: 0, nulls: 1 },
    { channels: ['c2', 'c3'], conversions: 0, nulls: 1 },
  ]
  const found = removalEffects(paths)
  t.ok(nearAll([found?.probability ?? 0], [1 / 3], 1e-12))
  t.ok(nearAll([...(found?.effects.values() ?? [])], [0.5, 1, 1], 1e-12))
  t.ok(nearAll([...(markovCredits(paths)?.values() ?? [])], [0.2, 0.4, 0.4], 1e-12))
  t.equal(removalEffects(paths.slice(0, 1)), null, 'without paths that led nowhere it says nothing')
  t.equal(removalEffects([]), null)
  t.end()
})

t.test('removal effects do not mind repeats, scale, or how often a path is written down', (t) => {
  const random = createRandom(5)
  const paths = Array.from({ length: 60 }, () => ({
    channels: Array.from({ length: 1 + random.below(5) }, () => `c${random.below(5)}`),
    conversions: random.below(3),
    nulls: 1 + random.below(9),
  }))
  const credits = (list: typeof paths) => {
    const found = markovCredits(list)
    const sum = [...(found?.values() ?? [])].reduce((a, b) => a + b, 0)
    return ['c0', 'c1', 'c2', 'c3', 'c4'].map((one) => (found?.get(one) ?? 0) / sum)
  }
  const once = credits(paths)
  t.ok(nearAll(credits([...paths].reverse()), once, 1e-9), 'order')
  t.ok(nearAll(credits([...paths, ...paths, ...paths]), once, 1e-9), 'copies')
  const doubled = paths.map((one) => ({ ...one, channels: one.channels.flatMap((c) => [c, c]) }))
  t.ok(nearAll(credits(doubled), once, 1e-9), 'self-loops')
  const conversions = paths.reduce((sum, one) => sum + one.conversions, 0)
  t.ok(nearAll([[...(markovCredits(paths)?.values() ?? [])].reduce((a, b) => a + b, 0)], [conversions], 1e-9))
  t.end()
})

t.test('the linear system agrees with walking the chain', (t) => {
  const random = createRandom(8)
  const paths = Array.from({ length: 30 }, () => ({
    channels: Array.from({ length: 1 + random.below(4) }, () => `c${random.below(4)}`),
    conversions: random.below(2),
    nulls: 1,
  }))
  const steps = new Map<string, string[]>()
  for (const { channels, conversions, nulls } of paths)
    for (const [end, times] of [
      ['+', conversions],
      ['-', nulls],
    ] as const)
      for (let time = 0; time < times; time++) {
        const whole = ['start', ...channels, end]
        for (let index = 1; index < whole.length; index++) {
          const from = whole[index - 1] ?? ''
          steps.set(from, [...(steps.get(from) ?? []), whole[index] ?? ''])
        }
      }
  let conversions = 0
  const walks = 40_000
  for (let walk = 0; walk < walks; walk++) {
    let at = 'start'
    while (at !== '+' && at !== '-') at = random.pick(steps.get(at) ?? ['-'])
    if (at === '+') conversions++
  }
  const { probability = 0 } = removalEffects(paths) ?? {}
  const error = Math.sqrt((probability * (1 - probability)) / walks)
  t.ok(Math.abs(conversions / walks - probability) < 5 * error, `${conversions / walks} is ${probability}`)
  t.end()
})

t.test('ten thousand paths: the exact solution is what following the chain step by step comes to', (t) => {
  // Published figures of this size are of R's ChannelAttribution, whose paths come under the GPL: these are made up.
  const random = createRandom(21)
  const paths = Array.from({ length: 10_000 }, () => ({
    channels: Array.from({ length: 1 + random.below(12) }, () => `c${Math.min(random.below(12), random.below(12))}`),
    conversions: random.below(4),
    nulls: random.below(14),
  }))
  // How often each state followed each other, and from there the share that ends in a conversion, by iteration.
  const follows = new Map<string, Map<string, number>>()
  const add = (from: string, to: string, times: number) => {
    const row = follows.get(from) ?? new Map<string, number>()
    follows.set(from, row.set(to, (row.get(to) ?? 0) + times))
  }
  for (const { channels, conversions, nulls } of paths) {
    const whole = ['start', ...channels]
    for (let index = 1; index < whole.length; index++)
      add(whole[index - 1] ?? '', whole[index] ?? '', conversions + nulls)
    add(whole.at(-1) ?? '', '+', conversions)
    add(whole.at(-1) ?? '', '-', nulls)
  }
  const reaches = (without?: string): number => {
    const share: Record<string, number> = { '+': 1 }
    for (let round = 0; round < 600; round++)
      for (const [from, row] of follows) {
        const [all, good] = [...row].reduce(
          ([all, good], [to, times]) => [all + times, good + (to === without ? 0 : times * (share[to] ?? 0))],
          [0, 0],
        )
        share[from] = all === 0 ? 0 : good / all
      }
    return share.start ?? 0
  }
  const found = removalEffects(paths)
  t.ok(nearAll([found?.probability ?? 0], [reaches()], 1e-9))
  const channels = [...(found?.effects.keys() ?? [])]
  t.equal(channels.length, 12)
  for (const channel of channels)
    t.ok(nearAll([found?.effects.get(channel) ?? 0], [1 - reaches(channel) / reaches()], 1e-9), channel)
  t.end()
})

t.test('Shapley values', (t) => {
  const sets = [
    { channels: ['A'], worth: 10 },
    { channels: ['B'], worth: 4 },
    { channels: ['A', 'B'], worth: 6 },
    { channels: ['C', 'A', 'B', 'A'], worth: 9 },
  ]
  t.same(Object.fromEntries(shapleyCredits(sets)), { A: 16, B: 10, C: 3 })
  // The definition, over all orders in which channels may join.
  const channels = ['A', 'B', 'C']
  const worth = (have: string[]) =>
    sets
      .filter((one) => one.channels.every((channel) => have.includes(channel)))
      .reduce((sum, one) => sum + one.worth, 0)
  const orders = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ]
  for (const channel of channels) {
    const joins = orders.map((order) => {
      const names = order.map((index) => channels[index] ?? '')
      const before = names.slice(0, names.indexOf(channel))
      return worth([...before, channel]) - worth(before)
    })
    t.ok(nearAll([joins.reduce((a, b) => a + b, 0) / 6], [shapleyCredits(sets).get(channel) ?? 0], 1e-12), channel)
  }
  t.end()
})

t.test('path transforms', (t) => {
  const { exposure_path, first_path, unique_path, remove_if_last_and_not_all, remove_if_not_all } = pathTransforms
  t.same(exposure_path(['A', 'A', 'B']), ['A', 'B'])
  t.same(first_path(['A', 'B', 'A']), ['A', 'B'])
  t.same(unique_path(['A', 'B', 'A']), ['A', 'B', 'A'])
  t.same(remove_if_last_and_not_all(['A', 'B', 'A', 'A'], 'A'), ['A', 'B'])
  t.same(remove_if_last_and_not_all(['A', 'A'], 'A'), ['A', 'A'])
  t.same(remove_if_not_all(['A', 'B', 'A', 'A'], 'A'), ['B'])
  t.same(remove_if_not_all(['A'], 'A'), ['A'])
  t.end()
})
