import { compare } from './paths.ts'
import { median } from './statistics/quantiles.ts'

/** What followed what, in how many cases: the directly-follows graph of process mining (van der Aalst 2016), with variants. */
export type DirectlyFollows = {
  cases: number
  edges: { from: string; to: string; count: number; secondsMedian: number | null }[]
  starts: { label: string; count: number }[]
  ends: { label: string; count: number }[]
  /** Whole ways from the first to the last, the most frequent first. */
  variants: { path: string[]; count: number }[]
}

/** One case: labels in the order of time, each with its moment. */
export type Trace = readonly { label: string; atMs: number }[]

/** Durations of an edge that are kept for its median. */
const durationsMax = 2_000
const variantStepsMax = 30

export const createDirectlyFollows = () => {
  let cases = 0
  const edges = new Map<string, { from: string; to: string; count: number; seconds: number[] }>()
  const starts = new Map<string, number>()
  const ends = new Map<string, number>()
  const variants = new Map<string, { path: string[]; count: number }>()
  const increase = (counts: Map<string, number>, key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1)
  return {
    add(trace: Trace): void {
      const [first] = trace
      const last = trace.at(-1)
      if (!first || !last) return
      cases++
      increase(starts, first.label)
      increase(ends, last.label)
      for (const [index, { label, atMs }] of trace.entries()) {
        const next = trace[index + 1]
        if (!next) continue
        const key = JSON.stringify([label, next.label])
        const edge = edges.get(key) ?? { from: label, to: next.label, count: 0, seconds: [] }
        edges.set(key, edge)
        edge.count++
        if (edge.seconds.length < durationsMax) edge.seconds.push((next.atMs - atMs) / 1000)
      }
      const path = trace.slice(0, variantStepsMax).map(({ label }) => label)
      const key = JSON.stringify(path)
      const variant = variants.get(key) ?? { path, count: 0 }
      variants.set(key, variant)
      variant.count++
    },
    /** The most frequent of each. */
    result(most: number): DirectlyFollows {
      const labels = (counts: Map<string, number>) =>
        [...counts]
          .map(([label, count]) => ({ label, count }))
          .sort((a, b) => b.count - a.count || compare(a.label, b.label))
          .slice(0, most)
      return {
        cases,
        edges: [...edges.values()]
          .sort((a, b) => b.count - a.count || compare(a.from, b.from) || compare(a.to, b.to))
          .slice(0, most)
          .map(({ seconds, ...edge }) => ({ ...edge, secondsMedian: median(seconds) })),
        starts: labels(starts),
        ends: labels(ends),
        variants: [...variants.values()]
          .sort((a, b) => b.count - a.count || compare(a.path.join('\n'), b.path.join('\n')))
          .slice(0, most),
      }
    },
  }
}
