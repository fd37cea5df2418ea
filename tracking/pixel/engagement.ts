import { doc, later, listen, root, steadyMs, win } from './host.ts'
import { capture } from './queue.ts'

const milestoneStep = 25
/** A page is measured at most this often while it is scrolled. */
const measureMs = 100

let shownMs = steadyMs()
let engagedMs = 0
/** When the current stretch of attention began; 0 while the page is hidden or not in focus. */
let attentiveSinceMs = 0
let deepest = 0
let milestone = 0
let measuring = 0

/** Counts anew for a page that is shown. */
export const beginEngagement = (): void => {
  shownMs = steadyMs()
  engagedMs = attentiveSinceMs = deepest = milestone = 0
  pay()
}

export const timeSpentMs = (): number => steadyMs() - shownMs

/** Engaged time: only while the page is visible and has the focus. */
const pay = (): void => {
  const ms = steadyMs()
  if (attentiveSinceMs) engagedMs += ms - attentiveSinceMs
  attentiveSinceMs = !doc.hidden && doc.hasFocus() ? ms : 0
}

/** Reports the time since the last report, so that reports add up, and how far the page was scrolled so far. */
export const reportEngagement = (): void => {
  pay()
  if (engagedMs) capture('engagement', { engagedMs, scrollPercentage: deepest })
  engagedMs = 0
}

/** The height is measured again each time: pages grow while they load. */
const measure = (): void => {
  measuring = 0
  const scrollPercentage = Math.round(((scrollY + innerHeight) / root.scrollHeight) * 100)
  while (milestone + milestoneStep <= scrollPercentage) {
    milestone += milestoneStep
    capture('scroll_depth', { milestone, scrollPercentage, timeToMilestone: timeSpentMs() })
  }
  deepest = Math.max(deepest, scrollPercentage)
}

export const watchEngagement = (): void => {
  listen(win, 'focus blur', pay)
  listen(doc, 'scroll', () => {
    measuring = measuring || later(measure, measureMs)
  })
}
