import { type Channel, channels } from '../channel.ts'
import { addPerson, type People, tellableParts } from '../enough-people.ts'
import type { Fact } from '../fact.ts'
import type { FactMaker } from '../make-fact.ts'
import { type AttributionModel, type AttributionReport, attributionModels } from '../report.ts'
import { type CountedPath, markovCredits } from './markov.ts'
import { type PathTransform, pathTransforms } from './path-transforms.ts'
import { shapleyCredits } from './shapley.ts'
import { type RuleModel, type Touch, touchWeights } from './touch-weights.ts'

/** `buyers`: whose orders a channel is credited with, `payers`: who paid what it is credited with; counted up to ten. */
type Sum = Map<string, { credit: number; micros: number; buyers: People; payers: People }>

/** The model of whose credits money is told to a model that writes. */
const toldModel: AttributionModel = 'linear'

/**
 * Collects paths of channels that led to orders, and those that led nowhere, and credits them by every model. Rules look
 * at each path; Markov and Shapley at all of them. Money follows the credit of its own path by the rules, and the share
 * of all credits by Markov and Shapley.
 */
export const createAttribution = (transform: PathTransform) => {
  const rules = Object.keys(touchWeights) as RuleModel[]
  const sums = new Map<AttributionModel, Sum>(rules.map((model) => [model, new Map()]))
  const paths = new Map<string, CountedPath & { conversions: number; nulls: number }>()
  const totals = { conversions: 0, micros: 0, nulls: 0 }
  const buyers: People = []
  const people: People = []
  const shorten = (path: readonly Touch[]): Touch[] => {
    if (transform === 'unique_path') return [...path]
    const kept = pathTransforms[transform](path.map(({ channel }) => channel))
    // Each kept channel with the age of its last touch that is not taken yet, from the end.
    const left = [...path]
    return kept
      .toReversed()
      .map(
        (channel) =>
          left.splice(
            left.findLastIndex((touch) => touch.channel === channel),
            1,
          )[0] ?? { channel, ageDays: 0 },
      )
      .toReversed()
  }
  const pathOf = (touches: readonly Touch[]) => {
    const names = touches.map(({ channel }) => channel)
    const key = names.join('>')
    const known = paths.get(key) ?? { channels: names, conversions: 0, nulls: 0 }
    paths.set(key, known)
    return known
  }
  return {
    addConversion(path: readonly Touch[], micros: number, person: string): void {
      const touches = shorten(path)
      addPerson(buyers, person)
      addPerson(people, person)
      totals.conversions++
      totals.micros += micros
      pathOf(touches).conversions++
      for (const model of rules) {
        const weights = touchWeights[model](touches)
        const sum = sums.get(model)
        for (const [index, { channel }] of touches.entries()) {
          const weight = weights[index] ?? 0
          if (weight === 0) continue
          const one = sum?.get(channel) ?? { credit: 0, micros: 0, buyers: [], payers: [] }
          sum?.set(channel, one)
          one.credit += weight
          one.micros += weight * micros
          addPerson(one.buyers, person)
          if (micros > 0) addPerson(one.payers, person)
        }
      }
    },
    addNull(path: readonly Touch[], person: string): void {
      if (path.length === 0) return
      addPerson(people, person)
      totals.nulls++
      pathOf(shorten(path)).nulls++
    },
    report(facts: FactMaker, site: { siteId: string; goal: string; lookbackDays: number }): AttributionReport {
      const all = [...paths.values()].sort((a, b) => (a.channels.join('>') < b.channels.join('>') ? -1 : 1))
      const shared = (credits: Map<string, number> | null): Sum | null =>
        credits &&
        new Map(
          [...credits].map(([channel, credit]) => [
            channel,
            {
              ...{ credit, micros: totals.conversions === 0 ? 0 : (credit / totals.conversions) * totals.micros },
              buyers: sums.get('linear')?.get(channel)?.buyers ?? [],
              payers: sums.get('linear')?.get(channel)?.payers ?? [],
            },
          ]),
        )
      const byModel: Record<AttributionModel, Sum | null> = {
        ...(Object.fromEntries(sums) as Record<RuleModel, Sum>),
        markov: shared(markovCredits(all)),
        shapley: shared(shapleyCredits(all.map((one) => ({ channels: one.channels, worth: one.conversions })))),
      }
      const touched = channels.filter((channel) => all.some((path) => path.channels.includes(channel)))
      return {
        ...{ rawSite: site.siteId, goal: site.goal, lookbackDays: site.lookbackDays, window: facts.window },
        conversions: facts.count('attribution_conversions', totals.conversions, {}, { people: buyers.length }),
        paths: facts.count('attribution_paths', all.length, {}, { people: people.length }),
        nullPaths: facts.count('attribution_null_paths', totals.nulls, {}, { people: people.length }),
        rows: touched.map((channel) => rowOf(facts, channel, byModel, totals.conversions)),
        ...(byModel.markov === null && { notEnoughHistory: 'Without visits that led nowhere Markov cannot tell.' }),
      }
    },
  }
}
export type Attribution = ReturnType<typeof createAttribution>

const rowOf = (
  facts: FactMaker,
  channel: Channel,
  byModel: Record<AttributionModel, Sum | null>,
  conversions: number,
): AttributionReport['rows'][number] => {
  const each = (made: (model: AttributionModel, sum: Sum | null) => Fact): Record<AttributionModel, Fact> =>
    Object.fromEntries(attributionModels.map((model) => [model, made(model, byModel[model])])) as Record<
      AttributionModel,
      Fact
    >
  const shares = attributionModels.flatMap((model) => {
    const sum = byModel[model]
    return sum && conversions > 0 ? [(sum.get(channel)?.credit ?? 0) / conversions] : []
  })
  const options = (model: AttributionModel, sum: Sum | null) => ({
    ...{ n: conversions, dims: { channel, model }, method: `attribution_${model}` },
    people: sum?.get(channel)?.buyers.length ?? 0,
    ...(sum === null && { notEnoughHistory: 'Without visits that led nowhere Markov cannot tell.' }),
  })
  return {
    channel,
    credit: each((model, sum) =>
      facts.fact('attribution_credit', sum === null ? null : (sum.get(channel)?.credit ?? 0), options(model, sum)),
    ),
    revenue: each((model, sum) => {
      const { dims, n, ...rest } = options(model, sum)
      const payers = [...(sum?.values() ?? [])].map((one) => one.payers)
      // Two models differ by what few buyers paid: of one of them each channel's revenue may be told.
      const people = model === toldModel ? tellableParts(payers)(sum?.get(channel)?.payers ?? []) : 0
      return facts.money('attribution_revenue', sum === null ? null : (sum.get(channel)?.micros ?? 0), n, dims, {
        ...{ ...rest, people },
      })
    }),
    spread: facts.fact('attribution_spread', shares.length === 0 ? null : Math.max(...shares) - Math.min(...shares), {
      ...{
        unit: 'points',
        n: conversions,
        people: byModel.linear?.get(channel)?.buyers.length ?? 0,
        dims: { channel },
        method: 'highest_minus_lowest_share',
      },
    }),
  }
}
