import type { Fact } from '../fact.ts'
import type { BreakdownRow, CustomerProfile, FunnelSummary, PathGraph } from '../report.ts'
import { mermaidLabel, mermaidWords, sankeyLabel } from './escape.ts'
import { type Markdown, mermaid } from './markdown.ts'
import { printFact } from './print-fact.ts'

/**
 * Diagrams that Obsidian's own Mermaid (11.13) parses and draws. A diagram with nothing to show is null: several of them
 * fail on nothing, on values of zero and below, and on circles.
 */
const nodesMax = 25
const edgesMax = 25
const slicesMax = 8
const barsMax = 14
const periodsMax = 12

/** The steps from top to bottom, and who leaves beside them. */
export const funnelChart = ({ steps }: FunnelSummary): Markdown | null => {
  if (steps.length === 0 || (steps[0]?.entered.value ?? 0) === 0) return null
  const lines = ['flowchart TD']
  for (const [index, { name, entered, conversion, lost, dropoff }] of steps.entries()) {
    lines.push(`  s${index}["${mermaidLabel(name)}<br/>${mermaidLabel(printFact(entered))}"]`)
    if (index > 0)
      lines.push(`  s${index - 1} -->|"${mermaidLabel(conversion ? printFact(conversion) : '')}"| s${index}`)
    if (lost && (lost.value ?? 0) > 0 && dropoff) {
      lines.push(
        `  s${index} -.-> x${index}(["${mermaidLabel(`${printFact(lost)} left (${printFact(dropoff)})`, 60)}"])`,
      )
    }
  }
  return mermaid(lines)
}

/** Nodes stand in columns, and a label names its column: no circle, whatever people did. */
export const sankeyChart = (graph: PathGraph): Markdown | null => {
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]))
  const labels = new Map<string, string>()
  const taken = new Set<string>()
  for (const { id, step, kind, rawLabel } of graph.nodes) {
    const name = kind === 'exit' ? 'left' : kind === 'other' ? 'other' : rawLabel
    const plain = `${step + 1} ${name}`
    let label = sankeyLabel(plain)
    for (let again = 2; taken.has(label); again++) label = sankeyLabel(`${plain.slice(0, 24)} (${again})`)
    taken.add(label)
    labels.set(id, label)
  }
  const edges = graph.edges
    .filter(({ from, to, value }) => {
      const [start, end] = [nodes.get(from), nodes.get(to)]
      return start !== undefined && end !== undefined && start.step < end.step && (value.value ?? 0) > 0
    })
    .sort((a, b) => (b.value.value ?? 0) - (a.value.value ?? 0))
    .slice(0, edgesMax)
  if (edges.length === 0) return null
  const order = new Map(graph.nodes.map(({ id }, index) => [id, index]))
  const shown = edges.sort(
    (a, b) => (order.get(a.from) ?? 0) - (order.get(b.from) ?? 0) || (order.get(a.to) ?? 0) - (order.get(b.to) ?? 0),
  )
  return mermaid([
    'sankey-beta',
    '',
    ...shown.map(({ from, to, value }) => `"${labels.get(from)}","${labels.get(to)}",${bare(value.value ?? 0)}`),
  ])
}

/** A path as boxes and arrows. */
export const pathChart = (graph: PathGraph): Markdown | null => {
  const shown = graph.nodes.slice(0, nodesMax)
  const names = new Map(shown.map(({ id }, index) => [id, `n${index + 1}`]))
  const edges = graph.edges.filter(({ from, to }) => names.has(from) && names.has(to)).slice(0, edgesMax)
  if (edges.length === 0) return null
  return mermaid([
    'flowchart LR',
    ...shown.map(
      ({ id, kind, rawLabel }) =>
        `  ${names.get(id)}${kind === 'exit' ? '(["left"])' : `["${mermaidLabel(kind === 'other' ? 'other' : rawLabel)}"]`}`,
    ),
    ...edges.map(
      ({ from, to, value }) => `  ${names.get(from)} -->|"${mermaidLabel(printFact(value))}"| ${names.get(to)}`,
    ),
  ])
}

export const pieChart = (
  title: string,
  rows: readonly Pick<BreakdownRow, 'rawValue' | 'sessions'>[],
): Markdown | null => {
  const slices = rows.filter(({ sessions }) => (sessions.value ?? 0) > 0).slice(0, slicesMax)
  if (slices.length === 0) return null
  const labels = distinct(slices.map(({ rawValue }) => mermaidWords(rawValue)))
  return mermaid([
    `pie showData title ${mermaidWords(title)}`,
    ...slices.map(({ sessions }, index) => `  "${labels[index]}" : ${bare(sessions.value ?? 0)}`),
  ])
}

/** Values over time. `labels` are ours: days, weeks, hours. */
export const lineChart = (options: {
  title: string
  axis: string
  labels: readonly string[]
  values: readonly number[]
  isBars?: boolean
}): Markdown | null => {
  const from = Math.max(0, options.values.length - barsMax)
  const [labels, values] = [options.labels.slice(from), options.values.slice(from)]
  if (values.length < 2) return null
  const highest = Math.max(...values)
  if (!(highest > 0)) return null
  return mermaid([
    'xychart-beta',
    `  title "${mermaidWords(options.title, 60)}"`,
    `  x-axis [${labels.map((label) => `"${mermaidWords(label)}"`).join(', ')}]`,
    `  y-axis "${mermaidWords(options.axis)}" 0 --> ${bare(highest * 1.1)}`,
    `  ${options.isBars ? 'bar' : 'line'} [${values.map(bare).join(', ')}]`,
  ])
}

/** Visits by day: a timeline knows dates, no hours. */
export const timeline = (
  title: string,
  visits: readonly { day: string; texts: readonly string[] }[],
): Markdown | null => {
  const shown = visits.slice(-periodsMax)
  if (shown.length === 0) return null
  return mermaid([
    'timeline',
    `  title ${mermaidWords(title)}`,
    ...shown.map(({ day, texts }) => `  ${day} ${texts.map((text) => `: ${mermaidWords(text, 48)}`).join(' ')}`),
  ])
}

export const timesOf = (
  customer: CustomerProfile,
  dayOf: (instant: string) => string,
): { day: string; texts: string[] }[] => {
  const days = new Map<string, string[]>()
  for (const { at, channel, orders, pageviews } of [...customer.touchpoints].reverse()) {
    const texts = days.get(dayOf(at)) ?? []
    if (texts.length < 4) texts.push(`${channel.replaceAll('_', ' ')} ${orders > 0 ? `order` : `${pageviews} pages`}`)
    days.set(dayOf(at), texts)
  }
  return [...days].map(([day, texts]) => ({ day, texts }))
}

export const valuesOf = (facts: readonly Fact[]): number[] => facts.map(({ value }) => value ?? 0)

const bare = (value: number): string => String(Number(value.toFixed(4)))

const distinct = (labels: readonly string[]): string[] => {
  const seen = new Map<string, number>()
  return labels.map((label) => {
    const times = (seen.get(label) ?? 0) + 1
    seen.set(label, times)
    return times === 1 ? label : `${label} (${times})`
  })
}
