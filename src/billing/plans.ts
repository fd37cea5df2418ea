import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { z } from 'zod'
import type { Config } from '../config.ts'
import { AppError, messageOf } from '../errors.ts'
import { microsOfUsd } from './money.ts'

const defaultsFile = fileURLToPath(new URL('../../appliance/defaults/plans.yaml', import.meta.url))

const usd = z.string().refine((text) => {
  try {
    return microsOfUsd(text) >= 0n
  } catch {
    return false
  }
}, 'must be dollars as text, such as "199" or "0.01"')
const name = z.string().regex(/^[a-z0-9][a-z0-9_]{0,39}$/)
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const domainPattern = z
  .string()
  .regex(/^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*$/, 'must be a domain such as example.com or *.example.com')

const planSchema = z.strictObject({
  monthly_usd: usd,
  meter: z.enum(['pageviews', 'events']),
  included: count,
  overage: z.strictObject({ usd, per: count.min(1), blocks: z.enum(['pro_rata', 'started']) }),
  per_domain_usd: usd,
})
export type Plan = z.infer<typeof planSchema>

const plansFileSchema = z.strictObject({
  version: z.literal(1),
  grace_hours: count.max(24 * 28),
  wait_hours: count.max(24 * 365),
  domains: z.strictObject({
    pageviews_min: count,
    visitors_min: count,
    auto_approve: z.array(domainPattern).max(1000),
    bill_unapproved: z.boolean(),
  }),
  thresholds_percent: z.array(z.number().int().min(1).max(1000)).max(20),
  plans: z.record(name, planSchema),
  addons: z.record(name, z.strictObject({ monthly_usd: usd, privacy_level: z.string().optional() })),
})
export type PlansFile = z.infer<typeof plansFileSchema>

/** What a period is billed by: frozen on its row when it begins, and printed on its statement. */
export const termsSchema = z.strictObject({
  plan: name,
  terms: planSchema,
  addons: z.array(z.strictObject({ name, monthly_usd: usd })),
  bill_unapproved: z.boolean(),
  grace_hours: count,
  wait_hours: count,
})
export type Terms = z.infer<typeof termsSchema>

/** Reads `DATA_DIR/plans.yaml`, else the defaults. Throws `setting_invalid` with every problem, naming the file. */
export const loadPlans = (dataDir: string): PlansFile => {
  const own = path.join(path.resolve(dataDir), 'plans.yaml')
  const file = existsSync(own) ? own : defaultsFile
  return parsePlans(readFileSync(file, 'utf8'), file)
}

export const parsePlans = (text: string, file: string): PlansFile => {
  let data: unknown
  try {
    data = parse(text)
  } catch (cause) {
    throw new AppError('setting_invalid', `${file} is not YAML: ${messageOf(cause)}`, { cause })
  }
  const parsed = plansFileSchema.safeParse(data)
  if (parsed.success) return parsed.data
  throw new AppError('setting_invalid', `${file} is invalid:\n${z.prettifyError(parsed.error)}`)
}

/** The terms of a period that begins now. Throws `setting_invalid` when BILLING_PLAN is not among the plans. */
export const termsOf = (plans: PlansFile, config: Pick<Config, 'BILLING_PLAN' | 'PRIVACY_LEVEL'>): Terms => {
  const terms = plans.plans[config.BILLING_PLAN]
  if (!terms)
    throw new AppError(
      'setting_invalid',
      `BILLING_PLAN ${config.BILLING_PLAN} is not in plans.yaml; it has: ${Object.keys(plans.plans).join(', ')}.`,
    )
  const addons = Object.entries(plans.addons)
    .filter(([, addon]) => addon.privacy_level === config.PRIVACY_LEVEL)
    .map(([addon, { monthly_usd }]) => ({ name: addon, monthly_usd }))
  return {
    plan: config.BILLING_PLAN,
    terms,
    addons,
    bill_unapproved: plans.domains.bill_unapproved,
    grace_hours: plans.grace_hours,
    wait_hours: plans.wait_hours,
  }
}
