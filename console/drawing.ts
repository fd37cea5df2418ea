import { select } from 'd3-selection'
import { zoom, zoomIdentity } from 'd3-zoom'
import { save } from './call.ts'
import { button, el, toast } from './dom.ts'

/** Colours of a drawing: by the screen's mode, and always light where it is kept as a file. */
export type Theme = {
  ground: string
  ink: string
  soft: string
  node: string
  other: string
  exit: string
  link: string
  bar: string
}
export const lightTheme: Theme = {
  ...{ ground: '#ffffff', ink: '#1b1f1d', soft: '#565d59', node: '#0b6e5f', other: '#8a938e', exit: '#b3261e' },
  ...{ link: '#0b6e5f', bar: '#d9ece8' },
}
const darkTheme: Theme = {
  ...{ ground: '#1a1e1c', ink: '#e7eae8', soft: '#a4ada8', node: '#4fc3ad', other: '#7d8782', exit: '#ff8d84' },
  ...{ link: '#4fc3ad', bar: '#173b35' },
}
export const screenTheme = (): Theme => (matchMedia('(prefers-color-scheme: dark)').matches ? darkTheme : lightTheme)

export const fontFamily = 'Helvetica, Arial, sans-serif'

/** Draws with a theme; the first group of what it answers is what is moved and zoomed. */
export type Draw = (theme: Theme) => SVGSVGElement

const pixelsPerPoint = 2

/** A drawing that can be zoomed by mouse, touch and buttons, and kept as SVG, PNG and PDF. */
export const showDrawing = (name: string, draw: Draw): HTMLElement => {
  const picture = draw(screenTheme())
  const inner = picture.querySelector('g')
  const zooming = zoom<SVGSVGElement, unknown>()
    .scaleExtent([0.5, 6])
    // A wheel scrolls the page, and zooms with the control key, as maps do.
    .filter((event: MouseEvent) => (event.type === 'wheel' ? event.ctrlKey : !event.button))
    .on('zoom', ({ transform }) => inner?.setAttribute('transform', String(transform)))
  const chosen = select<SVGSVGElement, unknown>(picture)
  chosen.call(zooming)
  const by = (factor: number) => () => chosen.call(zooming.scaleBy, factor)
  const keep = (kind: string, make: () => Promise<Blob> | Blob) => async (): Promise<void> => {
    try {
      save(`${name}.${kind}`, await make())
    } catch (error) {
      toast(`The ${kind.toUpperCase()} could not be made: ${(error as Error).message}`, true)
    }
  }
  return el(
    'div',
    {},
    el(
      'div',
      { class: 'bar' },
      button('+', by(1.3), { 'aria-label': 'Zoom in' }),
      button('−', by(1 / 1.3), { 'aria-label': 'Zoom out' }),
      button('Reset', () => chosen.call(zooming.transform, zoomIdentity)),
      button(
        'SVG',
        keep('svg', () => new Blob([textOf(draw(lightTheme))], { type: 'image/svg+xml' })),
      ),
      button(
        'PNG',
        keep('png', () => pngOf(draw(lightTheme))),
      ),
      button(
        'PDF',
        keep('pdf', async () => (await import('./pdf.ts')).pdfOf(draw(lightTheme))),
      ),
    ),
    el('div', { class: 'drawing' }, picture),
  )
}

/** A file of its own: any viewer opens it. */
const textOf = (picture: SVGSVGElement): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(picture)}\n`

export const sizeOf = (picture: SVGSVGElement): { width: number; height: number } => {
  const [, , width = 0, height = 0] = (picture.getAttribute('viewBox') ?? '').split(' ').map(Number)
  return { width, height }
}

const pngOf = async (picture: SVGSVGElement): Promise<Blob> => {
  const { width, height } = sizeOf(picture)
  picture.setAttribute('width', String(width * pixelsPerPoint))
  picture.setAttribute('height', String(height * pixelsPerPoint))
  const address = URL.createObjectURL(new Blob([textOf(picture)], { type: 'image/svg+xml' }))
  try {
    const image = new Image()
    image.src = address
    await image.decode()
    const canvas = el('canvas', { width: width * pixelsPerPoint, height: height * pixelsPerPoint })
    const pen = canvas.getContext('2d')
    if (!pen) throw new Error('this browser has no canvas')
    pen.drawImage(image, 0, 0)
    return await new Promise((resolve, reject) =>
      canvas.toBlob((made) => (made ? resolve(made) : reject(new Error('the canvas gave nothing'))), 'image/png'),
    )
  } finally {
    URL.revokeObjectURL(address)
  }
}
