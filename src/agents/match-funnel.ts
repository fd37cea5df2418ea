import type { Funnel } from './funnel-file.ts'

/** What a funnel looks at: a moment and an event type; the text of a pageview is its path. */
export type Step = { atMs: number; type: string; text?: string }

/** The moments at which steps 1, 2, … were done; as long as the steps done. */
export type Progress = readonly number[]
export type Matcher = (acts: readonly Step[]) => Progress

const none: Progress = []

/** Visits on two devices lie over each other: acts of several are put in order before they are followed. */
export const inTime = <One extends Step>(acts: readonly One[]): One[] => [...acts].sort((a, b) => a.atMs - b.atMs)

/**
 * Follows one session, or one visitor's acts in the order of time, through a funnel.
 *
 * - `sequential`: the steps in order, whatever lies between. The window begins with the first time of step one and is not
 *   begun again by a later one (as in Mixpanel and PostHog); one act is one step at most.
 * - `strict`: the steps follow one another at once, from whatever first step gets furthest.
 * - `any`: the steps in any order; the k-th moment is when the k-th different step was done.
 */
export const createMatcher = (funnel: Funnel): Matcher => {
  const steps = funnel.steps.map(createStepTest)
  const windowMs = funnel.counts === 'sessions' ? Number.POSITIVE_INFINITY : funnel.window_hours * 3_600_000
  const follow = { sequential, strict, any: anyOrder }[funnel.order]
  const excluded = new Set(funnel.exclude)
  const needsPath = funnel.steps.some(({ path }) => path !== undefined)
  return (acts) => {
    const placed = needsPath ? withPaths(acts) : acts
    const progress = follow(placed, steps, windowMs)
    const [first] = progress
    const last = progress.at(-1)
    if (excluded.size === 0 || first === undefined || last === undefined) return progress
    const endMs = progress.length === steps.length ? last : first + windowMs
    return acts.some(({ atMs, type }) => excluded.has(type) && atMs >= first && atMs <= endMs) ? none : progress
  }
}

type PlacedStep = Step & { path?: string }
type StepTest = (act: PlacedStep) => boolean

const createStepTest = ({ event, path }: Funnel['steps'][number]): StepTest => {
  const types = new Set([event].flat())
  const patterns = path === undefined ? undefined : [path].flat().map(patternOf)
  return (act) => types.has(act.type) && (!patterns || patterns.some((pattern) => pattern.test(act.path ?? '')))
}

/** `/p/*` as a regular expression; only `*` is special, and one alone cannot run away. */
const patternOf = (path: string): RegExp =>
  new RegExp(
    `^${path
      .replace(/\*+/g, '*')
      .split('*')
      .map((part) => part.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'))
      .join('[^]*')}$`,
  )

/** Each act with the page it happened on. */
const withPaths = (acts: readonly Step[]): PlacedStep[] => {
  let path: string | undefined
  return acts.map((act) => {
    if (act.type === 'pageview') path = act.text
    return path === undefined ? act : { ...act, path }
  })
}

const sequential = (acts: readonly PlacedStep[], steps: readonly StepTest[], windowMs: number): Progress => {
  const times: number[] = []
  for (const act of acts) {
    const test = steps[times.length]
    if (!test || act.atMs - (times[0] ?? act.atMs) > windowMs) break
    if (test(act)) times.push(act.atMs)
  }
  return times
}

const strict = (acts: readonly PlacedStep[], steps: readonly StepTest[], windowMs: number): Progress => {
  let best: number[] = []
  for (let start = 0; start < acts.length && best.length < steps.length; start++) {
    const times: number[] = []
    for (const [index, test] of steps.entries()) {
      const act = acts[start + index]
      if (!act || !test(act) || act.atMs - (times[0] ?? act.atMs) > windowMs) break
      times.push(act.atMs)
    }
    if (times.length > best.length) best = times
  }
  return best
}

const anyOrder = (acts: readonly PlacedStep[], steps: readonly StepTest[], windowMs: number): Progress => {
  const times: number[] = []
  const open = new Set(steps)
  for (const act of acts) {
    if (open.size === 0 || act.atMs - (times[0] ?? act.atMs) > windowMs) break
    for (const test of open)
      if (test(act)) {
        times.push(act.atMs)
        open.delete(test)
        break
      }
  }
  return times
}
