import { root } from './host.ts'
import { cleanUrl } from './url.ts'

/** The innermost element of an event, also inside an open shadow root. */
export const targetOf = (event: Event): Element => event.composedPath()[0] as Element

export const fieldTags = 'input,select,textarea'

/** What tells elements apart, without what they say: text only where `data-track-text` asks for it. */
export const describe = (element: Element, { detail, pageX, pageY }: MouseEvent) => {
  const { scrollWidth, scrollHeight } = root
  const href = element.getAttribute('href')
  return {
    tagName: element.localName,
    id: element.id,
    classes: element.getAttribute('class'),
    href: href && cleanUrl(href),
    text: element.closest('[data-track-text]') && element.textContent?.trim(),
    // As shares of the document's width and height; a click by keyboard has no position.
    position: detail ? { x: +(pageX / scrollWidth).toFixed(4), y: +(pageY / scrollHeight).toFixed(4) } : null,
  }
}
