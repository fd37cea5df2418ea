import { factsIn } from '../make-fact.ts'
import type { Narrative } from '../narrative.ts'
import type { DayReport } from '../report.ts'
import { judgedFacts, type NoteContext, tellable } from './context.ts'
import { siteName } from './escape.ts'
import { breakdown, counts, fact } from './fact-tables.ts'
import { blocks, bullets, heading, type Markdown, md, printed, raw, table } from './markdown.ts'
import { funnelChart, pieChart, sankeyChart } from './mermaid.ts'
import { metricTitle } from './metric-titles.ts'
import type { Note, NoteDraft } from './note.ts'
import { dayPlace, funnelPlace } from './note-paths.ts'
import { against, name, plainNarrative, says, value, within, wordFor } from './plain-text.ts'
import { printFact } from './print-fact.ts'
import { commonProperties, propertiesOf } from './properties.ts'
import { qualityCallout, qualityTable } from './quality.ts'
import { factBook, summary } from './render-narrative.ts'

/** The report of a day: what came, how far it got, where it was lost, and whether it can be trusted. */
export const dayNote = (report: DayReport, insightIds: readonly string[], context: NoteContext): NoteDraft => {
  const place = dayPlace(report)
  const all = tellable(factsIn({ ...report, quality: null, paths: null }))
  const facts = judgedFacts(report.quality, all, report.isComplete)
  return {
    id: place.id,
    request: { noteId: place.id, subject: 'day', facts, plain: plainDay(report) },
    finish: (narrative) => finish(report, insightIds, context, narrative),
  }
}

const plainDay = ({ totals, topDropoffs, funnels, quality, isComplete, channels }: DayReport): Narrative => {
  const { sessions, visitors, orders, revenue, conversionRate, newVisitors, journeySeconds } = totals
  if (sessions.value === null || sessions.value === 0) return plainNarrative([says('Nobody was seen on this day.')])
  // Of the funnel that the note draws: hardly anybody fills in a form, which would be the news of every day.
  const worst = topDropoffs.find(({ funnelId }) => funnelId === funnels[0]?.funnelId) ?? topDropoffs[0]
  const first = channels[0]
  return plainNarrative(
    [
      says(
        ...[value(sessions), ` ${wordFor(sessions, 'session')}`, ...against(sessions)],
        ...[sessions.compare ? ', by ' : ' by ', value(visitors), ` ${wordFor(visitors, 'visitor')}.`],
      ),
      says(value(newVisitors), wordFor(newVisitors, ' visitor was new.', ' visitors were new.')),
      says(
        ...(orders.value === 0
          ? ['Nobody ordered']
          : [value(orders), ` ${wordFor(orders, 'order')} brought `, value(revenue)]),
        ...(conversionRate.value === null
          ? []
          : [
              '; ',
              value(conversionRate),
              ' of the sessions ordered',
              ...within(conversionRate),
              ...against(conversionRate),
            ]),
        '.',
      ),
      journeySeconds.value === null
        ? null
        : says('From the first visit to the order it took ', value(journeySeconds), ' (median).'),
    ],
    [
      worst
        ? says(
            `In the funnel ${worst.funnelName} most were lost between `,
            name(worst.lost, 'step'),
            ` and ${worst.toStep}: `,
            value(worst.lost),
            ', a drop-off of ',
            value(worst.rate),
            ...within(worst.rate),
            '.',
          )
        : null,
      first
        ? says(
            'The largest source of sessions was ',
            name(first.sessions, 'channel'),
            ' with ',
            value(first.share),
            '.',
          )
        : null,
    ],
    [
      quality.level === 'red' ? says('The tracking of this day is not in order: its figures are not judged.') : null,
      isComplete ? null : says('The day is not over: figures will change.'),
    ],
  )
}

