import { jsPDF } from 'jspdf'
import { svg2pdf } from 'svg2pdf.js'
import { sizeOf } from './drawing.ts'

/** The drawing as lines and text on a page of its size. */
export const pdfOf = async (picture: SVGSVGElement): Promise<Blob> => {
  const { width, height } = sizeOf(picture)
  const page = new jsPDF({
    orientation: width > height ? 'landscape' : 'portrait',
    unit: 'pt',
    format: [width, height],
  })
  // Its measures are taken from the page, so it must be on one.
  picture.setAttribute('class', 'hidden')
  document.body.append(picture)
  try {
    await svg2pdf(picture, page, { x: 0, y: 0, width, height })
  } finally {
    picture.remove()
  }
  return page.output('blob')
}
