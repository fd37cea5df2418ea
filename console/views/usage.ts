import { change, get } from '../call.ts'
import { button, type Child, el, empty, field, fill, section, state, table, tellFailure, toast } from '../dom.ts'
import { count, dayText, plural, share, timeText } from '../format.ts'
import { may, type Place, type View } from '../view.ts'

type Usage = {
  month: string
  timezone: string
  starts_at: string
  ends_at: string
  events: number
  pageviews: number
  billable: number
  sites: { site: string; domain: string; state: string; events: number; pageviews: number }[]
  sites_unlisted: number
  plan: string
  meter: string
  included: number
  amount_usd: string
  forecast: { events: number; pageviews: number; amount_usd: string } | null
  advice: { plan: string; amount_usd: string; saves_usd: string } | null
  thresholds: { percent: number; units: number; reached: boolean; told_at: string | null }[]
}
type Domain = {
  domain: string
  state: 'seen' | 'pending' | 'approved' | 'blocked'
  first_seen: string | null
  last_seen: string | null
  events: number
  pageviews: number
  visitors: number
  addresses: number
  suspicions: string[]
  decided_by: string | null
}
type Statement = { month: string; revision: number; issued_at: string; total_usd: string }

/** What is metered and billed, and whose domains they are. */
export const view: View = {
  title: 'Usage and domains',
  async show(place) {
    const { root } = place
    const period = el('div', {})
    const domains = el('div', {})
    const statements = el('div', {})
    const month = el('input', { type: 'month', change: () => tellFailure(() => showPeriod(month.value || undefined)) })
    const showPeriod = async (wanted?: string): Promise<void> => {
      const usage = await get<Usage>('/billing/usage', { month: wanted })
      month.value = usage.month
      fill(period, ...periodOf(usage))
    }
    const showDomains = async (): Promise<void> => {
      const { domains: all } = await get<{ domains: Domain[] }>('/billing/domains')
      domains.replaceChildren(
        domainTable(place, all, async () => {
          await Promise.all([showDomains(), showPeriod(month.value)])
        }),
      )
    }
    root.append(
      section('Period', el('div', { class: 'bar' }, field('Month', month)), period),
      section('Domains', domains),
      section('Statements', statements),
    )
    const [issued] = await Promise.all([
      get<{ statements: Statement[] }>('/billing/statements'),
      showPeriod(),
      showDomains(),
    ])
    statements.append(
      issued.statements.length === 0
        ? empty('There is no statement yet.', 'A month is closed when it is over and its usage is in the backup.')
        : table('Statements', statementColumns, issued.statements),
    )
  },
}

const periodOf = (usage: Usage): Child[] => {
  const unshown = Math.max(0, usage.sites.length - sitesShownMax) + usage.sites_unlisted
  const used = usage.included === 0 ? null : usage.billable / usage.included
  return [
    el(
      'ul',
      { class: 'figures' },
      el('li', {}, el('b', {}, count(usage.billable)), el('span', {}, `billable ${usage.meter}`)),
      el('li', {}, el('b', {}, `$${usage.amount_usd}`), el('span', {}, `so far, plan ${usage.plan}`)),
      el(
        'li',
        {},
        el('b', {}, usage.forecast ? `$${usage.forecast.amount_usd}` : '–'),
        el('span', {}, 'at the end, if it goes on so'),
      ),
      el('li', {}, el('b', {}, count(usage.events)), el('span', {}, 'events of all domains')),
      el('li', {}, el('b', {}, count(usage.pageviews)), el('span', {}, 'pageviews of all domains')),
    ),
    el(
      'p',
      { class: 'note' },
      `${dayText(usage.starts_at, usage.timezone)} to ${dayText(lastMoment(usage.ends_at), usage.timezone)}, whole days in ${usage.timezone}. `,
      used !== null && `${share(used)} of the ${count(usage.included)} ${usage.meter} that the plan includes. `,
      usage.advice &&
        `The plan ${usage.advice.plan} would cost $${usage.advice.amount_usd}, $${usage.advice.saves_usd} less.`,
    ),
    ...(used === null
      ? []
      : [el('progress', { max: 1, value: Math.min(1, used), 'aria-label': 'Share of the plan that is used' })]),
    usage.thresholds.length > 0 && table('Thresholds', thresholdColumns(usage), usage.thresholds),
    usage.sites.length === 0
      ? empty('Nothing was metered in this month.')
      : table(
          'Sites of the period',
          [
            { head: 'Site', cell: (one: Usage['sites'][number]) => one.site || '(no site)' },
            { head: 'Domain', cell: (one) => one.domain },
            { head: 'State', cell: (one) => state(one.state, one.state === 'billed' ? 'good' : 'plain') },
            { head: 'Events', isNumber: true, cell: (one) => count(one.events) },
            { head: 'Pageviews', isNumber: true, cell: (one) => count(one.pageviews) },
          ],
          usage.sites.slice(0, sitesShownMax),
        ),
    unshown > 0 && el('p', { class: 'note' }, `and ${plural(unshown, 'smaller site')}`),
  ]
}

