import { addPerson, type People } from './enough-people.ts'
import type { Funnel } from './funnel-file.ts'
import type { FactMaker } from './make-fact.ts'
import type { Progress } from './match-funnel.ts'
import { compare } from './paths.ts'
import type { Association } from './report.ts'
import { benjaminiHochberg } from './statistics/benjamini-hochberg.ts'
import { associationP, oddsRatio, type Table } from './statistics/odds-ratio.ts'
import type { Visit } from './visits.ts'

/** Seen by fewer people than this, or than this share of them, a trait says nothing. */
const peopleMin = 25
const shareMin = 0.02
/** One outcome is so much rarer than the other that the odds stand on few people. */
const skewMax = 10
const qMax = 0.05
const shownMax = 8

const troubles = new Set(['js_error', 'form_error', 'rage_click'])

/** What is true of a whole visit and may go with its outcome: closed words. */
const traitsOf = (visit: Visit): string[] => [
  `device=${visit.device}`,
  `channel=${visit.channel}`,
  `visitor_kind=${visit.isNew ? 'new' : 'returning'}`,
]

/**
 * Troubles that a visit met while it stood at a step: from its moment until it went on, else until its end. What came
 * after going on can have kept nobody, and whoever goes further meets more of everything.
 */
const troublesAt = ({ acts }: Visit, fromMs: number, toMs: number): string[] => [
  ...new Set(acts.flatMap(({ type, atMs }) => (troubles.has(type) && atMs >= fromMs && atMs < toMs ? [type] : []))),
]

/** Counts which traits go with going on from a step: odds ratios with a prior of one, tested and adjusted over all. */
export const createAssociations = (funnel: Funnel) => {
  const reached = funnel.steps.map(() => ({ yes: 0, no: 0 }))
  const counts = new Map<string, { step: number; trait: string; yes: number; no: number; some: People }>()
  return {
    /** `progress`: the moments at which the visit did the steps. */
    add(visit: Visit, progress: Progress): void {
      const traits = traitsOf(visit)
      for (const [step, fromMs] of progress.slice(0, funnel.steps.length - 1).entries()) {
        const nextMs = progress[step + 1]
        const outcome = nextMs === undefined ? 'no' : 'yes'
        const all = reached[step]
        if (all) all[outcome]++
        for (const trait of [...traits, ...troublesAt(visit, fromMs, nextMs ?? Number.POSITIVE_INFINITY)]) {
          const key = `${step} ${trait}`
          const one = counts.get(key) ?? { step, trait, yes: 0, no: 0, some: [] }
          counts.set(key, one)
          one[outcome]++
          addPerson(one.some, visit.personKey)
        }
      }
    },
    report(facts: FactMaker): Association[] {
      const tested = [...counts.values()].flatMap(({ step, trait, yes, no, some }) => {
        const all = reached[step] ?? { yes: 0, no: 0 }
        const people = all.yes + all.no
        const table: Table = { withTrait: { yes, no }, without: { yes: all.yes - yes, no: all.no - no } }
        const least = Math.max(peopleMin, shareMin * people)
        if (yes + no < least || people - yes - no < least) return []
        const isSkewed = Math.max(all.yes, all.no) > skewMax * Math.min(all.yes, all.no)
        return [{ step, trait, people, some: some.length, table, isSkewed, p: associationP(table) }]
      })
      const adjusted = benjaminiHochberg(tested.map(({ p }) => p))
      return tested
        .map((one, index) => ({ ...one, q: adjusted[index] ?? 1, odds: oddsRatio(one.table) }))
        .filter(({ q }) => q <= qMax)
        .sort(
          (a, b) =>
            Math.abs(Math.log(b.odds)) - Math.abs(Math.log(a.odds)) || compare(a.trait, b.trait) || a.step - b.step,
        )
        .slice(0, shownMax)
        .map(({ step, trait, people, some, isSkewed, q, odds }) => {
          const name = funnel.steps[step]?.name ?? ''
          const dims = { funnel: funnel.id, step: name, order: String(step + 1), bucket: trait }
          return {
            ...{ step: name, trait, isSkewed },
            oddsRatio: facts.fact('odds_ratio', odds, {
              ...{ unit: 'ratio', n: people, people: some, dims, method: 'odds_ratio_prior_1' },
            }),
            qValue: facts.fact('odds_ratio_q_value', q, {
              unit: 'score',
              n: people,
              people: some,
              dims,
              method: 'benjamini_hochberg',
            }),
          }
        })
    },
  }
}