const finish = (
  report: DayReport,
  insightIds: readonly string[],
  context: NoteContext,
  narrative: Narrative | null,
): Note => {
  const place = dayPlace(report)
  const { totals, quality, rawSite, day } = report
  const book = factBook(factsIn(report))
  const [funnel] = report.funnels
  const neighbour = (of: string | null, text: string): Markdown[] =>
    of === null ? [] : [context.link(dayPlace({ rawSite, day: of }).id, text)]
  return {
    ...{ ...place, kind: 'daily_report', rawSite, day, customer: null, files: [] },
    properties: {
      ...commonProperties('daily_report', place.id, { rawSite, window: report.window, timeZone: context.timeZone }),
      evo_day: { date: day },
      evo_complete: report.isComplete,
      evo_quality: quality.level,
      ...propertiesOf({
        evo_sessions: totals.sessions,
        evo_visitors: totals.visitors,
        evo_orders: totals.orders,
        evo_revenue: totals.revenue,
        evo_conversion_rate: totals.conversionRate,
      }),
      evo_alerts: report.alertIds.length,
      evo_text: narrative?.source ?? 'plain',
    },
    firstProperties: { tags: ['evothesis/daily-report'] },
    regions: [
      {
        name: 'summary',
        body: blocks(
          summary(md(`${siteName(rawSite)}, ${day}`), narrative, book, context.timeZone),
          md(
            [
              ...neighbour(report.previousDay, `← ${report.previousDay}`),
              context.link('index', 'Index'),
              ...neighbour(report.nextDay, `${report.nextDay} →`),
            ].join(' · '),
          ),
          qualityCallout(quality),
        ),
      },
      { name: 'totals', body: blocks(heading(2, md('The day in figures')), totalsTable(report)) },
      {
        name: 'funnel',
        body: blocks(
          heading(2, md('Funnels')),
          funnel ? (funnelChart(funnel) ?? md(nobodyBegan)) : md(nobodyWentOn),
          report.funnels.length > 0 &&
            table(
              [
                { title: 'Funnel' },
                { title: 'Began', isNumber: true },
                { title: 'Finished', isNumber: true },
                { title: 'Conversion', isNumber: true },
                { title: 'Median time', isNumber: true },
              ],
              report.funnels.map((one) => [
                context.link(funnelPlace(one).id, one.name, 'table'),
                fact(one.steps[0]?.entered),
                fact(one.steps.at(-1)?.entered),
                fact(one.conversion),
                fact(one.secondsMedian),
              ]),
            ),
        ),
      },
      { name: 'dropoff', body: blocks(heading(2, md('Where people were lost')), dropoffs(report, context)) },
      {
        name: 'sources',
        body: blocks(
          heading(2, md('Where they came from')),
          pieChart('Sessions by channel', report.channels),
          breakdown('Channel', report.channels),
          breakdown('Source', report.sources),
          breakdown('Campaign', report.campaigns),
        ),
      },
      {
        name: 'audience',
        body: blocks(
          heading(2, md('Devices, new and returning')),
          breakdown('Device', report.devices),
          breakdown('Browser', report.browsers),
          breakdown('Visitors', report.visitorKinds),
        ),
      },
      {
        name: 'pages',
        body: blocks(
          heading(2, md('Pages and paths')),
          breakdown('First page', report.entryPages),
          breakdown('Last page', report.exitPages),
          sankeyChart(report.paths),
          report.paths.edges.length > 0 &&
            md(
              'Numbers before a page are its position in the visit: people may go in circles, and this diagram may not.',
            ),
        ),
      },
      {
        name: 'friction',
        body: blocks(
          heading(2, md('Searches, slow pages, trouble')),
          counts('Search', 'Times', report.searches, 'Nothing was searched for.'),
          counts('Slow page', 'Largest contentful paint, p75', report.slowPages, 'No page has enough measurements.'),
          report.friction.length > 0 &&
            bullets(report.friction.map((one) => md(`${metricTitle(one.metric)}: ${printed(printFact(one))}`))),
        ),
      },
      { name: 'quality', body: blocks(heading(2, md('Tracking')), qualityTable(quality)) },
      {
        name: 'related',
        body: blocks(
          heading(2, md('Related')),
          bullets(
            [
              ...report.alertIds.map((id) => context.link(id, 'Drop-off alert')),
              ...insightIds.map((id) => context.link(id, 'Insight')),
              ...report.funnels.map((one) => context.link(funnelPlace(one).id, `Funnel ${one.name}`)),
            ].concat(report.alertIds.length + insightIds.length + report.funnels.length === 0 ? [md('Nothing.')] : []),
          ),
        ),
      },
    ],
  }
}

const totalsTable = ({ totals }: DayReport): Markdown =>
  table(
    [
      { title: 'Figure' },
      { title: 'Value', isNumber: true },
      { title: 'Interval' },
      { title: 'Before', isNumber: true },
      { title: 'Compared with' },
    ],
    (
      [
        ['Sessions', totals.sessions],
        ['Visitors', totals.visitors],
        ['New visitors', totals.newVisitors],
        ['Returning visitors', totals.returningVisitors],
        ['Page views', totals.pageviews],
        ['Orders', totals.orders],
        ['Revenue', totals.revenue],
        ['Sessions with an order', totals.conversionRate],
        ['Average order', totals.averageOrderValue],
        ['Engaged time, median', totals.engagedSeconds],
        ['Bounce share', totals.bounceShare],
        ['Pages a session', totals.pagesPerSession],
        ['From first visit to order, median', totals.journeySeconds],
        ['From first visit to order, 90th percentile', totals.journeySecondsP90],
        ['Sessions until the order, median', totals.journeySessions],
      ] as const
    ).map(([title, one]) => [
      md(title),
      fact(one),
      one.interval && one.value !== null ? printed(printFact(one, 'interval')) : md(''),
      one.compare ? printed(printFact(one, 'comparison')) : md(''),
      md(one.compare?.basis ?? one.notEnoughHistory ?? ''),
    ]),
  )

const nobodyBegan = 'Nobody began a funnel.'
const nobodyWentOn = 'Nobody got beyond the first step of a funnel.'

const dropoffs = ({ topDropoffs, funnels, rawSite }: DayReport, context: NoteContext): Markdown =>
  topDropoffs.length === 0
    ? md(funnels.length > 0 ? nobodyBegan : nobodyWentOn)
    : table(
        [
          { title: 'Funnel' },
          { title: 'Between' },
          { title: 'Lost', isNumber: true },
          { title: 'Drop-off', isNumber: true },
          { title: 'Interval' },
        ],
        topDropoffs.map(({ funnelId, funnelName, fromStep, toStep, lost, rate }) => [
          context.link(funnelPlace({ rawSite, funnelId }).id, funnelName, 'table'),
          md(`${raw(fromStep)} → ${raw(toStep)}`),
          fact(lost),
          fact(rate),
          printed(printFact(rate, 'interval')),
        ]),
      )
