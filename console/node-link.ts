import {
  forceCenter,
  forceCollide,
  forceLink,
  forceManyBody,
  forceSimulation,
  type SimulationNodeDatum,
} from 'd3-force'
import { svg } from './dom.ts'
import { fontFamily, type Theme } from './drawing.ts'
import { count } from './format.ts'

type Link = { from: string; to: string; times: number }
type Node = SimulationNodeDatum & { id: string; times: number }

const [width, height] = [1100, 640]
/** The layout is computed whole, so that nothing moves under the eye, and the same data gives the same picture. */
const ticks = 250

/** Pages as dots, and arrows where one led to another (d3-force). */
export const drawNodeLink = (links: readonly Link[], theme: Theme): SVGSVGElement => {
  const times = new Map<string, number>()
  for (const { from, to, times: n } of links) for (const id of [from, to]) times.set(id, (times.get(id) ?? 0) + n)
  const nodes: Node[] = [...times].map(([id, n]) => ({ id, times: n }))
  const most = Math.max(1, ...nodes.map((node) => node.times))
  const radius = (node: Node): number => 5 + 16 * Math.sqrt(node.times / most)
  const lines = links.map((link) => ({ source: link.from, target: link.to, times: link.times }))
  forceSimulation(nodes)
    .force(
      'link',
      forceLink<Node, (typeof lines)[number]>(lines)
        .id(({ id }) => id)
        .distance(130)
        .strength(0.25),
    )
    .force('charge', forceManyBody().strength(-520))
    .force('centre', forceCenter(width / 2, height / 2))
    .force(
      'room',
      forceCollide<Node>((node) => radius(node) + 22),
    )
    .stop()
    .tick(ticks)
  for (const node of nodes) {
    node.x = Math.max(30, Math.min(width - 160, node.x ?? 0))
    node.y = Math.max(24, Math.min(height - 24, node.y ?? 0))
  }
  const group = svg('g', {})
  const busiest = Math.max(1, ...links.map((link) => link.times))
  for (const line of lines) {
    const [from, to] = [line.source as unknown as Node, line.target as unknown as Node]
    const [x1, y1, x2, y2] = [from.x ?? 0, from.y ?? 0, to.x ?? 0, to.y ?? 0]
    const length = Math.hypot(x2 - x1, y2 - y1) || 1
    // A little to the side, so that there and back are two lines.
    const [dx, dy] = [((y2 - y1) / length) * 14, ((x1 - x2) / length) * 14]
    const end = radius(to) + 3
    const [ex, ey] = [x2 - ((x2 - x1 - dx) / length) * end, y2 - ((y2 - y1 - dy) / length) * end]
    group.append(
      svg(
        'path',
        {
          ...{
            d: `M${x1},${y1} Q${(x1 + x2) / 2 + dx},${(y1 + y2) / 2 + dy} ${ex},${ey}`,
            fill: 'none',
            stroke: theme.link,
          },
          ...{ 'stroke-opacity': 0.35, 'stroke-width': 1 + 7 * (line.times / busiest), 'stroke-linecap': 'round' },
        },
        svg('title', {}, `${from.id} → ${to.id}: ${count(line.times)}`),
      ),
      arrow(ex, ey, Math.atan2(ey - (y1 + y2) / 2 - dy, ex - (x1 + x2) / 2 - dx), theme),
    )
  }
  for (const node of nodes) {
    const text = `${node.id}: ${count(node.times)} moves`
    group.append(
      svg(
        'g',
        { tabindex: 0, role: 'img', 'aria-label': text },
        svg('title', {}, text),
        svg('circle', { cx: node.x, cy: node.y, r: radius(node), fill: theme.node }),
        svg(
          'text',
          {
            x: (node.x ?? 0) + radius(node) + 4,
            y: (node.y ?? 0) + 4,
            fill: theme.ink,
            'font-size': 12,
            'font-family': fontFamily,
          },
          node.id.length > 28 ? `${node.id.slice(0, 27)}…` : node.id,
        ),
      ),
    )
  }
  return svg(
    'svg',
    { viewBox: `0 0 ${width} ${height}`, xmlns: 'http://www.w3.org/2000/svg' },
    svg('rect', { width, height, fill: theme.ground }),
    group,
  )
}

const arrow = (x: number, y: number, angle: number, theme: Theme): SVGElement => {
  const at = (turn: number): string => `${x - 8 * Math.cos(angle + turn)},${y - 8 * Math.sin(angle + turn)}`
  return svg('path', { d: `M${x},${y} L${at(0.45)} L${at(-0.45)} Z`, fill: theme.link, 'fill-opacity': 0.7 })
}
