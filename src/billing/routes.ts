import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import { AppError } from '../errors.ts'
import { type App, actorOf, requireAdmin } from '../http.ts'
import { type Month, parseMonth } from './calendar.ts'
import { domainsView } from './domain-view.ts'
import { decideDomain, selectDomains } from './domains.ts'
import { type ReportDeps, reportUsage } from './report.ts'
import { selectScan } from './scan-domains.ts'
import { statementCsv } from './statement-csv.ts'
import { selectStatement, selectStatements } from './statement-rows.ts'

type Deps = ReportDeps & { clock: Clock; adminToken: string }

const usageQuery = z.strictObject({ month: z.string().optional() })
const statementQuery = z.strictObject({
  revision: z.coerce.number().int().min(1).max(1_000_000).optional(),
  format: z.enum(['json', 'csv']).optional(),
})

/**
 * `GET /billing/usage`, `GET /billing/domains`, `POST /billing/domains/:domain/approve|block`, `GET /billing/statements`,
 * `GET /billing/statement/:month` (`?format=csv`, `?revision=`); all for the admin token.
 */
export const billingRoutes = (app: App, deps: Deps): void => {
  const { db, clock } = deps
  const onRequest = requireAdmin(deps.adminToken)
  /** A client decides which domains are theirs. */
  const decides = { onRequest, config: { role: 'client' as const } }

  app.get('/billing/usage', { onRequest }, async (request) => {
    const { month } = read(usageQuery, request)
    return reportUsage(deps, month === undefined ? undefined : parseMonth(month), clock.now())
  })

  app.get('/billing/domains', { onRequest }, async () => domainsView(await selectDomains(db), await selectScan(db)))

  for (const [verb, state] of [
    ['approve', 'approved'],
    ['block', 'blocked'],
  ] as const)
    app.post<{ Params: { domain: string } }>(`/billing/domains/:domain/${verb}`, decides, async (request) => {
      const domain = request.params.domain.toLowerCase()
      await decideDomain(db, { domain, state, by: actorOf(request), nowMs: clock.now() })
      return { domain, state }
    })

  app.get('/billing/statements', { onRequest }, async () => ({
    statements: (await selectStatements(db)).map(({ statement, sha256 }) => ({
      ...{ month: statement.month, revision: statement.revision, issued_at: statement.issued_at, sha256 },
      ...{ total_usd: statement.total_usd, total_micros: statement.total_micros, delta: statement.delta },
    })),
  }))

  app.get<{ Params: { month: string } }>('/billing/statement/:month', { onRequest }, async (request, reply) => {
    const { revision, format } = read(statementQuery, request)
    const found = await selectStatement(db, parseMonth(request.params.month), revision ?? null)
    if (!found) throw noStatement(request.params.month)
    if (format === 'csv') return sendCsv(reply, statementCsv(found.statement), found.statement.month)
    // The bytes that were issued: their hash is in the webhook, and a parsed and printed copy would have another.
    return reply.type('application/json').header('x-content-sha256', found.sha256).send(found.text)
  })
}

const read = <T>(schema: z.ZodType<T>, request: FastifyRequest): T => {
  const parsed = schema.safeParse(request.query)
  if (parsed.success) return parsed.data
  throw new AppError('request_invalid', z.prettifyError(parsed.error))
}

export const noStatement = (month: Month): AppError =>
  new AppError(
    'not_found',
    `There is no statement of ${month} yet: a month closes when its grace is over and its usage is in the backup. See /billing/usage?month=${month}`,
  )

const sendCsv = (reply: FastifyReply, csv: string, month: Month): FastifyReply =>
  reply
    .type('text/csv; charset=utf-8')
    .header('content-disposition', `attachment; filename="statement-${month}.csv"`)
    .send(csv)
