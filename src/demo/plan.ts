import type { Anomaly } from './anomaly.ts'
import { type Person, planPerson, type Visit, type Window } from './people.ts'
import { createRandom } from './random.ts'
import type { Step } from './visit-acts.ts'
import { walk } from './walk.ts'

/** Every session of a run in the order of their beginning, 16 bytes each; what happens in them is drawn again. */
export type Plan = { sessions: number; at(index: number): PlannedSession }
export type PlannedSession = { person: Person; visit: Visit; steps: Step[]; numbers: [person: number, visit: number] }

type PlanOptions = {
  seed: number
  events: number
  window: Window
  siteWeights: Float64Array
  anomaly: Anomaly | undefined
}

/** Sessions of one person are numbered below this. */
const visitsMax = 32
/** A window in which nobody comes would never fill up. */
const peopleWithoutVisitMax = 1_000_000

/**
 * Asks one person after the other for their sessions until the events are as many as wanted; the last session is cut
 * short. People are independent of each other, so that no part of the window is fuller than it should be. Costs a walk
 * per session, without writing the events; the walk is repeated, from the same draws, when its time comes.
 */
export const planTraffic = (options: PlanOptions): Plan => {
  const { window } = options
  const starts: number[] = []
  const codes: number[] = []
  let events = 0
  let excess = 0
  let idle = 0
  for (let index = 0; events < options.events; index++) {
    const person = planPerson(options.seed, index, options.siteWeights, window)
    idle = person.visits.length === 0 ? idle + 1 : 0
    if (idle > peopleWithoutVisitMax) break
    for (const [ordinal, visit] of person.visits.entries()) {
      if (events >= options.events) break
      starts.push(visit.startMs)
      codes.push(index * visitsMax + ordinal)
      events += walkOf(options, person, visit, index, ordinal).length
    }
  }
  excess = events - options.events
  const lastCode = codes.at(-1)
  const order = Uint32Array.from(starts.keys()).sort((a, b) => (starts[a] ?? 0) - (starts[b] ?? 0) || a - b)
  return {
    sessions: order.length,
    at(index) {
      const code = codes[order[index] ?? 0] ?? 0
      const [personIndex, ordinal] = [Math.floor(code / visitsMax), code % visitsMax]
      const person = planPerson(options.seed, personIndex, options.siteWeights, window)
      const visit = person.visits[ordinal] as Visit
      const steps = walkOf(options, person, visit, personIndex, ordinal)
      if (code === lastCode) steps.length -= excess
      return { person, visit, steps, numbers: [personIndex, ordinal] }
    },
  }
}

/** What is still under way when the window ends is cut there, as it is in life. */
const walkOf = (options: PlanOptions, person: Person, visit: Visit, index: number, ordinal: number): Step[] => {
  const steps = walk(
    person,
    visit,
    createRandom(options.seed, index, 2, ordinal),
    disturbanceOf(options, person, visit),
  )
  const late = steps.findIndex((step) => step.atMs >= options.window.untilMs)
  if (late >= 0) steps.length = late
  return steps
}

const disturbanceOf = ({ anomaly }: PlanOptions, person: Person, visit: Visit) =>
  anomaly && isDisturbed(anomaly, person.siteIndex, visit.startMs)
    ? { transition: transitionOf(anomaly), points: anomaly.points }
    : undefined

const isDisturbed = (anomaly: Anomaly, siteIndex: number, startMs: number): boolean =>
  siteIndex === anomaly.siteIndex && startMs >= anomaly.startMs && startMs < anomaly.endMs

const transitions = { product_view: 0, add_to_cart: 1, begin_checkout: 2, purchase: 3 } as const
const transitionOf = (anomaly: Anomaly): number => transitions[anomaly.step]
