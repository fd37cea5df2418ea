import { drawBars } from '../bars.ts'
import { get } from '../call.ts'
import { button, el, empty, field, fill, section, select, table } from '../dom.ts'
import { bytesText, compact, count, durationText, hourEnd, hoursAgo } from '../format.ts'
import { showLive } from '../live.ts'
import { every, may, type View } from '../view.ts'

type Counts = { events: number; pageviews: number; rejected: number; duplicates: number }
type Traffic = {
  bucket: 'hour' | 'day'
  totals: Counts
  buckets: ({ at: string } & Counts)[]
  sites: ({ site: string } & Counts)[]
  sites_unlisted: number
  rejects: { code: string; rejects: number }[]
}
type Health = { status: string; spool?: { bytes: number; age_seconds: number } }

const ranges = [
  ['24', 'last 24 hours'],
  ['72', 'last 3 days'],
  ['168', 'last 7 days'],
  ['672', 'last 28 days'],
] as const
const refreshMs = 30_000

/** What comes in: per hour and site, what was refused, and each event as it is stored. */
export const view: View = {
  title: 'Traffic',
  async show(place) {
    const { root } = place
    let hours = '24'
    let site = ''
    const figures = el('ul', { class: 'figures' })
    const chart = el('div', {})
    const chartTitle = el('h2', {})
    const sites = el('div', {})
    const rejects = el('div', {})
    const spool = el('p', { class: 'note' })
    const siteChoice = el('div', {})
    let last: Traffic | undefined
    const draw = (): void => {
      if (!last) return
      // The page is as wide as the window, less its margins; a drawing that is scaled has no readable letters.
      const width = Math.max(280, Math.min(1280, document.documentElement.clientWidth - 40))
      chart.replaceChildren(drawBars(last.buckets, { bucket: last.bucket, hours: Number(hours), width }))
    }
    addEventListener('resize', draw, { signal: place.signal })
    const refresh = async (): Promise<void> => {
      const [traffic, health] = await Promise.all([
        get<Traffic>('/api/traffic', { from: hoursAgo(Number(hours)), to: hourEnd(), site }),
        get<Health>('/health').catch(() => undefined),
      ])
      figures.replaceChildren(
        ...(['events', 'pageviews', 'rejected', 'duplicates'] as const).map((name) =>
          el('li', {}, el('b', {}, count(traffic.totals[name])), el('span', {}, name)),
        ),
      )
      chartTitle.textContent = `By ${traffic.bucket} (UTC)`
      last = traffic
      draw()
      fill(
        sites,
        traffic.sites.length === 0
          ? empty(
              'No event came in this time.',
              'Put the pixel on a site, or send some: npx evothesis demo traffic --events 1000',
            )
          : table(
              'Sites',
              siteColumns((one) => {
                site = one === site ? '' : one
                showSite()
                return refresh()
              }),
              traffic.sites,
            ),
        traffic.sites_unlisted > 0 && el('p', { class: 'note' }, `and ${count(traffic.sites_unlisted)} smaller sites`),
      )
      rejects.replaceChildren(
        traffic.rejects.length === 0
          ? empty('Nothing was refused in this time.')
          : table(
              'Rejects by code',
              [
                { head: 'Code', cell: (one: Traffic['rejects'][number]) => el('code', {}, one.code) },
                { head: 'Events', isNumber: true, cell: (one) => count(one.rejects) },
              ],
              traffic.rejects,
            ),
      )
      spool.textContent = health?.spool
        ? `The spool holds ${bytesText(health.spool.bytes)}, the oldest for ${durationText(health.spool.age_seconds)}: the database is away, or was.`
        : 'The spool is empty: every event is in the database.'
    }
    const showSite = (): void => {
      siteChoice.replaceChildren(
        ...(site === ''
          ? []
          : [
              el('span', {}, `Only ${site} `),
              button('All sites', () => {
                site = ''
                showSite()
                return refresh()
              }),
            ]),
      )
    }
    root.append(
      el(
        'div',
        { class: 'bar' },
        field(
          'Time',
          select(ranges, hours, (value) => {
            hours = value
            return refresh()
          }),
        ),
        siteChoice,
      ),
      figures,
      el('section', {}, chartTitle, chart),
      section('Sites', sites),
      section('Rejects by code', rejects, spool),
    )
    const live = section('Live')
    root.append(live)
    if (may(place, 'client')) showLive(live, place)
    else live.append(empty('Single events are for clients and operators.'))
    await refresh()
    every(place, refreshMs, refresh)
  },
}

const siteColumns = (choose: (site: string) => unknown) => [
  {
    head: 'Site',
    cell: (one: Traffic['sites'][number]) =>
      one.site === '' ? '(no site)' : button(one.site, () => choose(one.site), { class: 'link' }),
  },
  ...(['events', 'pageviews', 'rejected', 'duplicates'] as const).map((name) => ({
    ...{ head: `${name[0]?.toUpperCase()}${name.slice(1)}`, isNumber: true },
    cell: (one: Traffic['sites'][number]) => (one[name] > 99_999 ? compact(one[name]) : count(one[name])),
  })),
]
