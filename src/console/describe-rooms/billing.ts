import { z } from 'zod'
import type { Described } from '../describe.ts'

const domainState = z.enum(['seen', 'pending', 'approved', 'blocked'])
const named = z.object({ name: z.string(), state: z.string() })
const eventTypes = z.array(z.string()).min(1).max(50).nullish()
const instant = z.union([z.iso.datetime({ offset: true }), z.iso.date()])

const usage = z.looseObject({
  ...{ month: z.string(), timezone: z.string(), starts_at: z.string(), ends_at: z.string() },
  ...{ events: z.number(), pageviews: z.number(), rejected: z.number(), duplicates: z.number(), billable: z.number() },
  sites: z.array(
    z.object({ site: z.string(), domain: z.string(), state: z.string(), events: z.number(), pageviews: z.number() }),
  ),
  ...{ sites_unlisted: z.number(), plan: z.string(), meter: z.enum(['pageviews', 'events']), included: z.number() },
  ...{ amount_usd: z.string(), amount_micros: z.string() },
  forecast: z.looseObject({ events: z.number(), pageviews: z.number(), amount_usd: z.string() }).nullable(),
  advice: z.object({ plan: z.string(), amount_usd: z.string(), saves_usd: z.string() }).nullable(),
  thresholds: z
    .array(z.object({ percent: z.number(), units: z.number(), reached: z.boolean(), told_at: z.string().nullable() }))
    .describe('Shares of what the plan includes; empty where it includes nothing. `told_at`: when webhooks were told.'),
})
const domain = z.looseObject({
  ...{ domain: z.string(), state: domainState, first_seen: z.string().nullable(), last_seen: z.string().nullable() },
  ...{ events: z.number(), pageviews: z.number(), visitors: z.number(), addresses: z.number() },
  ...{ suspicions: z.array(z.string()), decided_at: z.string().nullable(), decided_by: z.string().nullable() },
})
const endpoint = z.looseObject({
  ...{
    name: z.string(),
    url: z.string(),
    event_types: z.array(z.string()).nullable(),
    origin: z.enum(['settings', 'added']),
  },
  ...{
    state: z.enum(['active', 'disabled']),
    disabled_reason: z.string().nullable(),
    failing_since: z.string().nullable(),
  },
  ...{ rotating_until: z.string().nullable(), pending: z.number(), exhausted: z.number() },
  last_attempt: z
    .looseObject({ at: z.string(), status: z.number().nullable(), error: z.string().nullable() })
    .nullable(),
})
const attempt = z.object({
  ...{
    event: z.string(),
    type: z.string(),
    at: z.string(),
    status: z.number().nullable(),
    error: z.string().nullable(),
  },
  ...{ duration_ms: z.number(), state: z.enum(['pending', 'delivered', 'exhausted', 'cancelled']) },
  next_attempt_at: z.string().nullable(),
})

export const billingDescribed: readonly Described[] = [
  {
    ...{
      method: 'GET',
      path: '/billing/usage',
      role: 'viewer',
      query: z.strictObject({ month: z.string().optional() }),
      answer: usage,
    },
    summary: 'Usage of a month as it is now (YYYY-MM; default: the running one), its price and the forecast.',
  },
  {
    ...{ method: 'GET', path: '/billing/domains', role: 'viewer' },
    answer: z.object({ domains: z.array(domain), scan: z.looseObject({ at: z.string() }).nullable() }),
    summary: 'Domains on which events were seen, with their evidence.',
  },
  ...(['approve', 'block'] as const).map(
    (verb): Described => ({
      ...{ method: 'POST', path: `/billing/domains/:domain/${verb}`, role: 'client' },
      answer: z.object({ domain: z.string(), state: domainState }),
      summary: verb === 'approve' ? 'From now on what comes from it is billed.' : 'What comes from it is never billed.',
    }),
  ),
  {
    ...{ method: 'GET', path: '/billing/statements', role: 'viewer' },
    answer: z.object({
      statements: z.array(
        z.looseObject({
          month: z.string(),
          revision: z.number(),
          issued_at: z.string(),
          sha256: z.string(),
          total_usd: z.string(),
        }),
      ),
    }),
    summary: 'Statements that were issued.',
  },
  {
    ...{ method: 'GET', path: '/billing/statement/:month', role: 'viewer', answer: z.looseObject({}) },
    query: z.strictObject({ revision: z.number().int().min(1).optional(), format: z.enum(['json', 'csv']).optional() }),
    summary: 'A statement, byte by byte as it was issued, or as a table for spreadsheets.',
  },
  {
    ...{ method: 'GET', path: '/webhooks', role: 'viewer' },
    answer: z.object({ endpoints: z.array(endpoint), event_types: z.array(z.string()) }),
    summary: 'Endpoints that are told what happens.',
  },
  {
    ...{ method: 'POST', path: '/webhooks', role: 'operator', status: 201 },
    body: z.strictObject({ name: z.string().max(100), url: z.string().max(4000), event_types: eventTypes }),
    answer: z.object({ name: z.string(), url: z.string(), secret: z.string().describe('Answered this once.') }),
    summary: 'Adds an endpoint.',
  },
  {
    ...{ method: 'POST', path: '/webhooks/replay', role: 'operator' },
    body: z.union([
      z.strictObject({ event: z.string().max(200), endpoint: z.string().nullish() }),
      z.strictObject({ from: instant, to: instant, endpoint: z.string().nullish(), event_types: eventTypes }),
    ]),
    answer: z.object({ deliveries: z.number() }),
    summary: 'Sends one event again, or those of a time.',
  },
  {
    ...{ method: 'DELETE', path: '/webhooks/:name', role: 'operator', answer: named },
    summary: 'Removes an endpoint.',
  },
  {
    ...{ method: 'POST', path: '/webhooks/:name/enable', role: 'operator', answer: named },
    summary: 'Sends to it again.',
  },
  {
    ...{ method: 'POST', path: '/webhooks/:name/disable', role: 'operator', answer: named },
    summary: 'Sends nothing to it any more.',
  },
  {
    ...{ method: 'POST', path: '/webhooks/:name/rotate', role: 'operator' },
    query: z.strictObject({ force: z.boolean().default(false) }),
    answer: z.object({ name: z.string(), secret: z.string() }),
    summary: 'Gives it a new secret; the old one signs, too, for a day.',
  },
  {
    ...{ method: 'POST', path: '/webhooks/:name/send-test', role: 'operator' },
    answer: z.object({
      name: z.string(),
      event: z.string(),
      status: z.number().nullable(),
      error: z.string().nullable(),
      duration_ms: z.number(),
    }),
    summary: 'Sends an event of no meaning, and says what came back.',
  },
  {
    ...{
      method: 'GET',
      path: '/webhooks/:name/attempts',
      role: 'viewer',
      answer: z.object({ attempts: z.array(attempt) }),
    },
    query: z.strictObject({
      limit: z.number().int().min(1).max(1000).default(100),
      failed: z.boolean().default(false),
    }),
    summary: 'The latest attempts at it, with their reasons.',
  },
]
