import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { z } from 'zod'
import { AppError, messageOf } from '../errors.ts'
import { shownName, shownSentence } from './funnel-file.ts'

const defaultsFile = fileURLToPath(new URL('../../appliance/defaults/segments.yaml', import.meta.url))

const numberFields = [
  ...['visits', 'pageviews', 'engaged_seconds', 'orders', 'revenue', 'days_since_first_visit', 'days_since_last_visit'],
  ...['days_since_last_order', 'probability_alive', 'propensity'],
] as const
const textFields = ['stage', 'first_channel', 'last_channel', 'device', 'site', 'rfm_segment', 'identified'] as const
const field = z.union([
  z.enum([...numberFields, ...textFields]),
  z.string().regex(/^trait\.[\p{L}\p{N}_ -]{1,40}$/u, 'must be a field, or trait. and the name of a trait'),
])
const scalar = z.union([z.string().max(200), z.number(), z.boolean()])
const condition = z
  .strictObject({
    field,
    eq: scalar.optional(),
    in: z.array(scalar).min(1).max(100).optional(),
    gt: z.number().optional(),
    gte: z.number().optional(),
    lt: z.number().optional(),
    lte: z.number().optional(),
    known: z.boolean().optional(),
  })
  .refine(({ field: _, ...tests }) => Object.values(tests).some((one) => one !== undefined), 'needs a comparison')
export type Condition = z.infer<typeof condition>
export type Rule = Condition | { all: Rule[] } | { any: Rule[] } | { not: Rule }
const rule: z.ZodType<Rule> = z.lazy(() =>
  z.union([
    condition,
    z.strictObject({ all: z.array(rule).min(1).max(20) }),
    z.strictObject({ any: z.array(rule).min(1).max(20) }),
    z.strictObject({ not: rule }),
  ]),
)
const segment = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9_]{0,39}$/, 'must be 1 to 40 of a-z, 0-9 and _'),
  name: shownName,
  description: shownSentence.default('No description'),
  rule,
})
export type Segment = z.infer<typeof segment>
const file = z
  .strictObject({ version: z.literal(1), segments: z.array(segment).max(50) })
  .refine(
    ({ segments }) => new Set(segments.map(({ id }) => id)).size === segments.length,
    'has two segments with one id',
  )

/** Reads `DATA_DIR/segments.yaml`, else the defaults. Throws `setting_invalid` with every problem, naming the file. */
export const loadSegments = (dataDir: string): Segment[] => {
  const own = path.join(path.resolve(dataDir), 'segments.yaml')
  const name = existsSync(own) ? own : defaultsFile
  return parseSegments(readFileSync(name, 'utf8'), name)
}

export const parseSegments = (text: string, name: string): Segment[] => {
  let data: unknown
  try {
    data = parse(text)
  } catch (cause) {
    throw new AppError('setting_invalid', `${name} is not YAML: ${messageOf(cause)}`, { cause })
  }
  const parsed = file.safeParse(data)
  if (parsed.success) return parsed.data.segments
  throw new AppError('setting_invalid', `${name} is invalid:\n${z.prettifyError(parsed.error)}`)
}

/** What a rule is asked about: a field's value, or undefined where it is not known. A text may be several (sites). */
export type FieldOf = (field: string) => string | number | boolean | readonly string[] | undefined

/** A condition on what is not known does not hold, whatever it asks. */
export const holds = (asked: Rule, read: FieldOf): boolean => {
  if ('all' in asked) return asked.all.every((one) => holds(one, read))
  if ('any' in asked) return asked.any.some((one) => holds(one, read))
  if ('not' in asked) return !holds(asked.not, read)
  const value = read(asked.field)
  if (asked.known !== undefined && asked.known !== (value !== undefined)) return false
  if (value === undefined) return asked.known === false
  const among = (wanted: string | number | boolean): boolean =>
    Array.isArray(value) ? value.includes(wanted) : String(value) === String(wanted)
  if (asked.eq !== undefined && !among(asked.eq)) return false
  if (asked.in !== undefined && !asked.in.some(among)) return false
  const number = typeof value === 'boolean' || Array.isArray(value) ? Number.NaN : Number(value)
  if (asked.gt !== undefined && !(number > asked.gt)) return false
  if (asked.gte !== undefined && !(number >= asked.gte)) return false
  if (asked.lt !== undefined && !(number < asked.lt)) return false
  return asked.lte === undefined || number <= asked.lte
}

/** The rule in words, for a note. */
export const describeRule = (asked: Rule): string => {
  if ('all' in asked) return asked.all.map(describeNested).join(' and ')
  if ('any' in asked) return asked.any.map(describeNested).join(' or ')
  if ('not' in asked) return `not ${describeNested(asked.not)}`
  const { field: name, eq, in: among, gt, gte, lt, lte, known } = asked
  const words = name.replaceAll('_', ' ')
  const parts = [
    ...(eq === undefined ? [] : [`is ${eq}`]),
    ...(among === undefined ? [] : [`is ${among.join(' or ')}`]),
    ...(gt === undefined ? [] : [`above ${gt}`]),
    ...(gte === undefined ? [] : [`at least ${gte}`]),
    ...(lt === undefined ? [] : [`below ${lt}`]),
    ...(lte === undefined ? [] : [`at most ${lte}`]),
    ...(known === undefined ? [] : [known ? 'is known' : 'is not known']),
  ]
  return `${words} ${parts.join(' and ')}`
}
const describeNested = (one: Rule): string =>
  'all' in one || 'any' in one ? `(${describeRule(one)})` : describeRule(one)
