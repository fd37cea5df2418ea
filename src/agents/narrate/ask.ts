import type Anthropic from '@anthropic-ai/sdk'
import { betaZodOutputFormat } from '@anthropic-ai/sdk/helpers/beta/zod'
import type { BetaMessage, BetaMessageParam } from '@anthropic-ai/sdk/resources/beta'
import type { Narrative, NarrativeRequest } from '../narrative.ts'
import { checkDraft } from './check-draft.ts'
import { type Draft, draftSchema } from './draft.ts'
import { firstMessage, retryMessage, systemPrompt } from './prompt.ts'
import { factTools } from './tools.ts'
import type { View } from './view.ts'

export const efforts = ['low', 'medium', 'high', 'none'] as const
export type Effort = (typeof efforts)[number]
export type Model = { readonly name: string; readonly effort: Effort }

/** Of one answer, thinking included. */
export const outputTokens = 3_000
/** Rounds of reading facts, and the answer. */
const roundsMax = 5
/** A draft that is refused is written once more. */
const draftsMax = 2

export type Answer =
  | { readonly kind: 'written'; readonly narrative: Narrative }
  /** Twice refused by the gate. */
  | { readonly kind: 'rejected'; readonly problems: readonly string[] }
  /** The model gave no answer that could be looked at; asking again about the same facts would cost the same. */
  | { readonly kind: 'unanswered'; readonly reason: string }

/** What is sent about a note: everything but the turns that follow. No sampling parameter, no forced tool, no stored thread. */
export const paramsOf = ({ name, effort }: Model, subject: NarrativeRequest['subject'], view: View) => ({
  model: name,
  max_tokens: outputTokens,
  system: systemPrompt,
  messages: [{ role: 'user' as const, content: firstMessage(subject, view) }],
  tools: factTools(view),
  max_iterations: roundsMax,
  // Stored threads keep a copy at the API for an hour, and save nothing.
  thread: false as const,
  output_config: { format: betaZodOutputFormat(draftSchema), ...(effort !== 'none' && { effort }) },
})

/**
 * Has one note written: the model reads facts by tools and answers with a draft, which is held against the facts; a
 * refused one is written once more with the reasons. Throws what the SDK throws, `BudgetSpent` and `UnusableReply`.
 */
export const askForNarrative = async (options: {
  client: Anthropic
  model: Model
  subject: NarrativeRequest['subject']
  view: View
  signal: AbortSignal
}): Promise<Answer> => {
  const { client, model, subject, view, signal } = options
  const params = paramsOf(model, subject, view)
  let messages: BetaMessageParam[] = params.messages
  let problems: readonly string[] = []
  for (let draft = 1; draft <= draftsMax; draft++) {
    const runner = client.beta.messages.toolRunner({ ...params, messages }, { signal })
    let last: BetaMessage | undefined
    for await (const message of runner) last = message
    if (!last) return { kind: 'unanswered', reason: 'nothing' }
    if (last.stop_reason !== 'end_turn') return { kind: 'unanswered', reason: last.stop_reason ?? 'nothing' }
    const read = readDraft(last)
    const checked =
      read === undefined ? { problems: ['The answer is not of the required form.'] } : checkDraft(read, view)
    if ('narrative' in checked) return { kind: 'written', narrative: checked.narrative }
    problems = checked.problems
    // An empty turn may not be sent back.
    if (last.content.length === 0) break
    messages = [
      ...withoutAnswer(runner.params.messages, last),
      { role: 'assistant', content: last.content },
      { role: 'user', content: retryMessage(problems) },
    ]
  }
  return { kind: 'rejected', problems }
}

const withoutAnswer = (messages: readonly BetaMessageParam[], last: BetaMessage): BetaMessageParam[] => {
  const turn = messages.at(-1)
  const isAnswer = turn?.role === 'assistant' && JSON.stringify(turn.content) === JSON.stringify(last.content)
  return isAnswer ? messages.slice(0, -1) : [...messages]
}

const readDraft = (message: BetaMessage): Draft | undefined => {
  const text = message.content.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('')
  try {
    return draftSchema.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}
