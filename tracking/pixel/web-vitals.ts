/**
 * Web vitals, a file of their own: LCP, CLS, INP, FCP and TTFB as the browser measures them, reported through the pixel when the
 * page is hidden. Load it after `tracking.js`.
 */
type Entry = PerformanceEntry & { value?: number; hadRecentInput?: boolean; interactionId?: number }
type Page = { evothesis?: { track(type: string, properties: object): void; flush(): Promise<boolean> } }

const values = new Map<string, number>()
/** Layout shifts count in bursts: gaps under 1 s, at most 5 s in all; the worst burst is the value. */
const shiftGapMs = 1000
const shiftBurstMs = 5000
/** Shorter interactions are not reported by the browser. */
const interactionMsMin = 40

let burst = { value: 0, startMs: 0, lastMs: 0 }

const raise = (name: string, value: number): void => {
  values.set(name, Math.max(values.get(name) ?? 0, value))
}

const observe = (type: string, take: (entry: Entry) => void): void => {
  try {
    const options = { type, buffered: true, durationThreshold: interactionMsMin }
    new PerformanceObserver((list) => list.getEntries().forEach(take)).observe(options)
  } catch {
    // A browser that does not know the type measures the others.
  }
}

observe('largest-contentful-paint', ({ startTime }) => raise('LCP', startTime))
observe('paint', ({ name, startTime }) => {
  if (name === 'first-contentful-paint') raise('FCP', startTime)
})
observe('navigation', (entry) => raise('TTFB', (entry as PerformanceNavigationTiming).responseStart))
observe('event', ({ interactionId, duration }) => {
  if (interactionId) raise('INP', duration)
})
observe('layout-shift', ({ value = 0, hadRecentInput, startTime }) => {
  if (hadRecentInput) return
  const goesOn = startTime - burst.lastMs < shiftGapMs && startTime - burst.startMs < shiftBurstMs
  burst = { value: value + (goesOn ? burst.value : 0), startMs: goesOn ? burst.startMs : startTime, lastMs: startTime }
  raise('CLS', burst.value)
})

const report = (): void => {
  const { evothesis } = window as Page
  for (const [name, value] of values) evothesis?.track('web_vital', { name, value: Math.round(value * 1e4) / 1e4 })
  if (values.size > 0) void evothesis?.flush()
  values.clear()
}

const options = { capture: true, passive: true }
window.addEventListener('pagehide', report, options)
window.addEventListener('visibilitychange', () => document.hidden && report(), options)
