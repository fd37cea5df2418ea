import { addPerson, type People } from './enough-people.ts'
import type { FactDims } from './fact.ts'
import type { Funnel } from './funnel-file.ts'
import type { FactMaker } from './make-fact.ts'
import type { Progress } from './match-funnel.ts'
import type { FunnelStepReport, FunnelSummary } from './report.ts'
import { quantileOfSorted } from './statistics/quantiles.ts'

/** How many got how far, and how long each step took, in seconds. */
export type FunnelTally = {
  entered: number[]
  /** Whoever reached a step, and whoever did not go on from it, counted up to ten. */
  people: People[]
  lost: People[]
  stepSeconds: number[][]
  totalSeconds: number[]
}

export const createFunnelTally = ({ steps }: Funnel): FunnelTally => ({
  entered: steps.map(() => 0),
  ...{ people: steps.map(() => []), lost: steps.map(() => []) },
  stepSeconds: steps.map(() => []),
  totalSeconds: [],
})

export const addProgress = (tally: FunnelTally, progress: Progress, person: string): void => {
  const left = tally.lost[progress.length - 1]
  if (left) addPerson(left, person)
  for (const [index, atMs] of progress.entries()) {
    addPerson(tally.people[index] ?? [], person)
    tally.entered[index] = (tally.entered[index] ?? 0) + 1
    if (index > 0) tally.stepSeconds[index]?.push((atMs - (progress[index - 1] ?? atMs)) / 1000)
  }
  const [first] = progress
  const last = progress[tally.entered.length - 1]
  if (first !== undefined && last !== undefined) tally.totalSeconds.push((last - first) / 1000)
}

/** What a tally says, with an interval for each rate. */
export const summarizeFunnel = (
  funnel: Funnel,
  tally: FunnelTally,
  facts: FactMaker,
  siteId: string,
): FunnelSummary => {
  const all = tally.entered[0] ?? 0
  const done = tally.entered.at(-1) ?? 0
  const dims = { funnel: funnel.id }
  const [some, finished] = [tally.people[0]?.length ?? 0, tally.people.at(-1)?.length ?? 0]
  const total = Float64Array.from(tally.totalSeconds).sort()
  return {
    ...{ rawSite: siteId, funnelId: funnel.id, name: funnel.name, order: funnel.order, counts: funnel.counts },
    conversionWindowSeconds: funnel.window_hours * 3600,
    window: facts.window,
    steps: funnel.steps.map((step, index) =>
      stepReport(funnel, tally, facts, index, { ...dims, step: step.name, order: String(index + 1) }),
    ),
    conversion: facts.share('funnel_conversion', done, all, dims, { people: some }),
    secondsMedian: seconds(facts, 'funnel_seconds_median', total, 0.5, dims, finished),
    secondsP90: seconds(facts, 'funnel_seconds_p90', total, 0.9, dims, finished),
  }
}

const stepReport = (
  funnel: Funnel,
  tally: FunnelTally,
  facts: FactMaker,
  index: number,
  dims: FactDims,
): FunnelStepReport => {
  const entered = tally.entered[index] ?? 0
  const before = tally.entered[index - 1] ?? 0
  const next = tally.entered[index + 1]
  const taken = Float64Array.from(tally.stepSeconds[index] ?? []).sort()
  const peopleAt = (at: number): number => tally.people[at]?.length ?? 0
  const all = funnel.steps.length
  const own = { people: peopleAt(index), among: all }
  return {
    index,
    name: funnel.steps[index]?.name ?? '',
    entered: facts.count('step_entered', entered, dims, own),
    conversion:
      index === 0
        ? null
        : facts.share('step_conversion', entered, before, dims, { people: peopleAt(index - 1), among: all - 1 }),
    conversionFromFirst: facts.share('step_conversion_from_first', entered, tally.entered[0] ?? 0, dims, {
      ...{ people: peopleAt(0), among: all },
    }),
    dropoff:
      next === undefined
        ? null
        : facts.share('step_dropoff', entered - next, entered, dims, { ...own, among: all - 1 }),
    lost:
      next === undefined
        ? null
        : facts.count('step_lost', entered - next, dims, {
            ...{ people: tally.lost[index]?.length ?? 0, among: all - 1 },
          }),
    secondsMedian: index === 0 ? null : seconds(facts, 'step_seconds_median', taken, 0.5, dims, own.people),
    secondsP90: index === 0 ? null : seconds(facts, 'step_seconds_p90', taken, 0.9, dims, own.people),
  }
}

const seconds = (
  facts: FactMaker,
  metric: 'step_seconds_median' | 'step_seconds_p90' | 'funnel_seconds_median' | 'funnel_seconds_p90',
  sorted: Float64Array,
  share: number,
  dims: FactDims,
  people: number,
) =>
  facts.fact(metric, quantileOfSorted(sorted, share), {
    ...{ unit: 'seconds', n: sorted.length, people, dims, method: 'quantile_type_7' },
    ...(sorted.length === 0 && { notEnoughHistory: 'Nobody took this step.' }),
  })

/** A funnel that nobody got beyond the first step of does not belong to this site. */
export const isUsed = ({ entered }: FunnelTally): boolean => (entered[1] ?? 0) > 0

/** Sessions of one kind, by how far they came. */
export type FunnelCell = [hour: number, device: string, channel: string, visitorKind: string, entered: number[]]
export type FunnelCells = {
  add(hour: number, device: string, channel: string, visitorKind: string, reached: number): void
  rows(): FunnelCell[]
}

export const createFunnelCells = (steps: number): FunnelCells => {
  const cells = new Map<string, FunnelCell>()
  return {
    add(hour, device, channel, visitorKind, reached) {
      if (reached === 0) return
      const key = `${hour} ${device} ${channel} ${visitorKind}`
      const cell = cells.get(key) ?? [hour, device, channel, visitorKind, new Array<number>(steps).fill(0)]
      cells.set(key, cell)
      for (let step = 0; step < reached; step++) cell[4][step] = (cell[4][step] ?? 0) + 1
    },
    rows: () => [...cells].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, cell]) => cell),
  }
}
