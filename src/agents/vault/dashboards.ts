import { stringify } from 'yaml'
import type { NoteKind } from './note.ts'

/** Tables over the properties of notes, by Obsidian's own Bases: no plugin. */
export type Dashboard = { readonly path: string; readonly title: string; readonly text: string }

type Column = readonly [property: string, title: string]
type View = {
  name: string
  order: readonly Column[]
  filter?: string
  group?: string
  sort: string
  descending?: boolean
}

const base = (kind: NoteKind, title: string, name: string, views: readonly View[]): Dashboard => ({
  path: `${name}.base`,
  title,
  text: stringify({
    filters: { and: [`evo_type == "${kind}"`] },
    properties: Object.fromEntries(
      views.flatMap(({ order }) => order).map(([property, shown]) => [`note.${property}`, { displayName: shown }]),
    ),
    views: views.map((view) => ({
      type: 'table',
      name: view.name,
      ...(view.filter !== undefined && { filters: { and: [view.filter] } }),
      ...(view.group !== undefined && { groupBy: { property: `note.${view.group}`, direction: 'ASC' } }),
      order: ['file.name', ...view.order.map(([property]) => `note.${property}`)],
      sort: [{ property: `note.${view.sort}`, direction: view.descending === false ? 'ASC' : 'DESC' }],
    })),
  }),
})

const dayColumns: Column[] = [
  ['evo_site', 'Site'],
  ['evo_day', 'Day'],
  ['evo_sessions', 'Sessions'],
  ['evo_visitors', 'Visitors'],
  ['evo_orders', 'Orders'],
  ['evo_revenue', 'Revenue'],
  ['evo_conversion_rate', 'Conversion'],
  ['evo_quality', 'Tracking'],
]
const alertColumns: Column[] = [
  ['status', 'Status'],
  ['evo_severity', 'Severity'],
  ['evo_state', 'State'],
  ['evo_site', 'Site'],
  ['evo_step', 'Step'],
  ['evo_rate', 'Lost now'],
  ['evo_expected_rate', 'Expected'],
  ['evo_lost_revenue', 'Estimated loss'],
  ['evo_to', 'Until'],
]

export const dashboards: readonly Dashboard[] = [
  base('dropoff_alert', 'Alerts', 'dropoff_alerts', [
    { name: 'Open', order: alertColumns, filter: 'evo_state == "open"', sort: 'evo_to' },
    { name: 'All', order: alertColumns, sort: 'evo_to' },
    { name: 'By status', order: alertColumns, group: 'status', sort: 'evo_to' },
  ]),
  base('daily_report', 'Days', 'daily_reports', [
    { name: 'Days', order: dayColumns, sort: 'evo_day' },
    { name: 'By site', order: dayColumns, group: 'evo_site', sort: 'evo_day' },
    { name: 'Not judged', order: dayColumns, filter: 'evo_quality == "red"', sort: 'evo_day' },
  ]),
  base('funnel_analysis', 'Funnels', 'funnel_analysis', [
    {
      name: 'Funnels',
      order: [
        ['evo_site', 'Site'],
        ['evo_entered', 'Began'],
        ['evo_finished', 'Finished'],
        ['evo_conversion_rate', 'Conversion'],
        ['evo_worst_step', 'Most lost after'],
      ],
      sort: 'evo_entered',
    },
  ]),
  base('customer_profile', 'Customers', 'customer_profiles', [
    {
      name: 'By value',
      order: [
        ['evo_lifetime_value', 'Lifetime value'],
        ['evo_orders', 'Orders'],
        ['evo_visits', 'Visits'],
        ['evo_rfm', 'RFM'],
        ['evo_segments', 'Segments'],
        ['evo_probability_alive', 'Probably active'],
        ['evo_last_seen', 'Last seen'],
      ],
      sort: 'evo_lifetime_value',
    },
  ]),
  base('segment', 'Segments', 'segments', [
    {
      name: 'Segments',
      order: [
        ['evo_size', 'People'],
        ['evo_share', 'Share'],
      ],
      sort: 'evo_size',
    },
  ]),
  base('insight', 'Insights', 'insights', [
    {
      name: 'Insights',
      order: [
        ['evo_site', 'Site'],
        ['evo_day', 'Day'],
        ['evo_insight', 'About'],
        ['evo_severity', 'Severity'],
      ],
      sort: 'evo_day',
    },
  ]),
  base('heatmap', 'Heat maps', 'heatmaps', [
    {
      name: 'Pages',
      order: [
        ['evo_site', 'Site'],
        ['evo_page', 'Page'],
        ['evo_device', 'Device'],
        ['evo_views', 'Views'],
        ['evo_clicks', 'Clicks'],
        ['evo_rage_clicks', 'Rage clicks'],
      ],
      sort: 'evo_views',
    },
  ]),
]
