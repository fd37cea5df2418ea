import { createHash } from 'node:crypto'
import { z } from 'zod'
import { AppError } from '../errors.ts'
import { sha256OfText } from '../storage/sha256.ts'
import { domainOf } from './domain.ts'
import { usdOfMicros } from './money.ts'
import type { Period } from './periods.ts'
import { termsSchema } from './plans.ts'
import { type Advice, type Billable, type Line, priceLines, totalOf } from './price.ts'
import { billableOf, type Covered, type Decisions, isBilled, type QuarterUsage } from './usage.ts'

const count = z.number().int().nonnegative()
const micros = z.string().regex(/^-?\d+$/)
const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/)
const month = z.string().regex(/^\d{4}-\d{2}$/)

/**
 * A statement, version 1: what a client is billed for a month, and how anybody can prove it from the backup alone. Usage is
 * that of the manifests in `covered`; `usage_sha256` is over its billed rows per quarter and site. Counts are JSON numbers,
 * money is text in micro-dollars. A revision after the first has `delta`, which a later statement charges among its
 * `adjustments`; `total_micros` is what the first revision charges.
 */
export const statementSchema = z.object({
  version: z.literal(1),
  client_id: z.string(),
  node_id: z.string(),
  month,
  revision: z.number().int().positive(),
  supersedes_sha256: sha256Hex.nullable(),
  /** The statement this node issued before, of whatever month: so an edited one breaks the chain. */
  previous_statement_sha256: sha256Hex.nullable(),
  issued_at: z.iso.datetime(),
  timezone: z.string(),
  starts_at: z.iso.datetime(),
  ends_at: z.iso.datetime(),
  terms: termsSchema,
  covered: z.array(z.object({ node: z.string(), epoch: z.string(), through: count, sha256: sha256Hex })),
  /** Events of the month that had not reached the backup when the statement was issued. */
  pending_events: count,
  decisions: z.object({ approved: z.array(z.string()), blocked: z.array(z.string()) }),
  collected: z.object({ events: count, pageviews: count }),
  nodes: z.array(z.object({ node: z.string(), events: count, pageviews: count })),
  domains: z.array(z.object({ domain: z.string(), events: count, pageviews: count })),
  sites: z.array(z.object({ site: z.string(), domain: z.string(), events: count, pageviews: count })),
  usage_sha256: sha256Hex,
  billable: z.object({ events: count, pageviews: count, domains: count }),
  lines: z.array(z.object({ item: z.string(), quantity: count, amount_micros: micros })),
  subtotal_micros: micros,
  adjustments: z.array(z.object({ month, revision: count, amount_micros: micros })),
  total_micros: micros,
  total_usd: z.string(),
  delta: z.object({ events: z.number().int(), pageviews: z.number().int(), amount_micros: micros }).nullable(),
  advice: z.object({ plan: z.string(), amount_micros: micros, saves_micros: micros }).nullable(),
})
export type Statement = z.infer<typeof statementSchema>
export type Adjustment = Statement['adjustments'][number]
export type Issued = { statement: Statement; text: string; sha256: string }

/** Reads a statement. Throws `verify_failed`, naming where it came from. */
export const parseStatement = (text: string, from: string): Issued => {
  let data: unknown
  try {
    data = JSON.parse(text)
  } catch (cause) {
    throw new AppError('verify_failed', `${from} is not JSON.`, { cause })
  }
  const parsed = statementSchema.safeParse(data)
  if (!parsed.success) throw new AppError('verify_failed', `${from} is no statement: ${z.prettifyError(parsed.error)}`)
  return { statement: parsed.data, text, sha256: sha256OfText(text) }
}

/** Everything of a statement that follows from usage, decisions and terms: what a reconciliation computes again. */
export type Derived = Pick<
  Statement,
  'collected' | 'nodes' | 'domains' | 'sites' | 'usage_sha256' | 'billable' | 'lines' | 'subtotal_micros'
>

/** Sites that a statement lists; more are summed up under `(other)` of their domain. */
const sitesListedMax = 2000

/** Pure: the same usage gives the same figures on every machine. */
export const derive = (
  usage: readonly QuarterUsage[],
  decisions: Decisions,
  terms: Period['terms'],
): Derived & { billed: Billable; priced: Line[] } => {
  const billedUsage = usage.filter((row) => isBilled(domainOf(row.site), decisions, terms.bill_unapproved))
  const perSite = [...sumBy(billedUsage, (row) => row.site)].map(([site, sum]) => ({ site, ...sum }))
  const billed = billableOf(perSite, decisions, terms.bill_unapproved)
  const priced = priceLines(terms, billed)
  return {
    collected: sum(usage),
    nodes: [...sumBy(usage, (row) => row.node)].map(([node, total]) => ({ node, ...total })).sort(byKey('node')),
    domains: [...sumBy(perSite, (row) => domainOf(row.site))]
      .map(([domain, total]) => ({ domain, ...total }))
      .sort(byKey('domain')),
    sites: listSites(perSite),
    usage_sha256: hashOf(billedUsage),
    billable: billed,
    lines: priced.map(({ item, quantity, amountMicros }) => ({ item, quantity, amount_micros: String(amountMicros) })),
    subtotal_micros: String(totalOf(priced)),
    ...{ billed, priced },
  }
}