const sitesShownMax = 100
/** A period ends before the next begins. */
const lastMoment = (iso: string): string => new Date(Date.parse(iso) - 1).toISOString()

type Threshold = Usage['thresholds'][number]
const thresholdColumns = ({ meter, ends_at }: Usage) => [
  { head: 'Threshold', cell: (one: Threshold) => `${one.percent} %` },
  { head: meter === 'events' ? 'Events' : 'Pageviews', isNumber: true, cell: (one: Threshold) => count(one.units) },
  {
    head: 'State',
    cell: (one: Threshold) => (one.reached ? state('reached', 'wait') : state('not reached', 'plain')),
  },
  {
    head: 'Webhooks',
    cell: (one: Threshold) =>
      one.told_at
        ? `told ${timeText(one.told_at)}`
        : one.reached && Date.parse(ends_at) > Date.now()
          ? 'are told within a minute'
          : '–',
  },
]

const kinds = { seen: 'plain', pending: 'wait', approved: 'good', blocked: 'bad' } as const

const domainTable = (place: Place, all: readonly Domain[], changed: () => Promise<void>): HTMLElement => {
  if (all.length === 0)
    return empty(
      'No domain was seen yet.',
      'A domain is listed after its first events; ten pageviews of two visitors make it pending.',
    )
  const decide = async (domain: string, verb: 'approve' | 'block'): Promise<void> => {
    try {
      await change('POST', `/billing/domains/${encodeURIComponent(domain)}/${verb}`)
      toast(`${domain}: ${verb === 'approve' ? 'approved' : 'blocked'}`)
      await changed()
    } catch (error) {
      toast((error as Error).message, true)
    }
  }
  const order = ['pending', 'seen', 'approved', 'blocked']
  return table(
    'Domains',
    [
      { head: 'Domain', cell: (one: Domain) => one.domain },
      { head: 'State', cell: (one) => state(one.state, kinds[one.state]) },
      {
        ...{ head: 'Evidence', isText: true },
        cell: (one) =>
          `${plural(one.events, 'event')}, ${plural(one.pageviews, 'pageview')}, at least ${plural(one.visitors, 'visitor')} and ${plural(one.addresses, 'network')}`,
      },
      {
        head: 'Seen',
        cell: (one) =>
          `${one.first_seen ? dayText(one.first_seen) : '–'} to ${one.last_seen ? dayText(one.last_seen) : '–'}`,
      },
      { head: 'What speaks against it', isText: true, cell: (one) => one.suspicions.join(' ') || 'nothing' },
      {
        head: 'Decision',
        cell: (one) =>
          may(place, 'client')
            ? el(
                'div',
                { class: 'bar' },
                one.state !== 'approved' &&
                  button('Approve', () => decide(one.domain, 'approve'), { 'aria-label': `Approve ${one.domain}` }),
                one.state !== 'blocked' &&
                  button('Block', () => decide(one.domain, 'block'), { 'aria-label': `Block ${one.domain}` }),
              )
            : (one.decided_by ?? '–'),
      },
    ],
    [...all].sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state) || b.events - a.events),
  )
}

const statementColumns = [
  { head: 'Month', cell: (one: Statement) => one.month },
  { head: 'Revision', isNumber: true, cell: (one: Statement) => one.revision },
  { head: 'Issued', cell: (one: Statement) => timeText(one.issued_at) },
  { head: 'Total', isNumber: true, cell: (one: Statement) => `$${one.total_usd}` },
  {
    head: 'Download',
    cell: (one: Statement) =>
      el(
        'span',
        {},
        ...(['json', 'csv'] as const).flatMap((format) => [
          el(
            'a',
            {
              href: `/billing/statement/${one.month}?revision=${one.revision}&format=${format}`,
              download: `statement-${one.month}.${format}`,
            },
            format.toUpperCase(),
          ),
          ' ',
        ]),
      ),
  },
]
