import { api } from './api.ts'
import { guard } from './host.ts'
import { start } from './start.ts'
import type { Evothesis, Options } from './types.ts'

export type { Consent, EventData, Evothesis, Options } from './types.ts'

let started = false

/** Starts the pixel once. The options are those of the script tag; `endpoint` is the address of your collector. */
export const init = (options: Options): Evothesis => {
  if (!started) guard(start)(options)
  started = true
  return api
}

export const evothesis: Evothesis = api
