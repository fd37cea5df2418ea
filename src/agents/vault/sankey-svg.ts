import type { PathGraph } from '../report.ts'
import { clean, xmlText } from './escape.ts'
import { printCount } from './print-fact.ts'

const columnWidth = 190
const nodeWidth = 14
const heightShown = 340
const gap = 18
const [left, top, right] = [16, 56, 150]

type Box = {
  x: number
  y: number
  height: number
  value: number
  out: number
  in: number
  label: string
  isExit: boolean
}

/**
 * A flow as a picture: columns of boxes by step, and bands between them as thick as the people who went that way. Every
 * band leads to the right: the graph has no circle. Null when nobody went anywhere. It holds shapes and text alone.
 */
export const sankeySvg = (graph: PathGraph, title: string): string | null => {
  const steps = new Map(graph.nodes.map(({ id, step }) => [id, step]))
  const edges = graph.edges.filter(
    ({ from, to, value }) => (value.value ?? 0) > 0 && (steps.get(from) ?? 1) < (steps.get(to) ?? 0),
  )
  if (edges.length === 0) return null
  const sum = (id: string, end: 'from' | 'to'): number =>
    edges.filter((edge) => edge[end] === id).reduce((all, { value }) => all + (value.value ?? 0), 0)
  const nodes = graph.nodes
    .map((node) => ({ ...node, value: Math.max(sum(node.id, 'from'), sum(node.id, 'to')) }))
    .filter(({ value }) => value > 0)
  const columns = byStep(nodes)
  const scale = Math.min(
    ...[...columns.values()].map(
      (column) => (heightShown - gap * (column.length - 1)) / column.reduce((all, { value }) => all + value, 0),
    ),
  )
  const boxes = new Map<string, Box>()
  for (const [step, column] of columns) {
    let y = top
    for (const { id, value, kind, rawLabel } of column) {
      const height = Math.max(2, value * scale)
      const isExit = kind === 'exit'
      const label = isExit ? 'left' : kind === 'other' ? 'other' : rawLabel
      boxes.set(id, { x: left + step * columnWidth, y, height, value, out: y, in: y, label, isExit })
      y += height + gap
    }
  }
  const bands = edges.map(({ from, to, value }) => {
    const [start, end] = [boxes.get(from), boxes.get(to)]
    if (!start || !end) return ''
    const thick = Math.max(1, (value.value ?? 0) * scale)
    const [y1, y2] = [start.out + thick / 2, end.in + thick / 2]
    start.out += thick
    end.in += thick
    const [x1, x2] = [start.x + nodeWidth, end.x]
    const middle = (x1 + x2) / 2
    return `<path d="M${px(x1)} ${px(y1)} C${px(middle)} ${px(y1)} ${px(middle)} ${px(y2)} ${px(x2)} ${px(y2)}" fill="none" stroke="${end.isExit ? '#c9c9c9' : '#8fb4d9'}" stroke-opacity="0.6" stroke-width="${px(thick)}"><title>${printCount(value.value ?? 0)}</title></path>`
  })
  const shapes = [...boxes.values()].map(({ x, y, height, value, label, isExit }) =>
    [
      `<rect x="${px(x)}" y="${px(y)}" width="${nodeWidth}" height="${px(height)}" fill="${isExit ? '#8a8a8a' : '#2c5f8f'}"/>`,
      `<text x="${px(x + nodeWidth + 5)}" y="${px(y + Math.min(height / 2, 30) + 4)}" font-size="12">${xmlText(clean(label, 24))}: ${printCount(value)}</text>`,
    ].join('\n'),
  )
  const [lowest, last] = [
    Math.max(...[...boxes.values()].map(({ y, height }) => y + height)),
    Math.max(...[...boxes.values()].map(({ x }) => x)),
  ]
  const [width, height] = [px(last + nodeWidth + right), px(lowest + 20)]
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="sans-serif">`,
    `<title>${xmlText(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${left}" y="28" font-size="16">${xmlText(title)}</text>`,
    ...bands,
    ...shapes,
    '</svg>',
    '',
  ].join('\n')
}

const px = (value: number): number => Number(value.toFixed(1))

const byStep = <T extends { step: number }>(nodes: readonly T[]): Map<number, T[]> => {
  const columns = new Map<number, T[]>()
  for (const node of nodes) columns.set(node.step, [...(columns.get(node.step) ?? []), node])
  return columns
}
