import type { CustomerProfile } from '../report.ts'
import type { NoteContext } from './context.ts'
import { siteName } from './escape.ts'
import { fact } from './fact-tables.ts'
import { blocks, bullets, heading, type Markdown, md, printed, raw, table } from './markdown.ts'
import { lineChart, pathChart, timeline, timesOf, valuesOf } from './mermaid.ts'
import { words } from './metric-titles.ts'
import type { Note, NoteDraft } from './note.ts'
import { customerPlace, funnelPlace, segmentPlace } from './note-paths.ts'
import { printFact, printSeconds } from './print-fact.ts'
import { printDay, printTime } from './print-time.ts'
import { commonProperties, propertiesOf } from './properties.ts'

const touchpointsShown = 25
const historyShown = 3

/** An identified customer. About one person: the text is ours alone, no narrator is asked. */
export const customerNote = (customer: CustomerProfile, context: NoteContext): NoteDraft => ({
  id: customerPlace(customer.key).id,
  request: null,
  finish: () => finish(customer, context),
})

const finish = (customer: CustomerProfile, context: NoteContext): Note => {
  const place = customerPlace(customer.key)
  const { figures, key } = customer
  const { timeZone } = context
  const day = (instant: string): string => printDay(instant, timeZone)
  return {
    ...{
      ...place,
      kind: 'customer_profile',
      rawSite: customer.rawSites[0] ?? null,
      day: null,
      customer: key,
      files: [],
    },
    properties: {
      ...commonProperties('customer_profile', place.id, { timeZone }),
      evo_first_seen: { date: day(customer.firstSeen) },
      evo_last_seen: { date: day(customer.lastSeen) },
      evo_rfm: customer.rfmSegment,
      evo_segments: customer.segments.map(({ id }) => id),
      ...propertiesOf({
        evo_visits: figures.visits,
        evo_orders: figures.orders,
        evo_lifetime_value: figures.lifetimeValue,
        evo_probability_alive: figures.probabilityAlive,
        evo_propensity: figures.propensity,
      }),
    },
    firstProperties: { tags: ['evothesis/customer'] },
    regions: [
      {
        name: 'summary',
        body: blocks(
          heading(1, md(`Customer ${key}`)),
          bullets([
            md(`User: ${raw(customer.rawUserId)}`),
            md(
              `Browsers: ${customer.visitorIds.length === 0 ? '–' : customer.visitorIds.map((id) => raw(id)).join(', ')}`,
            ),
            md(`Sites: ${customer.rawSites.map((site) => raw(siteName(site))).join(', ')}`),
            md(
              `First seen ${printTime(customer.firstSeen, timeZone)}, last seen ${printTime(customer.lastSeen, timeZone)} (${raw(timeZone)})`,
            ),
          ]),
        ),
      },
      { name: 'figures', body: blocks(heading(2, md('Figures')), figuresTable(customer)) },
      { name: 'attributes', body: blocks(heading(2, md('Attributes')), attributes(customer, day)) },
      {
        name: 'timeline',
        body: blocks(
          heading(2, md('Visits')),
          timeline('Visits', timesOf(customer, day)),
          touchpoints(customer, timeZone),
        ),
      },
      { name: 'path', body: blocks(heading(2, md('Path')), pathChart(customer.path) ?? md('No pages were seen.')) },
      { name: 'weeks', body: blocks(heading(2, md('Over time')), weeks(customer)) },
      {
        name: 'segments',
        body: blocks(
          heading(2, md('Segments')),
          customer.segments.length === 0
            ? md('None.')
            : bullets(customer.segments.map(({ id, name }) => context.link(segmentPlace(id).id, name))),
        ),
      },
      {
        name: 'funnels',
        body: blocks(
          heading(2, md('Funnels')),
          customer.funnels.length === 0
            ? md('None.')
            : table(
                [{ title: 'Funnel' }, { title: 'Came to' }, { title: 'Steps', isNumber: true }],
                customer.funnels.map((one) => [
                  context.link(funnelPlace(one).id, one.name, 'table'),
                  raw(one.furthestStep),
                  md(`${one.stepsDone} of ${one.steps}`),
                ]),
              ),
        ),
      },
    ],
  }
}

