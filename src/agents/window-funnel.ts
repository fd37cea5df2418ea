import { createAssociations } from './associations.ts'
import type { Day } from './days.ts'
import { addPerson, type People } from './enough-people.ts'
import type { Funnel } from './funnel-file.ts'
import { addProgress, createFunnelTally, type FunnelTally, isUsed, summarizeFunnel } from './funnel-tally.ts'
import type { FactMaker } from './make-fact.ts'
import { createMatcher, inTime, type Progress } from './match-funnel.ts'
import type { FunnelReport, FunnelSegment, FunnelSummary, PathGraph } from './report.ts'
import type { Visit } from './visits.ts'

const dimensions = ['device', 'channel', 'visitor_kind'] as const

/** Follows all people of a site through a funnel over weeks: totals, kinds, days, what goes with success. */
export const createWindowFunnel = (funnel: Funnel) => {
  const matcher = createMatcher(funnel)
  const tally = createFunnelTally(funnel)
  const kinds = new Map<string, { dimension: FunnelSegment['dimension']; value: string; tally: FunnelTally }>()
  const days = new Map<Day, { all: number; done: number; people: People }>()
  const associations = createAssociations(funnel)
  const last = funnel.steps.length

  const add = (first: Visit, acts: Visit['acts'], day: Day): Progress => {
    const progress = matcher(acts)
    if (progress.length === 0) return progress
    addProgress(tally, progress, first.personKey)
    const values = { device: first.device, channel: first.channel, visitor_kind: first.isNew ? 'new' : 'returning' }
    for (const dimension of dimensions) {
      const key = `${dimension} ${values[dimension]}`
      const kind = kinds.get(key) ?? { dimension, value: values[dimension], tally: createFunnelTally(funnel) }
      kinds.set(key, kind)
      addProgress(kind.tally, progress, first.personKey)
    }
    const counted = days.get(day) ?? { all: 0, done: 0, people: [] }
    days.set(day, counted)
    counted.all++
    addPerson(counted.people, first.personKey)
    if (progress.length === last) counted.done++
    return progress
  }

  return {
    funnel,
    isUsed: () => isUsed(tally),
    /** All visits of one person within the window, in the order of time. Resolves to how far they came. */
    addPerson(visits: readonly Visit[], dayOf: (visit: Visit) => Day): number {
      if (funnel.counts === 'sessions')
        return Math.max(
          0,
          ...visits.map((visit) => {
            const progress = add(visit, visit.acts, dayOf(visit))
            associations.add(visit, progress)
            return progress.length
          }),
        )
      const [first] = visits
      return first ? add(first, inTime(visits.flatMap(({ acts }) => acts)), dayOf(first)).length : 0
    },
    report(facts: FactMaker, siteId: string): Omit<FunnelReport, 'attribution' | 'cohorts' | 'quality' | 'alertIds'> {
      const summary = summarizeFunnel(funnel, tally, facts, siteId)
      return {
        ...summary,
        segments: [...kinds.values()]
          .sort(
            (a, b) =>
              dimensions.indexOf(a.dimension) - dimensions.indexOf(b.dimension) ||
              (b.tally.entered[0] ?? 0) - (a.tally.entered[0] ?? 0),
          )
          .map((kind) =>
            segmentOf(
              funnel,
              kind,
              facts,
              [...kinds.values()].filter(({ dimension }) => dimension === kind.dimension).length,
            ),
          ),
        flow: flowOf(summary, facts),
        trend: [...days]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([day, { all, done, people }]) =>
            facts.share('funnel_conversion', done, all, { funnel: funnel.id, day }, { people: people.length }),
          ),
        associations: associations.report(facts),
      }
    },
  }
}
export type WindowFunnel = ReturnType<typeof createWindowFunnel>

const segmentOf = (
  funnel: Funnel,
  { dimension, value, tally }: { dimension: FunnelSegment['dimension']; value: string; tally: FunnelTally },
  facts: FactMaker,
  among: number,
): FunnelSegment => ({
  ...{ dimension, value },
  entered: tally.entered.map((entered, index) =>
    facts.count(
      'step_entered',
      entered,
      { funnel: funnel.id, step: funnel.steps[index]?.name ?? '', order: String(index + 1), [dimension]: value },
      { people: tally.people[index]?.length ?? 0 },
    ),
  ),
  conversion: facts.share(
    'funnel_conversion',
    tally.entered.at(-1) ?? 0,
    tally.entered[0] ?? 0,
    { funnel: funnel.id, [dimension]: value },
    { people: tally.people[0]?.length ?? 0, among },
  ),
})

/** Steps in a row, and from each the way out. */
const flowOf = ({ funnelId, steps }: FunnelSummary, facts: FactMaker): PathGraph => {
  const nodes: PathGraph['nodes'][number][] = steps.map(({ name, index }) => ({
    ...{ id: `n${index + 1}`, step: index, kind: index === steps.length - 1 ? 'conversion' : 'step', rawLabel: name },
  }))
  const edges: PathGraph['edges'][number][] = []
  for (const [index, step] of steps.entries()) {
    const next = steps[index + 1]
    if (!next) continue
    const edge = (to: string, kind: 'goes_on' | 'leaves', value: number): void => {
      if (value <= 0) return
      const dims = { funnel: funnelId, step: step.name, order: String(index + 1), bucket: kind }
      edges.push({ from: `n${index + 1}`, to, value: facts.count('transition', value, dims) })
    }
    edge(`n${index + 2}`, 'goes_on', next.entered.value ?? 0)
    const left = (step.entered.value ?? 0) - (next.entered.value ?? 0)
    if (left > 0) {
      nodes.push({ id: `x${index + 1}`, step: index + 1, kind: 'exit', rawLabel: '' })
      edge(`x${index + 1}`, 'leaves', left)
    }
  }
  return { nodes, edges }
}
