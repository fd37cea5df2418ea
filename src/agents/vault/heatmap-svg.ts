import type { HeatmapReport } from '../report.ts'
import { xmlText } from './escape.ts'
import { printFact } from './print-fact.ts'

const cellWidth = 32
const cellHeight = 20
const margin = 16
const headHeight = 56
const depthWidth = 132

/** From nothing to many: light to dark, and told apart without colours, too. */
const ramp = ['#fff3d6', '#fdd49e', '#fdbb84', '#fc8d59', '#ef6548', '#d7301f', '#990000'] as const

/**
 * Clicks as a picture: the page as a frame, a square for each cell that was clicked in, darker where it was more, and beside
 * it how many came down so far. Null when no click had a position. It holds shapes and text alone.
 */
export const heatmapSvg = (report: HeatmapReport): string | null => {
  const { columns, rows, counts } = report.grid
  const highest = Math.max(0, ...counts)
  if (highest === 0) return null
  const used = Math.max(1, ...counts.map((count, cell) => (count > 0 ? Math.floor(cell / columns) + 1 : 0)))
  const rowsShown = Math.min(rows, Math.max(10, used))
  const [width, height] = [columns * cellWidth, rowsShown * cellHeight]
  const [fullWidth, fullHeight] = [width + depthWidth + 3 * margin, height + headHeight + 2 * margin]
  const cells = counts.flatMap((count, cell) => {
    const [column, row] = [cell % columns, Math.floor(cell / columns)]
    if (count <= 0 || row >= rowsShown) return []
    const shade = Math.min(ramp.length - 1, Math.floor((Math.log1p(count) / Math.log1p(highest)) * ramp.length))
    const place = `x="${margin + column * cellWidth}" y="${headHeight + row * cellHeight}"`
    return [
      `<rect ${place} width="${cellWidth}" height="${cellHeight}" fill="${ramp[shade]}"><title>${count}</title></rect>`,
    ]
  })
  const left = width + 2 * margin
  const depth = report.scroll.map(({ percent, reached }, index) => {
    const y = headHeight + 20 + index * 48
    const share = reached.value ?? 0
    return [
      `<text x="${left}" y="${y}" font-size="12">${percent} % of the page</text>`,
      `<rect x="${left}" y="${y + 5}" width="${depthWidth}" height="10" fill="#e5e5e5"/>`,
      `<rect x="${left}" y="${y + 5}" width="${Math.round(depthWidth * share)}" height="10" fill="#3b6ea5"/>`,
      `<text x="${left}" y="${y + 28}" font-size="11" fill="#555">${xmlText(printFact(reached))} of views</text>`,
    ].join('\n')
  })
  const title = `${report.rawPath} on ${report.device}`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${fullWidth} ${fullHeight}" width="${fullWidth}" height="${fullHeight}" role="img" font-family="sans-serif">`,
    `<title>${xmlText(`Clicks on ${title}`)}</title>`,
    `<rect width="${fullWidth}" height="${fullHeight}" fill="#fff"/>`,
    `<text x="${margin}" y="24" font-size="16">${xmlText(title)}</text>`,
    `<text x="${margin}" y="43" font-size="12" fill="#555">${xmlText(`${printFact(report.clicks)} clicks in ${printFact(report.views)} views; the darkest cell has ${highest}`)}</text>`,
    `<rect x="${margin}" y="${headHeight}" width="${width}" height="${height}" fill="#fafafa" stroke="#999"/>`,
    ...cells,
    ...depth,
    '</svg>',
    '',
  ].join('\n')
}
