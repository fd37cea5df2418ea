import { APIConnectionError, APIError, APIUserAbortError } from '@anthropic-ai/sdk'
import { BudgetSpent } from './budget.ts'
import { UnusableReply } from './client.ts'

/**
 * What a failed request means for the run: `spent` and `misconfigured` end it, several others in a row do, too.
 */
export type Failure = {
  readonly kind: 'spent' | 'misconfigured' | 'unavailable' | 'unusable'
  /** One line without anything of a request, a reply or the key. */
  readonly line: string
}

const advice: Readonly<Record<number, string>> = {
  401: 'it does not take the key; check ANTHROPIC_API_KEY',
  402: 'the account cannot pay; look at its billing',
  403: 'the key may not do this; check its workspace and permissions',
  404: 'it does not know the model or the address; check AGENTS_MODEL and ANTHROPIC_BASE_URL',
  400: 'it refused the request; check AGENTS_MODEL and AGENTS_EFFORT (none for models without effort)',
}

export const failureOf = (error: unknown): Failure => {
  if (error instanceof BudgetSpent) return { kind: 'spent', line: error.message }
  if (error instanceof UnusableReply) return { kind: 'unusable', line: error.message }
  if (error instanceof APIUserAbortError) return { kind: 'unavailable', line: 'no answer in time' }
  if (error instanceof APIConnectionError) return { kind: 'unavailable', line: 'it could not be reached' }
  if (error instanceof APIError) {
    const status = Number(error.status)
    const said = `it answered ${status}${error.type ? ` (${plain(error.type)})` : ''}`
    const next = advice[status]
    if (next !== undefined) return { kind: 'misconfigured', line: `${said}: ${next}` }
    return { kind: status === 413 || status === 422 ? 'unusable' : 'unavailable', line: said }
  }
  return { kind: 'unusable', line: 'its answer could not be read' }
}

const plain = (text: string): string => text.replace(/[^a-z_]/g, '').slice(0, 40)
