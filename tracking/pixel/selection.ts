import { doc, later, listen } from './host.ts'
import { capture } from './queue.ts'

/** A selection is reported once it has rested this long, and when it is longer than a word. */
const restMs = 1000
const selectionCharsMin = 10

let timer: number

const selected = () => ({ textLength: `${doc.getSelection()}`.length })

/** What is selected and copied: how much, never what. */
export const watchSelection = (): void => {
  listen(doc, 'copy', () => capture('text_copy', selected()))
  listen(doc, 'selectionchange', () => {
    clearTimeout(timer)
    timer = later(() => selected().textLength > selectionCharsMin && capture('text_selection', selected()), restMs)
  })
}
