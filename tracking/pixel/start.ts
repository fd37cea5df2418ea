import { watchClicks } from './clicks.ts'
import { bar, readConsent } from './consent.ts'
import { watchDataLayer } from './data-layer.ts'
import { keepBatches, recover, resume } from './delivery.ts'
import { beginEngagement, reportEngagement, timeSpentMs, watchEngagement } from './engagement.ts'
import { watchErrors } from './errors.ts'
import { reportAbandoned, watchForms } from './forms.ts'
import { doc, guard, later, listen, win } from './host.ts'
import { readIdentity } from './identity.ts'
import { setOptions } from './options.ts'
import { showPage, watchRoutes } from './pageview.ts'
import { capture, dropQueue, flush } from './queue.ts'
import { watchSelection } from './selection.ts'
import type { Options } from './types.ts'
import { watchVideo } from './video.ts'

/** Configures and starts the pixel; a page that is only being prerendered waits until it is shown. */
export const start = (options: Options): void => {
  setOptions(options)
  readConsent()
  if ((doc as { prerendering?: boolean }).prerendering) listen(doc, 'prerenderingchange', () => run('prerender'))
  else run('load')
}

const run = (method: string): void => {
  readIdentity()
  beginEngagement()
  showPage(method)
  for (const watch of [
    watchDataLayer,
    watchEngagement,
    watchClicks,
    watchSelection,
    watchForms,
    watchVideo,
    watchErrors,
    watchLife,
  ])
    guard(watch)()
  later(recover)
}

/** What is known only when a page is left, by a route or for good. */
const leavePage = (): void => {
  reportEngagement()
  reportAbandoned()
  capture('page_exit', { timeSpent: timeSpentMs() })
  beginEngagement()
}

/**
 * A page may be killed at any time after it was hidden, so everything is sent then. No unload handlers: they keep
 * pages out of the bfcache and are not called on phones.
 */
const watchLife = (): void => {
  let gone = false
  watchRoutes(leavePage)
  listen(doc, 'visibilitychange', () => {
    const { hidden } = doc
    if (gone) return
    reportEngagement()
    capture('page_visibility', { hidden, timeSpent: timeSpentMs() })
    if (!hidden) return
    flush()
    keepBatches(false)
  })
  listen<StorageEvent>(win, 'storage', ({ key, newValue }) => {
    if (key !== 'evo_id' || newValue) return readIdentity()
    bar()
    dropQueue()
  })
  listen(win, 'pagehide', () => {
    gone = true
    leavePage()
    flush()
    keepBatches(true)
  })
  listen<PageTransitionEvent>(win, 'pageshow', ({ persisted }) => {
    gone = false
    if (!persisted) return
    beginEngagement()
    resume()
    showPage('bfcache')
  })
}
