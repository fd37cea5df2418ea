import type { FactMaker } from './make-fact.ts'
import type { PathGraph } from './report.ts'
import type { Visit } from './visits.ts'

/** Columns of a path diagram, of a site and of one person, whose walks are few; pages of a column that are shown by name, and edges: more cannot be read. */
const stepsMax = 5
export const personStepsMax = 12
const pagesPerStepMax = 5
const edgesMax = 40

type Node = PathGraph['nodes'][number]
/** What a node stands for in a column: a page, the pages that have no room, or the end of the visit. */
type Place = { kind: Node['kind']; label: string }
const other: Place = { kind: 'other', label: '' }
const exit: Place = { kind: 'exit', label: '' }

/**
 * Counts which page follows which, by the number of pages before: the same page at another step is another node, so that
 * the graph has no circle however people walk. Reloading a page is no step.
 */
export const createPathTally = (steps = stepsMax) => {
  const columns: Map<string, number>[] = Array.from({ length: steps }, () => new Map())
  const walks = new Map<string, { pages: string[]; ends: boolean; visits: number }>()
  return {
    add({ acts }: Pick<Visit, 'acts'>): void {
      const pages: string[] = []
      let length = 0
      let last: string | undefined
      for (const { type, text } of acts) {
        if (type !== 'pageview' || text === undefined || text === last) continue
        last = text
        length++
        if (pages.length < steps) pages.push(text)
      }
      if (pages.length === 0) return
      for (const [step, page] of pages.entries()) columns[step]?.set(page, (columns[step]?.get(page) ?? 0) + 1)
      const ends = length <= steps
      const key = JSON.stringify([pages, ends])
      const known = walks.get(key)
      if (known) known.visits++
      else walks.set(key, { pages, ends, visits: 1 })
    },
    graph: (facts: FactMaker): PathGraph => drawPaths(columns, [...walks.values()], facts),
  }
}

const drawPaths = (
  columns: Map<string, number>[],
  walks: { pages: string[]; ends: boolean; visits: number }[],
  facts: FactMaker,
): PathGraph => {
  const shown = columns.map((pages) => new Set(largest(pages, pagesPerStepMax).map(([page]) => page)))
  const placeOf = (page: string, step: number): Place =>
    shown[step]?.has(page) ? { kind: 'page', label: page } : other
  const edges = new Map<string, { step: number; from: Place; to: Place; visits: number }>()
  const walk = (step: number, from: Place, to: Place, visits: number): void => {
    const key = JSON.stringify([step, from, to])
    const known = edges.get(key)
    if (known) known.visits += visits
    else edges.set(key, { step, from, to, visits })
  }
  for (const { pages, ends, visits } of walks)
    for (const [step, page] of pages.entries()) {
      const next = pages[step + 1]
      if (next !== undefined) walk(step, placeOf(page, step), placeOf(next, step + 1), visits)
      else if (ends) walk(step, placeOf(page, step), exit, visits)
    }
  const kept = [...edges.values()]
    .sort(
      (a, b) =>
        b.visits - a.visits ||
        a.step - b.step ||
        compare(a.from.label, b.from.label) ||
        compare(a.to.label, b.to.label),
    )
    .slice(0, edgesMax)
    .sort(
      (a, b) =>
        a.step - b.step ||
        b.visits - a.visits ||
        compare(a.from.label, b.from.label) ||
        compare(a.to.label, b.to.label),
    )
  const nodes = new Map<string, Node>()
  const nodeOf = (step: number, { kind, label }: Place): string => {
    const key = JSON.stringify([step, kind, label])
    const known = nodes.get(key)
    if (known) return known.id
    const node = { id: `n${nodes.size + 1}`, step, kind, rawLabel: label }
    nodes.set(key, node)
    return node.id
  }
  const drawn = kept.map(({ step, from, to, visits }) => ({
    from: nodeOf(step, from),
    to: nodeOf(step + 1, to),
    value: facts.count('transition', visits, {
      ...{ order: String(step + 1), page: from.label || from.kind, next_page: to.label || to.kind },
    }),
  }))
  return { nodes: [...nodes.values()], edges: drawn }
}

export const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** The largest first; equal ones by name, so that a rerun shows the same. */
export const largest = <V extends number>(counts: Map<string, V>, most: number): [string, V][] =>
  [...counts].sort(([a, x], [b, y]) => y - x || compare(a, b)).slice(0, most)