type Counts = { events: number; pageviews: number }

const sum = (rows: readonly Counts[]): Counts => ({
  events: rows.reduce((total, row) => total + row.events, 0),
  pageviews: rows.reduce((total, row) => total + row.pageviews, 0),
})

const sumBy = <T extends Counts>(rows: readonly T[], keyOf: (row: T) => string): Map<string, Counts> => {
  const sums = new Map<string, Counts>()
  for (const row of rows) {
    const total = sums.get(keyOf(row)) ?? { events: 0, pageviews: 0 }
    sums.set(keyOf(row), { events: total.events + row.events, pageviews: total.pageviews + row.pageviews })
  }
  return sums
}

/** By code unit, as every machine does: a collation is a matter of taste and version. */
const byKey =
  <K extends string>(key: K) =>
  (a: Record<K, string>, b: Record<K, string>): number =>
    a[key] < b[key] ? -1 : a[key] > b[key] ? 1 : 0

const listSites = (perSite: readonly (Counts & { site: string })[]): Statement['sites'] => {
  const all = perSite.map((one) => ({ ...one, domain: domainOf(one.site) }))
  const largestFirst = all.sort((a, b) => b.events - a.events || byKey('site')(a, b))
  const rest = [...sumBy(largestFirst.slice(sitesListedMax), (row) => row.domain)]
  return [
    ...largestFirst
      .slice(0, sitesListedMax)
      .map(({ site, domain, events, pageviews }) => ({ site, domain, events, pageviews })),
    ...rest.map(([domain, total]) => ({ site: '(other)', domain, ...total })),
  ].sort((a, b) => byKey('domain')(a, b) || byKey('site')(a, b))
}

/** SHA-256 over `quarter site events pageviews` a line, over all nodes, by quarter and then by site. */
const hashOf = (usage: readonly QuarterUsage[]): string => {
  const rows = [...sumBy(usage, (row) => `${new Date(row.quarterMs).toISOString()} ${row.site}`)]
  const lines = rows.map(([key, total]) => ({ key, line: `${key} ${total.events} ${total.pageviews}\n` }))
  const hash = createHash('sha256')
  for (const { line } of lines.sort(byKey('key'))) hash.update(line)
  return hash.digest('hex')
}

/** Composes a statement: the text that is stored, published and hashed, and never rendered again. */
export const composeStatement = (input: {
  clientId: string
  nodeId: string
  period: Period
  issuedMs: number
  covered: Covered[]
  usage: readonly QuarterUsage[]
  pendingEvents: number
  decisions: { approved: string[]; blocked: string[] }
  adjustments: Adjustment[]
  /** The revision that this one corrects. */
  corrected: Issued | undefined
  previousSha256: string | null
  adviceOf: (usage: Billable) => Advice | null
}): Issued => {
  const { period, corrected, decisions } = input
  const sets = { approved: new Set(decisions.approved), blocked: new Set(decisions.blocked) }
  const { billed, priced, ...derived } = derive(input.usage, sets, period.terms)
  const subtotal = totalOf(priced)
  const total = input.adjustments.reduce((all, one) => all + BigInt(one.amount_micros), subtotal)
  const advice = input.adviceOf(billed)
  const before = corrected?.statement
  const statement: Statement = {
    version: 1,
    client_id: input.clientId,
    node_id: input.nodeId,
    month: period.month,
    revision: (before?.revision ?? 0) + 1,
    supersedes_sha256: corrected?.sha256 ?? null,
    previous_statement_sha256: input.previousSha256,
    issued_at: new Date(input.issuedMs).toISOString(),
    timezone: period.timeZone,
    starts_at: new Date(period.startsMs).toISOString(),
    ends_at: new Date(period.endsMs).toISOString(),
    terms: period.terms,
    covered: input.covered,
    pending_events: input.pendingEvents,
    decisions,
    ...derived,
    adjustments: input.adjustments,
    total_micros: String(total),
    total_usd: usdOfMicros(total),
    delta: before
      ? {
          events: billed.events - before.billable.events,
          pageviews: billed.pageviews - before.billable.pageviews,
          amount_micros: String(subtotal - BigInt(before.subtotal_micros)),
        }
      : null,
    advice: advice && {
      plan: advice.plan,
      amount_micros: String(advice.amountMicros),
      saves_micros: String(advice.savesMicros),
    },
  }
  const text = `${JSON.stringify(statement, null, 2)}\n`
  return { statement, text, sha256: sha256OfText(text) }
}
