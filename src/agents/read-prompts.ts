import type { Config } from '../config.ts'
import type { Db } from '../db.ts'
import { dryRun, type Prompt } from './narrate/dry-run.ts'
import { readVaultInput } from './read-vault-input.ts'
import { md } from './vault/markdown.ts'
import { draftAlerts, draftDays, draftInsights, draftWeeks, requestsOf } from './vault/plan.ts'

type Asked = { db: Db; config: Config; date: string | undefined; site: string | undefined }

/** What Claude would be sent first about the notes of a day, the last whole one by default, and about what looks at weeks. */
export const readPrompts = async ({ db, config, date, site }: Asked): Promise<Prompt[]> => {
  const [row] = await db.query<{ last: string | null }>(
    `select max(day)::text as last from site_days where totals ->> 'isComplete' = 'true'`,
  )
  const day = date ?? row?.last ?? null
  if (day === null) return []
  const input = await readVaultInput(db, {
    ...{ timeZone: config.BILLING_TIMEZONE, customersMax: 0, from: day, to: day },
    ...(site !== undefined && { sites: [site] }),
  })
  const contextFor = () => ({
    timeZone: config.BILLING_TIMEZONE,
    exists: () => false,
    link: (_: string, text: string) => md(text),
  })
  const drafts = [
    ...draftAlerts(input, contextFor),
    ...draftDays(input.days, input.insights, contextFor),
    ...draftInsights(input.insights, contextFor),
    ...draftWeeks(input, contextFor),
  ]
  return dryRun(
    requestsOf(drafts),
    { name: config.AGENTS_MODEL, effort: config.AGENTS_EFFORT },
    config.ANTHROPIC_BASE_URL,
  )
}

export const renderPrompts = (prompts: readonly Prompt[]): string =>
  prompts.length === 0
    ? 'Nothing would be sent: there is no note with facts that a model may see.\n'
    : prompts
        .map(({ subject, request, facts }, index) =>
          [
            `# First request about note ${index + 1} of ${prompts.length} (${subject}), ${Buffer.byteLength(request)} bytes:`,
            request,
            `# The tools may answer with these ${facts.length} lines:`,
            ...facts,
            '',
          ].join('\n'),
        )
        .join('\n')
