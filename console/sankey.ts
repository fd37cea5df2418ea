import { sankey, sankeyLinkHorizontal } from 'd3-sankey'
import { svg } from './dom.ts'
import { fontFamily, type Theme } from './drawing.ts'
import { count } from './format.ts'

export type FlowNode = { id: string; step: number; kind: string; label: string }
export type FlowEdge = { from: string; to: string; value: number }

const labelChars = 30

/** Columns of nodes with bands between them (d3-sankey). Every node and band says what it is to who points at it or tabs to it. */
export const drawSankey = (
  flow: { nodes: readonly FlowNode[]; edges: readonly FlowEdge[] },
  theme: Theme,
  [width, height]: readonly [number, number] = [1100, 560],
): SVGSVGElement => {
  const steps = Math.max(1, ...flow.nodes.map(({ step }) => step)) - Math.min(...flow.nodes.map(({ step }) => step))
  const first = Math.min(...flow.nodes.map(({ step }) => step))
  const layout = sankey<FlowNode, { value: number }>()
    .nodeId(({ id }) => id)
    .nodeAlign((node) => Math.min(node.step - first, steps))
    .nodeWidth(12)
    .nodePadding(Math.max(4, Math.min(14, 240 / Math.max(1, flow.nodes.length / (steps + 1)))))
    .extent([
      [8, 12],
      [width - 150, height - 12],
    ])
  const { nodes, links } = layout({
    nodes: flow.nodes.map((node) => ({ ...node })),
    links: flow.edges.map(({ from, to, value }) => ({ source: from, target: to, value })),
  })
  const path = sankeyLinkHorizontal()
  const group = svg('g', {})
  const bands = links.map((link) => {
    const [from, to] = [link.source as FlowNode, link.target as FlowNode]
    const text = `${nameOf(from)} → ${nameOf(to)}: ${count(link.value)}`
    return svg(
      'path',
      {
        ...{ d: path(link as never) ?? '', fill: 'none', stroke: to.kind === 'exit' ? theme.exit : theme.link },
        ...{ 'stroke-opacity': to.kind === 'exit' ? 0.22 : 0.34, 'stroke-width': Math.max(1, link.width ?? 1) },
        ...{ 'data-from': from.id, 'data-to': to.id, 'data-value': link.value },
      },
      svg('title', {}, text),
    )
  })
  group.append(...bands)
  for (const node of nodes) {
    const [x0 = 0, x1 = 0, y0 = 0, y1 = 0] = [node.x0, node.x1, node.y0, node.y1]
    const text = `${nameOf(node)}: ${count(node.value ?? 0)}`
    const colour = node.kind === 'exit' ? theme.exit : node.kind === 'other' ? theme.other : theme.node
    group.append(
      svg(
        'g',
        { tabindex: 0, role: 'img', 'aria-label': text, 'data-node': node.id },
        svg('title', {}, text),
        svg('rect', { x: x0, y: y0, width: x1 - x0, height: Math.max(1, y1 - y0), fill: colour }),
        svg(
          'text',
          { x: x1 + 5, y: (y0 + y1) / 2 + 4, fill: theme.ink, 'font-size': 12, 'font-family': fontFamily },
          `${shorten(nameOf(node))} ${count(node.value ?? 0)}`,
        ),
      ),
    )
  }
  const picture = svg(
    'svg',
    { viewBox: `0 0 ${width} ${height}`, xmlns: 'http://www.w3.org/2000/svg' },
    svg('rect', { width, height, fill: theme.ground }),
    group,
  )
  highlight(picture, bands)
  return picture
}

/** The bands of the node that is pointed at, or has the focus, stand out. */
const highlight = (picture: SVGSVGElement, bands: readonly SVGPathElement[]): void => {
  const mark = (event: Event): void => {
    const id = (event.target as Element).closest('[data-node]')?.getAttribute('data-node')
    for (const band of bands) {
      const isOwn =
        id === undefined || id === null || band.getAttribute('data-from') === id || band.getAttribute('data-to') === id
      band.setAttribute('opacity', isOwn ? '1' : '0.25')
    }
  }
  for (const name of ['pointerover', 'focusin', 'pointerleave', 'focusout']) picture.addEventListener(name, mark)
}

const nameOf = ({ kind, label }: FlowNode): string =>
  kind === 'exit' ? 'left' : kind === 'other' ? 'other pages' : label
const shorten = (text: string): string => (text.length > labelChars ? `${text.slice(0, labelChars - 1)}…` : text)
