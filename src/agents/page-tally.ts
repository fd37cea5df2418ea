import type { Tx } from '../db.ts'
import { clip, fieldOf, fieldsOf, numberOf, textLimits } from './clip.ts'
import { copyRows } from './copy-rows.ts'
import type { Day } from './days.ts'
import type { DeviceKind } from './device.ts'
import type { ReadEvent } from './read-event.ts'

/** Counts by a small key; written as JSON objects. */
export type Counts = Map<string, number>
export const count = (counts: Counts, key: string, by = 1): void => void counts.set(key, (counts.get(key) ?? 0) + by)

/** Cells of a heat map: shares of the document's width and height. */
export const gridColumns = 20
export const gridRows = 40
/** Depths that the pixel reports, in percent. */
export const scrollMilestones = [25, 50, 75, 100] as const
/** Pages of a site and day that are told apart; what comes after them is one page, `''`. */
const pagesPerDayMax = 2_000
const elementsMax = 60

type PageDay = {
  siteId: string
  day: Day
  path: string
  device: DeviceKind
  views: number
  clicks: number
  rageClicks: number
  grid: Counts
  scroll: Counts
  lcp: Counts
  elements: Counts
}

const keyOf = ({ siteId, day, path, device }: Pick<PageDay, 'siteId' | 'day' | 'path' | 'device'>): string =>
  JSON.stringify([siteId, day, path, device])

/** Counts clicks, depths and loading times of pages, in memory; `write` adds them to what is stored. */
export const createPageTally = () => {
  const tallies = new Map<string, PageDay>()
  const tallyOf = (event: ReadEvent, day: Day, device: DeviceKind): PageDay => {
    const place = { siteId: event.siteId, day, path: event.path, device }
    const known = tallies.get(keyOf(place))
    if (known) return known
    const fresh: PageDay = {
      ...{ ...place, views: 0, clicks: 0, rageClicks: 0 },
      ...{ grid: new Map(), scroll: new Map(), lcp: new Map(), elements: new Map() },
    }
    tallies.set(keyOf(place), fresh)
    return fresh
  }
  return {
    add(event: ReadEvent, day: Day, device: DeviceKind): void {
      if (event.isBot) return
      switch (event.type) {
        case 'pageview':
          tallyOf(event, day, device).views++
          return
        case 'click':
          addClick(tallyOf(event, day, device), event.data)
          return
        case 'rage_click':
          tallyOf(event, day, device).rageClicks++
          return
        case 'scroll_depth': {
          const milestone = scrollMilestones.find((one) => one === numberOf(fieldOf(event.data, 'milestone')))
          if (milestone !== undefined) count(tallyOf(event, day, device).scroll, String(milestone))
          return
        }
        case 'web_vital': {
          const value = numberOf(fieldOf(event.data, 'value'))
          if (fieldOf(event.data, 'name') === 'LCP' && value !== null && value >= 0 && value < 600_000)
            count(tallyOf(event, day, device).lcp, String(twoDigits(value)))
        }
      }
    },
    write: (tx: Tx): Promise<void> => writeTallies(tx, [...tallies.values()]),
  }
}

/** Two significant digits: a loading time is not known better than that, and equal ones share a counter. */
const twoDigits = (value: number): number => Number(value.toPrecision(2))

