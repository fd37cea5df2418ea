import { stringify } from 'csv-stringify/sync'
import { usdOfMicros } from './money.ts'
import type { Statement } from './statement.ts'

const columns = ['month', 'revision', 'kind', 'name', 'events', 'pageviews', 'quantity', 'amount_usd']

/**
 * A statement for a spreadsheet: a row for each line of the bill, adjustment, domain and site, with the total. Site ids
 * come from strangers, so cells that a spreadsheet would take for a formula are escaped (OWASP, "CSV injection").
 */
export const statementCsv = (statement: Statement): string => {
  const { month, revision } = statement
  const usd = (micros: string): string => usdOfMicros(BigInt(micros))
  const row = (
    kind: string,
    name: string,
    cells: Partial<Record<'events' | 'pageviews' | 'quantity', number>>,
    amount = '',
  ) => [...[month, revision, kind, name, cells.events ?? '', cells.pageviews ?? '', cells.quantity ?? '', amount]]
  const rows = [
    ...statement.lines.map((one) => row('line', one.item, { quantity: one.quantity }, usd(one.amount_micros))),
    ...statement.adjustments.map((one) =>
      row('adjustment', `${one.month} revision ${one.revision}`, {}, usd(one.amount_micros)),
    ),
    row('total', '', statement.billable, usd(statement.total_micros)),
    ...(statement.delta
      ? [row('delta', 'to the revision before', statement.delta, usd(statement.delta.amount_micros))]
      : []),
    ...statement.domains.map((one) => row('domain', one.domain, one)),
    ...statement.sites.map((one) => row('site', one.site, one)),
    row('collected', 'approved or not', statement.collected),
  ]
  return stringify([columns, ...rows], { escape_formulas: true })
}
