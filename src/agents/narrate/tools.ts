import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod'
import type { BetaRunnableTool } from '@anthropic-ai/sdk/lib/tools/BetaRunnableTool'
import { ToolError } from '@anthropic-ai/sdk/lib/tools/ToolError'
import { z } from 'zod'
import type { FactMetric } from '../fact.ts'
import type { View, VisibleFact } from './view.ts'

/** Of one answer. */
const factsMax = 50
const answerBytes = 8_000
/** Of all answers about one note: a model that asks for ever is not sent more. */
const answersBytes = 64_000

/**
 * The tools of one note. They read its facts and nothing else: no database, no file, no network, no other note. An
 * answer is at most 50 facts and 8 kB, as lines of JSON that are the same in a dry run.
 */
export const factTools = (view: View): BetaRunnableTool[] => {
  const metrics = [...new Set(view.facts.map(({ fact }) => fact.metric))] as [FactMetric, ...FactMetric[]]
  let sentBytes = 0
  const answer = (facts: readonly VisibleFact[]): string => {
    const text = answerOf(facts)
    sentBytes += Buffer.byteLength(text)
    if (sentBytes > answersBytes) throw new ToolError('You have read enough. Write the text now.')
    return text
  }
  const after = (facts: readonly VisibleFact[], id: string | null): readonly VisibleFact[] => {
    if (id === null) return facts
    const at = facts.findIndex((one) => one.id === id)
    if (at < 0) throw new ToolError('There is no such fact in this list.')
    return facts.slice(at + 1)
  }
  return [
    betaZodTool({
      name: 'list_facts',
      description:
        'Lists facts of the note, the most important first; of one metric, or with null of all. At most fifty at once: where the answer says "more", ask again with its last id as after.',
      inputSchema: z.strictObject({ metric: z.enum(metrics).nullable(), after: z.string().nullable() }),
      run: ({ metric, after: id }) =>
        answer(after(metric === null ? view.facts : view.facts.filter(({ fact }) => fact.metric === metric), id)),
    }),
    betaZodTool({
      name: 'related_facts',
      description:
        'Lists what else is known of what a fact is about: other metrics of the same page, channel, step and so on.',
      inputSchema: z.strictObject({ fact_id: z.string() }),
      run: ({ fact_id }) => {
        const seen = view.byId.get(fact_id)
        if (!seen) throw new ToolError('There is no such fact.')
        const same = JSON.stringify(seen.about)
        return answer(view.facts.filter((one) => one !== seen && JSON.stringify(one.about) === same))
      },
    }),
  ] as BetaRunnableTool[]
}

const answerOf = (facts: readonly VisibleFact[]): string => {
  const lines: string[] = []
  let bytes = 0
  for (const { line } of facts.slice(0, factsMax)) {
    bytes += Buffer.byteLength(line) + 1
    if (bytes > answerBytes) break
    lines.push(line)
  }
  if (facts.length === 0) return 'none'
  return [...lines, ...(lines.length < facts.length ? ['more'] : [])].join('\n')
}