const addClick = (page: PageDay, data: Record<string, unknown>): void => {
  page.clicks++
  const position = fieldsOf(fieldOf(data, 'position'))
  const [x, y] = [numberOf(fieldOf(position, 'x')), numberOf(fieldOf(position, 'y'))]
  if (x !== null && y !== null && x >= 0 && x <= 1 && y >= 0 && y <= 1) {
    const column = Math.min(gridColumns - 1, Math.floor(x * gridColumns))
    const row = Math.min(gridRows - 1, Math.floor(y * gridRows))
    count(page.grid, String(row * gridColumns + column))
  }
  const tag = clip(fieldOf(data, 'tagName'), 20)
  const id = clip(fieldOf(data, 'id'), textLimits.element)
  const [first] = (clip(fieldOf(data, 'classes'), textLimits.element) ?? '').split(/\s+/)
  const element = clip(`${tag ?? '?'}${id ? `#${id}` : first ? `.${first}` : ''}`, textLimits.element)
  if (element && (page.elements.has(element) || page.elements.size < elementsMax)) count(page.elements, element)
}

type Row = {
  site_id: string
  day: string
  path: string
  device: DeviceKind
  views: number
  clicks: number
  rage_clicks: number
  grid: string
  scroll: string
  lcp: string
  elements: string
}

const writeTallies = async (tx: Tx, fresh: PageDay[]): Promise<void> => {
  if (fresh.length === 0) return
  const pages = await foldStrangers(tx, fresh)
  const keys = [
    pages.map(({ siteId }) => siteId),
    pages.map(({ day }) => day),
    pages.map(({ path }) => path),
    pages.map(({ device }) => device),
  ]
  const stored = await tx.query<Row>(
    `delete from page_days p using unnest($1::text[], $2::date[], $3::text[], $4::text[]) as w(site_id, day, path, device)
     where p.site_id = w.site_id and p.day = w.day and p.path = w.path and p.device = w.device
     returning p.site_id, p.day::text as day, p.path, p.device, p.views, p.clicks, p.rage_clicks, p.grid, p.scroll, p.lcp,
               p.elements`,
    keys,
  )
  const byKey = new Map(pages.map((page) => [keyOf(page), page]))
  for (const row of stored) {
    const page = byKey.get(keyOf({ siteId: row.site_id, day: row.day, path: row.path, device: row.device }))
    if (!page) continue
    page.views += row.views
    page.clicks += row.clicks
    page.rageClicks += row.rage_clicks
    for (const name of ['grid', 'scroll', 'lcp', 'elements'] as const)
      page[name] = sum(readCounts(row[name]), page[name])
  }
  await copyRows(
    tx,
    'page_days',
    ['site_id', 'day', 'path', 'device', 'views', 'clicks', 'rage_clicks', 'grid', 'scroll', 'lcp', 'elements'],
    pages.map((page) => [
      ...[page.siteId, page.day, page.path, page.device, page.views, page.clicks, page.rageClicks],
      ...[page.grid, page.scroll, page.lcp, keepLargest(page.elements, elementsMax)].map(writeCounts),
    ]),
  )
}

/** Folds pages beyond the most that a site and day may have into one: anybody can make up paths. */
const foldStrangers = async (tx: Tx, pages: PageDay[]): Promise<PageDay[]> => {
  const rows = await tx.query<{ site_id: string; day: string; paths: string[] }>(
    `select p.site_id, p.day::text as day, array_agg(distinct p.path) as paths
     from page_days p join (select distinct * from unnest($1::text[], $2::date[])) as w(site_id, day) using (site_id, day)
     group by 1, 2 having count(distinct p.path) > $3::int`,
    [pages.map(({ siteId }) => siteId), pages.map(({ day }) => day), pagesPerDayMax / 2],
  )
  const known = new Map(rows.map(({ site_id, day, paths }) => [`${site_id} ${day}`, new Set(paths)]))
  const folded = new Map<string, PageDay>()
  for (const page of pages) {
    const place = `${page.siteId} ${page.day}`
    const paths = known.get(place) ?? new Set<string>()
    known.set(place, paths)
    if (!paths.has(page.path) && paths.size >= pagesPerDayMax) page.path = ''
    else paths.add(page.path)
    const same = folded.get(keyOf(page))
    if (!same) folded.set(keyOf(page), page)
    else {
      same.views += page.views
      same.clicks += page.clicks
      same.rageClicks += page.rageClicks
      for (const name of ['grid', 'scroll', 'lcp', 'elements'] as const) same[name] = sum(same[name], page[name])
    }
  }
  return [...folded.values()]
}

const sum = (into: Counts, from: Counts): Counts => {
  for (const [key, by] of from) count(into, key, by)
  return into
}

export const readCounts = (text: string): Counts => new Map(JSON.parse(text) as [string, number][])
/** Pairs, not an object: a key may be any text, `__proto__` included. Sorted, so that equal counts are equal bytes. */
export const writeCounts = (counts: Counts): string =>
  JSON.stringify([...counts].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))

export const keepLargest = (counts: Counts, most: number): Counts =>
  counts.size <= most ? counts : new Map([...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).slice(0, most))
