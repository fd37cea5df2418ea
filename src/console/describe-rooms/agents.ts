import { z } from 'zod'
import type { Described } from '../describe.ts'

const site = z.string().max(253).optional()
const reports = z.object({ reports: z.array(z.looseObject({})) })
const page = { after: z.string().optional(), limit: z.number().int().min(1).max(200).default(50) }
const rows = z.object({ rows: z.array(z.looseObject({})), next: z.string().nullable() })
const person = z.strictObject({ visitor: z.string().optional(), user: z.string().optional() })
const erasure = z.object({
  ...{ erasure_id: z.string(), requested_at: z.string(), requested_by: z.string(), kind: z.enum(['visitor', 'user']) },
  state: z.enum(['waiting', 'erasing', 'delivering', 'finished']),
  ...{ events: z.number(), parts_waiting: z.number(), finished_at: z.string().nullable() },
})
const alert = z.object({
  ...{ alert: z.string(), subject: z.string(), severity: z.enum(['critical', 'warning']), text: z.string() },
  ...{ told: z.number(), raised_at: z.string(), cleared_at: z.string().nullable(), runbook: z.string() },
})

/** What the agents found, requests of people, and alerts. */
export const agentsDescribed: readonly Described[] = [
  {
    ...{ method: 'GET', path: '/agents/status', role: 'viewer', answer: z.looseObject({}) },
    summary: 'What was read and what waits.',
  },
  {
    ...{ method: 'GET', path: '/agents/days', role: 'viewer', answer: reports },
    query: z.strictObject({ site, from: z.iso.date(), to: z.iso.date() }),
    summary: 'Reports of days.',
  },
  ...(['funnels', 'attribution', 'cohorts', 'heatmaps'] as const).map(
    (name): Described => ({
      ...{ method: 'GET', path: `/agents/${name}`, role: 'viewer', answer: reports, query: z.strictObject({ site }) },
      summary: `Reports: ${name}.`,
    }),
  ),
  { ...{ method: 'GET', path: '/agents/segments', role: 'viewer', answer: reports }, summary: 'Reports: segments.' },
  {
    ...{
      method: 'GET',
      path: '/agents/alerts',
      role: 'viewer',
      answer: z.object({ alerts: z.array(z.looseObject({})) }),
    },
    query: z.strictObject({ state: z.enum(['open', 'closed']).optional(), limit: page.limit }),
    summary: 'Drop-offs that are unlike what was expected.',
  },
  {
    ...{ method: 'GET', path: '/agents/journeys', role: 'viewer', answer: z.looseObject({ cases: z.number() }) },
    query: z.strictObject({ site: z.string(), from: z.iso.date(), to: z.iso.date() }),
    summary: 'Which page followed which, and whole ways.',
  },
  {
    ...{ method: 'GET', path: '/agents/sessions', role: 'viewer', answer: rows },
    query: z.strictObject({ site, person: z.string().optional(), ...page }),
    summary: 'Visits, newest first, with what was done in them.',
  },
  {
    ...{ method: 'GET', path: '/agents/customers', role: 'viewer', answer: rows, query: z.strictObject(page) },
    summary: 'Profiles of customers.',
  },
  {
    ...{ method: 'GET', path: '/agents/customers/:key', role: 'viewer', answer: z.looseObject({}) },
    summary: 'The profile of a customer.',
  },
  {
    ...{ method: 'POST', path: '/privacy/forget', role: 'client', status: 202, body: person, answer: erasure },
    summary: 'Asks for the erasure of a person.',
  },
  {
    ...{ method: 'GET', path: '/privacy/erasures', role: 'viewer', answer: z.object({ erasures: z.array(erasure) }) },
    summary: 'Erasures, and how far they are.',
  },
  { ...{ method: 'GET', path: '/privacy/erasures/:id', role: 'viewer', answer: erasure }, summary: 'One of them.' },
  {
    ...{ method: 'POST', path: '/privacy/export', role: 'client', body: person },
    answer: z.object({
      person,
      generated_at: z.string(),
      events: z.array(z.looseObject({})),
      consents: z.array(z.looseObject({})),
    }),
    summary: 'All that is held of a person, for access and portability.',
  },
  {
    ...{ method: 'GET', path: '/alerts', role: 'viewer', answer: z.object({ alerts: z.array(alert) }) },
    summary: 'What somebody must look at.',
  },
]
