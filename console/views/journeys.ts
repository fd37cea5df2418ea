import { get } from '../call.ts'
import { type CohortRow, showCohorts } from '../cohorts.ts'
import { button, el, empty, field, section, select } from '../dom.ts'
import { type Draw, showDrawing } from '../drawing.ts'
import { count, plural } from '../format.ts'
import { showFunnel } from '../funnel.ts'
import { drawNodeLink } from '../node-link.ts'
import { drawSankey } from '../sankey.ts'
import type { View } from '../view.ts'

type Journeys = {
  visits: number
  nodes: { id: string; step: number; kind: string; label: string; visits: number }[]
  edges: { from: string; to: string; visits: number }[]
  edges_left_out: number
  links: { from: string; to: string; times: number }[]
}

const channels = ['', 'direct', 'search', 'paid', 'social', 'email', 'referral', 'other']
const devices = ['', 'desktop', 'mobile', 'tablet', 'other']
const options = (values: readonly string[]) => values.map((value) => [value, value === '' ? 'all' : value] as const)
const dayMs = 86_400_000
const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)

/** The ways people take: a Sankey of paths, a graph of pages, a funnel, and who comes back. */
export const view: View = {
  title: 'Journeys',
  async show({ root }) {
    const { sites } = await get<{ sites: { site: string; visits: boolean }[] }>('/api/sites')
    const known = sites.filter(({ visits }) => visits)
    const first = known[0]?.site
    if (first === undefined) {
      root.append(
        empty('No visit was read yet.', 'The agents read every hour, and at once by: npx evothesis notes run'),
      )
      return
    }
    const chosen = { site: first, channel: '', device: '', from: dayOf(Date.now() - 27 * dayMs), to: dayOf(Date.now()) }
    let kind: 'sankey' | 'graph' = 'sankey'
    const drawing = el('div', {})
    const said = el('p', { class: 'note', role: 'status' })
    const funnelBox = el('div', {})
    const cohorts = el('div', {})
    const query = (): Record<string, string> => ({
      ...{ site: chosen.site, from: `${chosen.from}T00:00:00Z` },
      to: new Date(Date.parse(chosen.to) + dayMs).toISOString(),
      ...(chosen.channel && { channel: chosen.channel }),
      ...(chosen.device && { device: chosen.device }),
    })
    let funnel: ReturnType<typeof showFunnel> | undefined
    let last: Journeys | undefined
    const drawJourneys = (): void => {
      if (!last || last.visits === 0 || last.edges.length === 0) {
        drawing.replaceChildren(
          empty('There is no visit like this in the time.', 'Choose a longer one, or all channels.'),
        )
        said.textContent = ''
        return
      }
      const { nodes, edges, links, visits, edges_left_out: left } = last
      const flow = { nodes, edges: edges.map(({ from, to, visits: value }) => ({ from, to, value })) }
      const draw: Draw = (theme) => (kind === 'sankey' ? drawSankey(flow, theme) : drawNodeLink(links, theme))
      drawing.replaceChildren(showDrawing(kind === 'sankey' ? 'journeys' : 'pages', draw))
      said.textContent = `${plural(visits, 'visit')}${kind === 'sankey' && left > 0 ? `; ${count(left)} moves are too rare to be drawn` : ''}.`
    }
    const refresh = async (): Promise<void> => {
      const [found, kept] = await Promise.all([
        get<Journeys>('/api/journeys', query()),
        get<{ rows: { rows: CohortRow[] }[] }>('/api/cohorts', { site: chosen.site }),
      ])
      last = found
      drawJourneys()
      showCohorts(
        cohorts,
        kept.rows.flatMap(({ rows }) => rows),
      )
      funnel ??= showFunnel(funnelBox, query, [...new Set(found.links.flatMap(({ from, to }) => [from, to]))].sort())
      await funnel.refresh()
    }
    const set = (name: keyof typeof chosen) => (value: string) => {
      chosen[name] = value
      refresh().catch((error: unknown) => {
        said.textContent = (error as Error).message
      })
    }
    const date = (name: 'from' | 'to'): HTMLInputElement => {
      const input = el('input', {
        type: 'date',
        value: chosen[name],
        change: () => input.value && set(name)(input.value),
      })
      return input
    }
    const kinds = (['sankey', 'graph'] as const).map((one) =>
      button(
        one === 'sankey' ? 'Paths' : 'Pages',
        () => {
          kind = one
          for (const [n, node] of kinds.entries())
            node.setAttribute('aria-pressed', String((n === 0 ? 'sankey' : 'graph') === kind))
          drawJourneys()
        },
        { 'aria-pressed': String(one === kind) },
      ),
    )
    root.append(
      el(
        'div',
        { class: 'bar' },
        field(
          'Site',
          select(
            known.map(({ site }) => [site, site] as const),
            first,
            set('site'),
          ),
        ),
        field('Channel', select(options(channels), '', set('channel'))),
        field('Device', select(options(devices), '', set('device'))),
        field('From', date('from')),
        field('To', date('to')),
      ),
      section(
        'Ways',
        el('div', { class: 'bar', role: 'group', 'aria-label': 'Kind of drawing' }, ...kinds),
        said,
        drawing,
      ),
      section('Funnel', funnelBox),
      section('Retention', cohorts),
    )
    await refresh()
  },
}
