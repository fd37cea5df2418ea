import { api } from './api.ts'
import { guard } from './host.ts'
import { start } from './start.ts'
import type { Options } from './types.ts'

type Call = [name: keyof typeof api, ...args: unknown[]]

/**
 * The static script: configured by its own tag, it puts `evothesis` on the page and first carries out the calls that
 * were queued before it arrived: `(window.evothesis = window.evothesis || []).push(['track', 'signup'])`.
 */
guard(() => {
  const page = window as { evothesis?: unknown }
  const queued = page.evothesis
  const script = document.currentScript as HTMLScriptElement
  const { dataset, src } = script
  if (queued && !Array.isArray(queued)) return
  const push = (...calls: Call[]): void => {
    for (const call of calls)
      guard(([name, ...args]: Call) => (api[name] as (...args: unknown[]) => unknown)(...args))(call)
  }
  page.evothesis = { ...api, push }
  const options: Options = { ...dataset, endpoint: new URL(dataset.endpoint || '/collect', src).href }
  start(options)
  push(...((queued ?? []) as Call[]))
})()
