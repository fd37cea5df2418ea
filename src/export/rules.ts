import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { AppError, messageOf } from '../errors.ts'
import { exportColumns } from '../types.ts'

/** Columns that no rule may take away: they say which event it is, and where it belongs. */
const keptColumns = ['event_id', 'event_type', 'timestamp', 'created_at']

const site = z
  .string()
  .regex(/^(\*\.)?[a-z0-9.-]+$/, 'must be a host such as shop.example.com, or *.example.com for those below one')
const field = z.string().check((context) => {
  const [column = '', ...steps] = context.value.split('.')
  const problem = !(exportColumns as readonly string[]).includes(column)
    ? `is no column; there are: ${exportColumns.join(', ')}`
    : keptColumns.includes(column)
      ? 'may neither be dropped nor hashed: it says which event this is'
      : steps.length > 0 && column !== 'raw_event_data'
        ? 'has nothing inside; only raw_event_data has'
        : steps.some((step) => step === '')
          ? 'has an empty step'
          : undefined
  if (problem) context.issues.push({ code: 'custom', input: context.value, message: `${context.value} ${problem}` })
})
const selection = z.strictObject({ sites: z.array(site).optional(), event_types: z.array(z.string()).optional() })

/** What one destination gets: which events, and of them which fields. */
const destinationRules = z.strictObject({
  include: selection.optional(),
  exclude: selection.optional(),
  drop: z.array(field).optional(),
  hash: z
    .array(field.refine((name) => name !== 'raw_event_data', 'raw_event_data can be dropped, or hashed inside'))
    .optional(),
})
export const rulesSchema = z.strictObject({
  client: destinationRules,
  backup: z.never({ error: 'The backup is never filtered: it is what billing and restoring rest on.' }).optional(),
})

export type DestinationRules = z.infer<typeof destinationRules>
/** The rules of a part, by destination, as they are frozen in it. */
export type Rules = { client?: DestinationRules }

/** Reads EXPORT_RULES. Throws `setting_invalid` with every mistake in it. */
export const loadRules = (file: string): Rules => {
  let text: string
  try {
    text = readFileSync(path.resolve(file), 'utf8')
  } catch (cause) {
    throw new AppError('setting_invalid', `EXPORT_RULES cannot be read: ${messageOf(cause)}`, { cause })
  }
  let content: unknown
  try {
    content = parse(text)
  } catch (cause) {
    throw new AppError('setting_invalid', `EXPORT_RULES (${file}) is no YAML: ${messageOf(cause)}`, { cause })
  }
  const parsed = rulesSchema.safeParse(content)
  if (!parsed.success)
    throw new AppError('setting_invalid', `EXPORT_RULES (${file}):\n${z.prettifyError(parsed.error)}`)
  return { client: parsed.data.client }
}

export const rulesSha256 = (rules: DestinationRules): string =>
  createHash('sha256').update(JSON.stringify(rules)).digest('hex')
