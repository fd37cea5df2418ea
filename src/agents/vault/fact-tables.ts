import type { Fact } from '../fact.ts'
import type { BreakdownRow, CountRow } from '../report.ts'
import { type Column, type Markdown, md, printed, raw, table } from './markdown.ts'
import { words } from './metric-titles.ts'
import { printFact } from './print-fact.ts'

/** A figure in a cell; a dash where there is none. */
export const fact = (one: Fact | null | undefined): Markdown => (one ? printed(printFact(one)) : md('–'))

const rowsShown = 10

/** Sessions by one dimension, most first; null where there are none. */
export const breakdown = (title: string, rows: readonly BreakdownRow[]): Markdown | null => {
  if (rows.length === 0) return null
  const columns: Column[] = [
    { title },
    { title: 'Sessions', isNumber: true },
    { title: 'Share', isNumber: true },
    { title: 'Conversion', isNumber: true },
    { title: 'Revenue', isNumber: true },
  ]
  return table(
    columns,
    rows
      .slice(0, rowsShown)
      .map(({ rawValue, sessions, share, conversionRate, revenue }) => [
        raw(title === 'Channel' || title === 'Visitors' || title === 'Device' ? words(rawValue) : rawValue),
        ...[sessions, share, conversionRate, revenue].map(fact),
      ]),
  )
}

/** How often each was counted, most first; `none` where nothing was. */
export const counts = (title: string, unit: string, rows: readonly CountRow[], none: string): Markdown =>
  rows.length === 0
    ? md(none)
    : table(
        [{ title }, { title: unit, isNumber: true }],
        rows.slice(0, rowsShown).map(({ rawValue, count }) => [raw(rawValue), fact(count)]),
      )