const figuresTable = ({ figures, rfmSegment }: CustomerProfile): Markdown =>
  table(
    [
      { title: 'Figure' },
      { title: 'Value', isNumber: true },
      { title: 'Interval' },
      { title: 'Method' },
      { title: 'Note' },
    ],
    [
      ...(
        [
          ['Visits', figures.visits],
          ['Page views', figures.pageviews],
          ['Engaged time', figures.engagedSeconds],
          ['Orders', figures.orders],
          ['Lifetime value', figures.lifetimeValue],
          ['Average order', figures.averageOrderValue],
          ['Days since the last visit', figures.recencyDays],
          ['RFM recency', figures.rfmRecency],
          ['RFM frequency', figures.rfmFrequency],
          ['RFM monetary', figures.rfmMonetary],
          ['Probability of being active', figures.probabilityAlive],
          ['Expected orders', figures.expectedOrders],
          ['Propensity to order', figures.propensity],
        ] as const
      ).map(([title, one]) => [
        md(title),
        fact(one),
        one.interval && one.value !== null ? printed(printFact(one, 'interval')) : md(''),
        raw(words(one.method)),
        one.value === null ? raw(one.notEnoughHistory ?? 'not enough history') : md(''),
      ]),
      [
        md('RFM segment'),
        raw(words(rfmSegment ?? '–')),
        md(''),
        md('rfm'),
        md(rfmSegment === null ? 'not enough history' : ''),
      ],
    ],
  )

const attributes = ({ attributes: rows }: CustomerProfile, day: (instant: string) => string): Markdown =>
  table(
    [{ title: 'Attribute' }, { title: 'Value' }, { title: 'Since' }, { title: 'Before' }],
    rows.map(({ rawName, rawValue, since, history }) => [
      raw(rawName),
      rawValue === null ? md('not collected') : raw(rawValue),
      md(since === null ? '' : day(since)),
      md(
        history
          .slice(0, historyShown)
          .map((one) => `${one.rawValue === null ? 'not collected' : raw(one.rawValue)} (from ${day(one.from)})`)
          .join(', '),
      ),
    ]),
  )

const touchpoints = ({ touchpoints: rows, touchpointsTotal, figures }: CustomerProfile, timeZone: string): Markdown =>
  blocks(
    rows.length === 0
      ? md('None.')
      : table(
          [
            { title: 'When' },
            { title: 'Channel' },
            { title: 'Source' },
            { title: 'Device' },
            { title: 'Pages' },
            { title: 'Engaged', isNumber: true },
            { title: 'Orders', isNumber: true },
            { title: 'Revenue', isNumber: true },
            { title: 'Known then' },
          ],
          rows.slice(0, touchpointsShown).map((one) => [
            md(printTime(one.at, timeZone)),
            raw(words(one.channel)),
            md([one.rawSource, one.rawCampaign].flatMap((text) => (text === null ? [] : [raw(text, 60)])).join(', ')),
            raw(one.device),
            md(one.rawPages.map((page) => raw(page, 60)).join(' → ')),
            md(printSeconds(one.engagedSeconds)),
            md(String(one.orders)),
            one.orders === 0 ? md('') : printed(printFact({ ...figures.lifetimeValue, value: one.revenue })),
            md(
              Object.entries(one.rawAttributesThen)
                .map(([name, value]) => `${raw(name, 30)} ${raw(value, 40)}`)
                .join(', '),
            ),
          ]),
        ),
    touchpointsTotal > touchpointsShown && md(`The latest of ${touchpointsTotal} visits.`),
  )

const weeks = ({ weeks: rows }: CustomerProfile): Markdown =>
  rows.length === 0
    ? md('Nothing yet.')
    : blocks(
        lineChart({
          ...{ title: 'Visits by week', axis: 'Visits', isBars: true },
          labels: rows.map(({ week }) => week.slice(5)),
          values: valuesOf(rows.map(({ visits }) => visits)),
        }),
        table(
          [
            { title: 'Week of' },
            ...['Visits', 'Engaged', 'Orders', 'Revenue'].map((title) => ({ title, isNumber: true })),
          ],
          rows
            .slice(-12)
            .map(({ week, visits, engagedSeconds, orders, revenue }) => [
              md(week),
              ...[visits, engagedSeconds, orders, revenue].map(fact),
            ]),
        ),
      )
