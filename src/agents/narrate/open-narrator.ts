import type { Clock } from '../../clock.ts'
import type { Config } from '../../config.ts'
import type { Db } from '../../db.ts'
import { AppError, messageOf } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Narrate, NarrativeSubject } from '../narrative.ts'
import type { RunKind } from '../run-rows.ts'

/** Every text is the plain one: the writer of AGENTS=off. */
export const narratePlainly: Narrate = async (requests) => new Map(requests.map(({ noteId, plain }) => [noteId, plain]))

/** A day that is under way changes every hour: its text is written at night, once. An alert does not wait. */
const hourlySubjects: readonly NarrativeSubject[] = ['alert', 'insight']
const requestsMax = 300
const tokensMax = 2_000_000
const wallMs = 10 * 60_000
const noteMs = 2 * 60_000
const attemptMs = 60_000
const retries = 2

/**
 * Who writes the texts of notes, as the settings say; a function that begins a run, whose budget is for all it is asked. With AGENTS=off the SDK is not even
 * loaded. Throws `setting_invalid` for AGENTS=on without a key: a key found elsewhere on the machine is never taken.
 */
export const openNarrator = (deps: {
  db: Db
  config: Config
  clock: Clock
  log: Log
}): ((kind: RunKind) => Narrate) => {
  const { config, log, ...rest } = deps
  if (config.AGENTS === 'off') return () => narratePlainly
  const apiKey = config.ANTHROPIC_API_KEY
  if (apiKey === undefined)
    throw new AppError(
      'setting_invalid',
      'A setting is invalid:\n  ANTHROPIC_API_KEY is not set, but AGENTS=on needs it',
    )
  const narratorOf = async (kind: RunKind): Promise<Narrate> => {
    const [{ createNarrator }, { createClient }] = await Promise.all([import('./narrator.ts'), import('./client.ts')])
    return createNarrator({
      ...{ ...rest, log, noteMs },
      model: { name: config.AGENTS_MODEL, effort: config.AGENTS_EFFORT },
      limits: { usd: config.AGENTS_BUDGET_USD, requests: requestsMax, tokens: tokensMax, wallMs },
      openClient: (middleware) =>
        createClient({ apiKey, baseUrl: config.ANTHROPIC_BASE_URL, log, middleware, retries, timeoutMs: attemptMs }),
      ...(kind === 'hourly' && { subjects: hourlySubjects }),
    })
  }
  return (kind) => {
    let opened: Promise<Narrate> | undefined
    return async (requests, report, signal) => {
      opened ??= narratorOf(kind).catch((error: unknown) => {
        log.error({ reason: messageOf(error) }, 'the SDK of the Claude API could not be loaded')
        return narratePlainly
      })
      return (await opened)(requests, report, signal)
    }
  }
}
