import { textOption } from './options.ts'

/**
 * What the pixel takes from the page it lives in, read once at load, so that a page which later overrides `fetch` or
 * timers cannot change how its own events travel.
 */
export const win = window
export const doc = document
export const wallMs = (): number => Date.now()
/** Milliseconds that never jump: for durations. `wallMs` is for dates only. */
export const steadyMs = (): number => Math.round(performance.now())
export const root = doc.documentElement
const startTimer = win.setTimeout
export const hostFetch = win.fetch

export const log = (...what: unknown[]): void => {
  if (textOption('debug', 'false') !== 'false') console.log('evothesis', ...what)
}

/** Runs host-facing code so that a fault of ours never reaches the page. */
export const guard =
  <A extends unknown[]>(run: (...args: A) => unknown) =>
  (...args: A): void => {
    try {
      run(...args)
    } catch (error) {
      log(error)
    }
  }

/** A passive, capturing, guarded listener for each of the types, separated by spaces. */
export const listen = <E extends Event>(target: EventTarget, types: string, run: (event: E) => unknown): void => {
  for (const type of types.split(' '))
    target.addEventListener(type, guard(run) as unknown as EventListener, { capture: true, passive: true })
}

/** Runs soon, outside the handler that asked for it. */
export const later = (run: () => void, ms = 0): number => startTimer(guard(run), ms)

const tasks: (() => void)[] = []
export const runTasks = (): void => {
  for (const run of tasks.splice(0)) run()
}
/** Runs after the handlers of the page, so that measuring holds up no click; at the latest when everything is sent. */
export const soon = (run: () => void): void => {
  tasks[tasks.length] = guard(run)
  later(runTasks)
}

/** Hexadecimal text of random bytes, also where `crypto.randomUUID` is missing because the page is not served by https. */
export const randomHex = (bytes: number): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => (byte + 256).toString(16).slice(1)).join('')

/** This page load: `seq` counts within it, and both together name an event. */
export const pageId = `p${randomHex(12)}`
