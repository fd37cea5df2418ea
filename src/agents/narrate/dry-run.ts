import { silentLog } from '../../log.ts'
import { secret } from '../../secret.ts'
import type { NarrativeRequest } from '../narrative.ts'
import { askForNarrative, type Model } from './ask.ts'
import { createClient } from './client.ts'
import { factsMin } from './narrator.ts'
import { viewOf } from './view.ts'

export type Prompt = {
  readonly noteId: string
  readonly subject: NarrativeRequest['subject']
  /** The body of the first request, byte for byte. */
  readonly request: string
  /** Every line that a tool may answer with: what follows the first request holds these, and the model's own words. */
  readonly facts: readonly string[]
}

/**
 * What would be sent first about notes: the real client writes the request, and a stand-in for the network takes it. No
 * connection is opened, no key is needed, and nothing is kept.
 */
export const dryRun = async (
  requests: readonly NarrativeRequest[],
  model: Model,
  baseUrl?: string,
): Promise<Prompt[]> => {
  const prompts: Prompt[] = []
  for (const { noteId, subject, facts } of requests) {
    const view = viewOf(facts)
    if (view.facts.length < factsMin) continue
    let request = ''
    const client = createClient({
      ...{
        apiKey: secret('not-a-key'),
        baseUrl,
        log: silentLog,
        timeoutMs: 1_000,
        retries: 0,
        middleware: [],
      },
      fetch: async (_, init) => {
        request = String(init?.body)
        throw new Error('a dry run sends nothing')
      },
    })
    const { signal } = new AbortController()
    await askForNarrative({ client, model, subject, view, signal }).catch(() => {})
    prompts.push({ noteId, subject, request, facts: view.facts.map(({ line }) => line) })
  }
  return prompts
}
