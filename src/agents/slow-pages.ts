import type { Queryable } from '../db.ts'
import type { Day } from './days.ts'
import type { FactMaker } from './make-fact.ts'
import { compare } from './paths.ts'
import type { CountRow } from './report.ts'
import { quantileOfSorted } from './statistics/quantiles.ts'

const slowPagesMax = 10
const measurementsMin = 10

/** By page, all devices together: milliseconds, as often as they were measured. */
export type LoadingTimes = ReadonlyMap<string, readonly number[]>

/** Pages of the day that were measured often enough for a figure. */
export const selectLoadingTimes = async (db: Queryable, siteId: string, day: Day): Promise<LoadingTimes> => {
  const rows = await db.query<{ path: string; lcp: string }>(
    `select path, lcp from page_days where site_id = $1::text and day = $2::date and lcp::text <> '[]' and path <> ''`,
    [siteId, day],
  )
  const pages = new Map<string, number[]>()
  for (const { path, lcp } of rows) {
    const times = pages.get(path) ?? []
    pages.set(path, times)
    for (const [ms, count] of JSON.parse(lcp) as [string, number][])
      for (let one = 0; one < count; one++) times.push(Number(ms))
  }
  return new Map([...pages].filter(([, times]) => times.length >= measurementsMin))
}

export const slowPages = (facts: FactMaker, pages: LoadingTimes, viewers: (page: string) => number): CountRow[] =>
  [...pages]
    .map(([page, times]) => ({
      rawValue: page,
      count: facts.fact('page_load_p75', (quantileOfSorted(Float64Array.from(times).sort(), 0.75) ?? 0) / 1000, {
        ...{ unit: 'seconds', n: times.length, people: viewers(page), dims: { page }, method: 'lcp_p75' },
      }),
    }))
    .sort((a, b) => (b.count.value ?? 0) - (a.count.value ?? 0) || compare(a.rawValue, b.rawValue))
    .slice(0, slowPagesMax)
