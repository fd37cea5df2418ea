import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { z } from 'zod'
import { AppError, messageOf } from '../errors.ts'
import { pathTransformNames } from './attribution/path-transforms.ts'

const defaultsFile = fileURLToPath(new URL('../../appliance/defaults/funnels.yaml', import.meta.url))

const id = z.string().regex(/^[a-z0-9][a-z0-9_]{0,39}$/, 'must be 1 to 40 of a-z, 0-9 and _')
/** Names are shown as they are, also to a model: words of the operator, without anything that a document would obey. */
const shownText = (charsMax: number) =>
  z
    .string()
    .min(1)
    .max(charsMax)
    .regex(/^[\p{L}\p{N} .,:'()/&%+-]+$/u, "may hold letters, digits, spaces and .,:'()/&%+- only")
export const shownName = shownText(60)
export const shownSentence = shownText(200)
const eventType = z.string().min(1).max(200)
const pathPattern = z.string().startsWith('/').max(300)

const stepSchema = z.strictObject({
  name: shownName,
  event: z.union([eventType, z.array(eventType).min(1).max(20)]),
  /** A path, or several; `*` stands for anything. Of other events than pageviews: the page they happened on. */
  path: z.union([pathPattern, z.array(pathPattern).min(1).max(20)]).optional(),
})
const funnelSchema = z.strictObject({
  id,
  name: shownName,
  order: z.enum(['sequential', 'strict', 'any']).default('sequential'),
  counts: z.enum(['sessions', 'visitors']).default('sessions'),
  /** From the first step to the last. Of `sessions` it is the session. */
  window_hours: z
    .number()
    .min(1)
    .max(24 * 366)
    .default(14 * 24),
  sites: z.array(z.string().min(1).max(253)).max(100).optional(),
  steps: z.array(stepSchema).min(2).max(12),
  /** Whoever does one of these between the first step and the last is not in the funnel. */
  exclude: z.array(eventType).max(20).default([]),
})
export type Funnel = z.infer<typeof funnelSchema>

const fileSchema = z
  .strictObject({
    version: z.literal(1),
    attribution: z
      .strictObject({
        lookback_days: z.number().int().min(1).max(180).default(30),
        path: z.enum(pathTransformNames).default('unique_path'),
      })
      .prefault({}),
    alerts: z
      .strictObject({
        q: z.number().min(0.0001).max(0.5).default(0.05),
        people_min: z.number().int().min(20).max(1_000_000).default(200),
        points_min: z.number().min(0.001).max(1).default(0.05),
      })
      .prefault({}),
    funnels: z.array(funnelSchema).max(50),
  })
  .refine(({ funnels }) => new Set(funnels.map((one) => one.id)).size === funnels.length, 'has two funnels with one id')
export type FunnelFile = z.infer<typeof fileSchema>

/** Reads `DATA_DIR/funnels.yaml`, else the defaults. Throws `setting_invalid` with every problem, naming the file. */
export const loadFunnels = (dataDir: string): FunnelFile => {
  const own = path.join(path.resolve(dataDir), 'funnels.yaml')
  const file = existsSync(own) ? own : defaultsFile
  return parseFunnels(readFileSync(file, 'utf8'), file)
}

export const parseFunnels = (text: string, file: string): FunnelFile => {
  let data: unknown
  try {
    data = parse(text)
  } catch (cause) {
    throw new AppError('setting_invalid', `${file} is not YAML: ${messageOf(cause)}`, { cause })
  }
  const parsed = fileSchema.safeParse(data)
  if (parsed.success) return parsed.data
  throw new AppError('setting_invalid', `${file} is invalid:\n${z.prettifyError(parsed.error)}`)
}

/** Event types that funnels ask for. */
export const typesOfFunnels = ({ funnels }: FunnelFile): Set<string> =>
  new Set(funnels.flatMap(({ steps, exclude }) => [...steps.flatMap(({ event }) => event), ...exclude]))

/** Changes when what the funnel counts changes; its name does not. */
export const definitionOf = ({ name: _, sites: __, ...funnel }: Funnel): string =>
  createHash('sha256')
    .update(JSON.stringify({ ...funnel, steps: funnel.steps.map(({ name: ___, ...step }) => step) }))
    .digest('hex')
    .slice(0, 16)

/** `*.example.com` is every site below it. */
export const isForSite = ({ sites }: Funnel, siteId: string): boolean =>
  !sites || sites.some((site) => (site.startsWith('*.') ? siteId.endsWith(site.slice(1)) : siteId === site))
