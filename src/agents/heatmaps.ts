import type { Queryable } from '../db.ts'
import type { Calendar, Day } from './days.ts'
import { addPerson, type People } from './enough-people.ts'
import { createFacts } from './make-fact.ts'
import { type Counts, count, gridColumns, gridRows, readCounts, scrollMilestones } from './page-tally.ts'
import { compare, largest } from './paths.ts'
import type { HeatmapReport } from './report.ts'
import type { Visit } from './visits.ts'

/** Pages of a site that get a map, by clicks and views; below this many views there is nothing to see. */
const pagesMax = 8
const viewsMin = 50
const elementsShown = 12

const heatmapQuery = `select path, device, views, clicks, rage_clicks, grid, scroll, elements from page_days
  where site_id = $1::text and day >= $2::date and day <= $3::date and path <> '' and device <> 'other'`

type Row = {
  path: string
  device: string
  views: number
  clicks: number
  rage_clicks: number
  grid: string
  scroll: string
  elements: string
}
type Sum = {
  path: string
  device: string
  views: number
  clicks: number
  rage: number
  grid: Counts
  scroll: Counts
  elements: Counts
}

type Page = { path: string; device: string }
const keyOf = ({ path, device }: Page): string => JSON.stringify([path, device])

export const selectBusyPages = (db: Queryable, siteId: string, days: { from: Day; to: Day }): Promise<Page[]> =>
  db.query<Page>(
    `select path, device from page_days
     where site_id = $1::text and day >= $2::date and day <= $3::date and path <> '' and device <> 'other'
     group by 1, 2 having sum(views) >= $4::int order by sum(clicks) + sum(views) desc, path, device limit $5::int`,
    [siteId, days.from, days.to, viewsMin, pagesMax],
  )

/** Counts who saw each of these pages, up to ten: clicks and depths are counted without people. */
export const createPageViewers = (pages: readonly Page[]) => {
  const people = new Map<string, People>(pages.map((page) => [keyOf(page), []]))
  return {
    add({ personKey, device, acts }: Pick<Visit, 'personKey' | 'device' | 'acts'>): void {
      for (const { type, text } of acts) {
        const seen = type === 'pageview' && text !== undefined && people.get(keyOf({ path: text, device }))
        if (seen) addPerson(seen, personKey)
      }
    },
    viewers: (page: Page): number => people.get(keyOf(page))?.length ?? 0,
  }
}

/** Where people click on the busiest pages, and how deep they read, per kind of device: a page looks different on each. */
export const makeHeatmaps = async (
  db: Queryable,
  calendar: Calendar,
  siteId: string,
  days: { from: Day; to: Day },
  { busy, viewers }: { busy: readonly Page[]; viewers: (page: Page) => number },
): Promise<HeatmapReport[]> => {
  if (busy.length === 0) return []
  const rows = await db.query<Row>(
    `${heatmapQuery} and (path, device) in (select * from unnest($4::text[], $5::text[]))`,
    [siteId, days.from, days.to, busy.map(({ path }) => path), busy.map(({ device }) => device)],
  )
  const sums = new Map<string, Sum>()
  for (const row of rows) {
    const key = keyOf(row)
    const sum = sums.get(key) ?? {
      ...{ path: row.path, device: row.device, views: 0, clicks: 0, rage: 0 },
      ...{ grid: new Map(), scroll: new Map(), elements: new Map() },
    }
    sums.set(key, sum)
    sum.views += row.views
    sum.clicks += row.clicks
    sum.rage += row.rage_clicks
    for (const name of ['grid', 'scroll', 'elements'] as const)
      for (const [cell, times] of readCounts(row[name])) count(sum[name], cell, times)
  }
  const facts = createFacts({
    ...{
      dims: { site: siteId },
      fromMs: calendar.startOf(days.from),
      toMs: calendar.endOf(days.to),
      query: heatmapQuery,
    },
  })
  return [...sums.values()]
    .sort((a, b) => b.clicks + b.views - a.clicks - a.views || compare(a.path, b.path) || compare(a.device, b.device))
    .map((sum) => {
      const dims = { page: sum.path, device: sum.device }
      const options = { people: viewers(sum) }
      return {
        ...{ rawSite: siteId, rawPath: sum.path, device: sum.device, window: facts.window },
        clicks: facts.count('clicks', sum.clicks, dims, options),
        views: facts.count('page_views', sum.views, dims, options),
        rageClicks: facts.count('rage_clicks', sum.rage, dims, options),
        grid: {
          ...{ columns: gridColumns, rows: gridRows },
          counts:
            sum.grid.size === 0
              ? []
              : Array.from({ length: gridColumns * gridRows }, (_, cell) => sum.grid.get(String(cell)) ?? 0),
        },
        scroll: scrollMilestones.map((percent) => ({
          percent,
          reached: facts.share(
            'scroll_reached',
            Math.min(sum.views, sum.scroll.get(String(percent)) ?? 0),
            sum.views,
            { ...dims, bucket: String(percent) },
            options,
          ),
        })),
        elements: largest(sum.elements, elementsShown).map(([element, clicks]) => ({
          rawElement: element,
          clicks: facts.count('clicks', clicks, { ...dims, element }, options),
        })),
      }
    })
}
