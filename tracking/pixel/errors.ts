import { listen, win } from './host.ts'
import { capture } from './queue.ts'
import { cleanUrl } from './url.ts'

/** Most errors reported of one page load, each message once. */
const errorsMax = 10
const seen = new Set<string>()

export const watchErrors = (): void =>
  listen<Event>(win, 'error unhandledrejection', (event) => {
    const { filename, lineno, colno, reason, message: text } = event as ErrorEvent & PromiseRejectionEvent
    const message = text || (reason && `${reason.message ?? reason}`)
    if (!message || seen.has(message) || seen.size >= errorsMax) return
    seen.add(message)
    capture('js_error', { message, source: filename && cleanUrl(filename), line: lineno, column: colno })
  })
