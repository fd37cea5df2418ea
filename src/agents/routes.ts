import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Db } from '../db.ts'
import { AppError } from '../errors.ts'
import { type App, requireAdmin } from '../http.ts'
import { addDays, type Calendar, daysBetween } from './days.ts'
import { readJourneys, selectAlertPage, selectCustomer, selectCustomerPage, selectSessions } from './queries.ts'
import { type ReportKind, selectReports } from './report-rows.ts'
import { selectStatus } from './status.ts'

const day = z.iso.date()
const site = z.string().min(1).max(253)
const limit = z.coerce.number().int().min(1).max(200).default(50)
const after = z.string().max(500).optional()
const daysMax = 92

const sitesQuery = z.strictObject({ site: site.optional() })
const daysQuery = z.strictObject({ site: site.optional(), from: day, to: day })
const journeysQuery = z.strictObject({ site, from: day, to: day })
const sessionsQuery = z.strictObject({ site: site.optional(), person: z.string().max(600).optional(), after, limit })
const customersQuery = z.strictObject({ after, limit })
const alertsQuery = z.strictObject({ state: z.enum(['open', 'closed']).optional(), limit })

/**
 * `GET /agents/status | days | funnels | attribution | cohorts | segments | heatmaps | alerts | journeys | sessions |
 * customers | customers/:key`; all for the admin token. Lists that grow come in pages: `after` is the `next` of the page
 * before.
 */
export const agentsRoutes = (
  app: App,
  { db, calendar, adminToken }: { db: Db; calendar: Calendar; adminToken: string },
): void => {
  const onRequest = requireAdmin(adminToken)
  const reports = async (kind: ReportKind, range: { site?: string | undefined; from?: string; to?: string }) => ({
    reports: (
      await selectReports(db, { kind, sites: range.site === undefined ? undefined : [range.site], ...dates(range) })
    ).map(({ body }) => body),
  })
  app.get('/agents/status', { onRequest }, () => selectStatus(db))
  app.get('/agents/days', { onRequest }, (request) => reports('day', bounded(read(daysQuery, request))))
  for (const [name, kind] of [
    ['funnels', 'funnel'],
    ['attribution', 'attribution'],
    ['cohorts', 'cohort'],
    ['heatmaps', 'heatmap'],
  ] as const)
    app.get(`/agents/${name}`, { onRequest }, (request) => reports(kind, read(sitesQuery, request)))
  app.get('/agents/segments', { onRequest }, () => reports('segment', {}))
  app.get('/agents/alerts', { onRequest }, async (request) => {
    const { state, limit: most } = read(alertsQuery, request)
    return { alerts: await selectAlertPage(db, { state, limit: most }) }
  })
  app.get('/agents/journeys', { onRequest }, (request) =>
    readJourneys(db, calendar, bounded(read(journeysQuery, request))),
  )
  app.get('/agents/sessions', { onRequest }, (request) => {
    const query = read(sessionsQuery, request)
    return selectSessions(db, { site: query.site, person: query.person, after: query.after, limit: query.limit })
  })
  app.get('/agents/customers', { onRequest }, (request) => {
    const query = read(customersQuery, request)
    return selectCustomerPage(db, { after: query.after, limit: query.limit })
  })
  app.get<{ Params: { key: string } }>('/agents/customers/:key', { onRequest }, async (request) => {
    const found = await selectCustomer(db, request.params.key)
    if (!found)
      throw new AppError('not_found', 'There is no profile with this key; it may not be among the ones that are kept.')
    return found
  })
}

const dates = ({ from, to }: { from?: string; to?: string }) => ({
  ...(from !== undefined && { from }),
  ...(to !== undefined && { to }),
})

const bounded = <T extends { from: string; to: string }>(range: T): T => {
  const length = daysBetween(range.from, range.to) + 1
  if (length >= 1 && length <= daysMax) return range
  throw new AppError(
    'request_invalid',
    `from and to must span 1 to ${daysMax} days, for example to ${addDays(range.from, daysMax - 1)}.`,
  )
}

const read = <T>(schema: z.ZodType<T>, request: FastifyRequest): T => {
  const parsed = schema.safeParse(request.query)
  if (parsed.success) return parsed.data
  throw new AppError('request_invalid', z.prettifyError(parsed.error))
}
