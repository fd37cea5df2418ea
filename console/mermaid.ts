import { el, svg } from './dom.ts'
import { fontFamily, screenTheme, type Theme } from './drawing.ts'
import { count } from './format.ts'
import { drawSankey } from './sankey.ts'

/**
 * The kinds of Mermaid diagrams that our notes have, drawn here: flowcharts, Sankeys, pies, lines and bars, time lines.
 * Any other is shown as it is written. Nothing of it becomes anything but a text or a shape.
 */
export const drawMermaid = (source: string): HTMLElement => {
  const lines = source
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('%%'))
  const [kind = ''] = lines[0]?.split(/\s/) ?? []
  const drawn = kinds[kind]?.(lines, screenTheme())
  const text = el('details', {}, el('summary', { class: 'note' }, 'As text'), el('pre', { tabindex: 0 }, source))
  if (!drawn) return el('pre', { tabindex: 0 }, source)
  return el('figure', { class: 'diagram' }, drawn, text)
}

type Drawer = (lines: readonly string[], theme: Theme) => Element | undefined

const picture = (width: number, height: number, label: string, ...children: Node[]): SVGSVGElement =>
  svg('svg', { viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': label }, ...children)
const label = (
  x: number,
  y: number,
  theme: Theme,
  text: string,
  more: Record<string, string | number> = {},
): SVGElement => svg('text', { x, y, fill: theme.ink, 'font-size': 12, 'font-family': fontFamily, ...more }, text)

/** Mermaid writes quotes and signs of its own as `#quot;` and `#35;`. */
const readText = (text: string): string =>
  text
    .replaceAll(/#(\d{1,7});/g, (_all, code: string) => String.fromCodePoint(Number(code) % 0x110000))
    .replaceAll('#quot;', '"')
    .replaceAll('#amp;', '&')
    .replaceAll('#lt;', '<')
    .replaceAll('#gt;', '>')
const quoted = (text: string): string => readText(text.replace(/^"(.*)"$/, '$1'))

const flowchart: Drawer = (lines, theme) => {
  const isDown = /\b(TD|TB)\b/.test(lines[0] ?? '')
  const names = new Map<string, string[]>()
  const edges: { from: string; to: string; text: string }[] = []
  for (const line of lines.slice(1)) {
    const node = /^(\w+)[[({]+"?(.*?)"?[\])}]+$/.exec(line)
    const edge = /^(\w+)\s*-[-.]+>\s*(?:\|"?(.*?)"?\|)?\s*(\w+)(?:[[({]+"?(.*?)"?[\])}]+)?$/.exec(line)
    if (edge) {
      const [, from = '', text = '', to = '', named] = edge
      edges.push({ from, to, text: readText(text) })
      if (named !== undefined) names.set(to, named.split(/<br\s*\/?>/).map(readText))
    } else if (node) names.set(node[1] ?? '', (node[2] ?? '').split(/<br\s*\/?>/).map(readText))
  }
  for (const { from, to } of edges) for (const id of [from, to]) if (!names.has(id)) names.set(id, [id])
  if (names.size === 0) return undefined
  const layers = layersOf([...names.keys()], edges)
  const columns = new Map<number, string[]>()
  for (const id of names.keys()) columns.set(layers.get(id) ?? 0, [...(columns.get(layers.get(id) ?? 0) ?? []), id])
  const [boxWidth, boxHeight, gapAlong, gapAcross] = [170, 40, isDown ? 40 : 110, isDown ? 30 : 16]
  const places = new Map<string, { x: number; y: number }>()
  let [width, height] = [0, 0]
  for (const [layer, ids] of columns)
    for (const [n, id] of ids.entries()) {
      const place = isDown
        ? { x: 10 + n * (boxWidth + gapAcross), y: 10 + layer * (boxHeight + gapAlong) }
        : { x: 10 + layer * (boxWidth + gapAlong), y: 10 + n * (boxHeight + gapAcross) }
      places.set(id, place)
      width = Math.max(width, place.x + boxWidth + 10)
      height = Math.max(height, place.y + boxHeight + 10)
    }
  const shapes: Node[] = []
  for (const { from, to, text } of edges) {
    const [a, b] = [places.get(from), places.get(to)]
    if (!a || !b) continue
    const [x1, y1, x2, y2] = isDown
      ? [a.x + boxWidth / 2, a.y + boxHeight, b.x + boxWidth / 2, b.y]
      : [a.x + boxWidth, a.y + boxHeight / 2, b.x, b.y + boxHeight / 2]
    shapes.push(
      svg('path', { d: `M${x1},${y1} L${x2},${y2}`, stroke: theme.soft, 'stroke-width': 1.2, fill: 'none' }),
      label((x1 + x2) / 2 + (isDown ? 5 : -12), (y1 + y2) / 2 + (isDown ? 4 : -5), theme, text, {
        'font-size': 11,
        fill: theme.soft,
      }),
    )
  }
  for (const [id, { x, y }] of places) {
    const words = names.get(id) ?? [id]
    shapes.push(
      svg('rect', { x, y, width: boxWidth, height: boxHeight, rx: 5, fill: theme.bar, stroke: theme.node }),
      ...words
        .slice(0, 2)
        .map((text, n) => label(x + 8, y + (words.length > 1 ? 16 : 24) + n * 15, theme, text.slice(0, 26))),
    )
  }
  return picture(width, height, `Diagram of ${names.size} boxes`, ...shapes)
}

/** How far each is from where it all begins; circles end where they are met again. */
const layersOf = (ids: readonly string[], edges: readonly { from: string; to: string }[]): Map<string, number> => {
  const layers = new Map(ids.map((id) => [id, 0]))
  for (let round = 0; round < ids.length; round++) {
    let isSettled = true
    for (const { from, to } of edges) {
      const next = Math.min(ids.length, (layers.get(from) ?? 0) + 1)
      if (from === to || next <= (layers.get(to) ?? 0) || next > 12) continue
      layers.set(to, next)
      isSettled = false
    }
    if (isSettled) break
  }
  return layers
}

const sankeyDiagram: Drawer = (lines, theme) => {
  const edges = lines.slice(1).flatMap((line) => {
    const [, from, to, value] = /^"?((?:[^"]|"")*?)"?,"?((?:[^"]|"")*?)"?,([\d.]+)$/.exec(line) ?? []
    return from && to && Number(value) > 0
      ? [{ from: from.replaceAll('""', '"'), to: to.replaceAll('""', '"'), value: Number(value) }]
      : []
  })
  if (edges.length === 0) return undefined
  const ids = [...new Set(edges.flatMap(({ from, to }) => [from, to]))]
  const layers = layersOf(ids, edges)
  const isAcyclic = edges.every(({ from, to }) => (layers.get(from) ?? 0) < (layers.get(to) ?? 0))
  if (!isAcyclic) return undefined
  const nodes = ids.map((id) => ({
    id,
    step: layers.get(id) ?? 0,
    label: id,
    kind: /^\d+ left$/.test(id) ? 'leaves' : 'page',
  }))
  return drawSankey({ nodes, edges }, theme, [900, 420])
}

const pie: Drawer = (lines, theme) => {
  const slices = lines.flatMap((line) => {
    const [, name, value] = /^"(.*)"\s*:\s*([\d.]+)$/.exec(line) ?? []
    return name !== undefined ? [{ name: readText(name), value: Number(value) }] : []
  })
  const total = slices.reduce((sum, { value }) => sum + value, 0)
  if (total === 0) return undefined
  const shapes: Node[] = []
  let before = 0
  for (const [n, { name, value }] of slices.entries()) {
    const [from, to] = [before / total, (before + value) / total].map((part) => part * 2 * Math.PI - Math.PI / 2) as [
      number,
      number,
    ]
    before += value
    const at = (angle: number): string => `${110 + 90 * Math.cos(angle)},${110 + 90 * Math.sin(angle)}`
    const opacity = 1 - (n / slices.length) * 0.75
    const shape =
      value === total
        ? svg('circle', { cx: 110, cy: 110, r: 90 })
        : svg('path', { d: `M110,110 L${at(from)} A90,90 0 ${to - from > Math.PI ? 1 : 0} 1 ${at(to)} Z` })
    shape.setAttribute('fill', theme.node)
    shape.setAttribute('fill-opacity', String(opacity))
    shape.setAttribute('stroke', theme.ground)
    shapes.push(
      shape,
      svg('rect', { x: 230, y: 20 + n * 22, width: 12, height: 12, fill: theme.node, 'fill-opacity': opacity }),
      label(250, 31 + n * 22, theme, `${name} ${count(value)} (${Math.round((value / total) * 100)} %)`),
    )
  }
  return picture(560, Math.max(220, 40 + slices.length * 22), 'Shares', ...shapes)
}

const chart: Drawer = (lines, theme) => {
  const list = (name: RegExp): string[] => {
    const line = lines.find((one) => name.test(one)) ?? ''
    return (
      /\[(.*)\]/
        .exec(line)?.[1]
        ?.split(',')
        .map((one) => quoted(one.trim())) ?? []
    )
  }
  const titleLine = lines.find((line) => line.startsWith('title')) ?? ''
  const labels = list(/^x-axis/)
  const [isBar, values] = [lines.some((line) => line.startsWith('bar')), list(/^(line|bar)/).map(Number)]
  const top = Math.max(...values)
  if (values.length === 0 || !(top > 0)) return undefined
  const [width, height, left, base] = [900, 240, 50, 205]
  const step = (width - left - 10) / values.length
  const y = (value: number): number => base - (value / top) * 165
  const x = (n: number): number => left + step * (n + 0.5)
  const marks = isBar
    ? values.map((value, n) =>
        svg(
          'rect',
          { x: x(n) - step * 0.4, y: y(value), width: step * 0.8, height: base - y(value), fill: theme.node },
          svg('title', {}, `${labels[n] ?? ''}: ${value}`),
        ),
      )
    : [
        svg('path', {
          d: values.map((value, n) => `${n === 0 ? 'M' : 'L'}${x(n)},${y(value)}`).join(' '),
          fill: 'none',
          stroke: theme.node,
          'stroke-width': 2,
        }),
        ...values.map((value, n) =>
          svg(
            'circle',
            { cx: x(n), cy: y(value), r: 3, fill: theme.node },
            svg('title', {}, `${labels[n] ?? ''}: ${value}`),
          ),
        ),
      ]
  const every = Math.ceil(labels.length / 10)
  return picture(
    width,
    height,
    quoted(titleLine.replace(/^title\s*/, '')),
    label(left, 16, theme, quoted(titleLine.replace(/^title\s*/, '')), { 'font-size': 13, 'font-weight': 600 }),
    svg('path', { d: `M${left},${base} H${width - 10}`, stroke: theme.soft }),
    label(left - 6, y(top) + 4, theme, String(Number(top.toPrecision(3))), { 'text-anchor': 'end', fill: theme.soft }),
    label(left - 6, base, theme, '0', { 'text-anchor': 'end', fill: theme.soft }),
    ...marks,
    ...labels.flatMap((text, n) =>
      n % every === 0
        ? [
            label(x(n), height - 15, theme, text.slice(0, 12), {
              'text-anchor': 'middle',
              fill: theme.soft,
              'font-size': 11,
            }),
          ]
        : [],
    ),
  )
}

const timeline: Drawer = (lines) => {
  const rows = lines.slice(1).flatMap((line) => {
    const [when = '', ...texts] = line.split(/\s:\s/)
    return texts.length > 0
      ? [el('li', {}, el('strong', {}, readText(when)), ` ${texts.map(readText).join(', ')}`)]
      : []
  })
  return rows.length > 0 ? el('ul', {}, ...rows) : undefined
}

const kinds: Record<string, Drawer | undefined> = {
  flowchart,
  graph: flowchart,
  'sankey-beta': sankeyDiagram,
  sankey: sankeyDiagram,
  pie,
  'xychart-beta': chart,
  xychart: chart,
  timeline,
}
