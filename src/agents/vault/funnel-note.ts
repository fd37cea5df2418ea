import { factsIn } from '../make-fact.ts'
import type { Narrative } from '../narrative.ts'
import { type AttributionReport, attributionModels, type CohortReport, type FunnelReport } from '../report.ts'
import { judgedFacts, type NoteContext, tellable } from './context.ts'
import { siteName } from './escape.ts'
import { fact } from './fact-tables.ts'
import { blocks, bullets, embed, heading, type Markdown, md, printed, raw, table } from './markdown.ts'
import { lineChart, sankeyChart, valuesOf } from './mermaid.ts'
import { words } from './metric-titles.ts'
import type { Note, NoteDraft } from './note.ts'
import { funnelPlace, pictureOf } from './note-paths.ts'
import { name, plainNarrative, says, value, within, wordFor } from './plain-text.ts'
import { printFact, printSeconds } from './print-fact.ts'
import { commonProperties, propertiesOf } from './properties.ts'
import { qualityCallout } from './quality.ts'
import { factBook, summary } from './render-narrative.ts'
import { sankeySvg } from './sankey-svg.ts'

/** A funnel over four weeks: its stages, who leaves, how long it takes, for whom it works, and what brought them. */
export const funnelNote = (report: FunnelReport, context: NoteContext): NoteDraft => {
  const place = funnelPlace(report)
  return {
    id: place.id,
    request: {
      ...{ noteId: place.id, subject: 'funnel', plain: plainFunnel(report) },
      facts: judgedFacts(report.quality, tellable(factsIn({ ...report, flow: null, quality: null }))),
    },
    finish: (narrative) => finish(report, context, narrative),
  }
}

const worstStep = ({ steps }: FunnelReport) =>
  steps
    .filter(({ dropoff }) => dropoff?.value !== null && dropoff !== null)
    .sort((a, b) => (b.dropoff?.value ?? 0) - (a.dropoff?.value ?? 0))[0]

const plainFunnel = (report: FunnelReport): Narrative => {
  const { steps, conversion, secondsMedian, secondsP90, counts } = report
  const [first, last] = [steps[0], steps.at(-1)]
  if (!first || !last || (first.entered.value ?? 0) === 0)
    return plainNarrative([says('Nobody began this funnel in this time.')])
  const worst = worstStep(report)
  const next = worst && steps[worst.index + 1]
  return plainNarrative(
    [
      says(
        'Of ',
        value(first.entered),
        ` ${wordFor(first.entered, counts.slice(0, -1))}, `,
        value(last.entered),
        ' came to the end: ',
        value(conversion),
        ...within(conversion),
        '.',
      ),
      secondsMedian.value === null
        ? null
        : says('It took ', value(secondsMedian), ' (median); one in ten needed more than ', value(secondsP90), '.'),
    ],
    [
      worst?.dropoff && next
        ? says(
            'The largest share is lost between ',
            name(worst.dropoff, 'step'),
            ` and ${next.name}: `,
            value(worst.dropoff),
            ...within(worst.dropoff),
            '.',
          )
        : null,
    ],
  )
}

const finish = (report: FunnelReport, context: NoteContext, narrative: Narrative | null): Note => {
  const place = funnelPlace(report)
  const { steps, rawSite, window, conversion, quality } = report
  const picture = sankeySvg(report.flow, `${report.name}, ${rawSite}`)
  const pictureAt = pictureOf(place.path, 'flow')
  const worst = worstStep(report)
  return {
    ...{ ...place, kind: 'funnel_analysis', rawSite, day: null, customer: null },
    files: picture === null ? [] : [{ path: pictureAt, text: picture }],
    properties: {
      ...commonProperties('funnel_analysis', place.id, { rawSite, window, timeZone: context.timeZone }),
      evo_funnel: report.funnelId,
      evo_quality: quality.level,
      ...propertiesOf({
        evo_entered: steps[0]?.entered ?? null,
        evo_finished: steps.at(-1)?.entered ?? null,
        evo_conversion_rate: conversion,
      }),
      evo_worst_step: worst?.name ?? null,
      evo_alerts: report.alertIds.length,
      evo_text: narrative?.source ?? 'plain',
    },
    firstProperties: { tags: ['evothesis/funnel'] },
    regions: [
      {
        name: 'summary',
        body: blocks(
          summary(
            md(`${raw(report.name)}, ${siteName(rawSite)}`),
            narrative,
            factBook(factsIn(report)),
            context.timeZone,
          ),
          qualityCallout(quality),
          md(
            `Steps ${{ sequential: 'in this order, with anything between them', strict: 'in this order, with nothing between them', any: 'in any order' }[report.order]}; counted are ${report.counts}${report.counts === 'sessions' ? '' : `, within ${printSeconds(report.conversionWindowSeconds)} of the first step`}.`,
          ),
        ),
      },
      {
        name: 'flow',
        body: blocks(
          heading(2, md('Flow')),
          sankeyChart(report.flow) ?? md('Nobody came.'),
          picture !== null && embed(pictureAt),
        ),
      },
      { name: 'stages', body: blocks(heading(2, md('Stages')), stages(report)) },
      {
        name: 'trend',
        body: blocks(
          heading(2, md('Conversion by day')),
          lineChart({
            ...{ title: 'Conversion by day', axis: 'Percent' },
            labels: report.trend.map(({ dims }) => (dims.day ?? '').slice(5)),
            values: valuesOf(report.trend).map((share) => share * 100),
          }) ?? md('Not enough days yet.'),
        ),
      },
      { name: 'segments', body: blocks(heading(2, md('By device, source and visitor')), segments(report)) },
      {
        name: 'cohorts',
        body: blocks(
          heading(2, md('Cohorts')),
          report.cohorts ? cohorts(report.cohorts) : md('Not made for this site yet.'),
        ),
      },
      {
        name: 'attribution',
        body: blocks(
          heading(2, md('Attribution')),
          report.attribution ? attribution(report.attribution) : md('Not made for this site yet.'),
        ),
      },
      { name: 'coincidence', body: blocks(heading(2, md('What goes with it')), associations(report)) },
      {
        name: 'related',
        body: blocks(
          heading(2, md('Related')),
          bullets([context.link('index', 'Index'), ...report.alertIds.map((id) => context.link(id, 'Drop-off alert'))]),
        ),
      },
    ],
  }
}

const stages = ({ steps }: FunnelReport): Markdown =>
  table(
    [
      { title: 'Step' },
      ...['Reached', 'From step before', 'From first', 'Lost', 'Drop-off'].map((title) => ({ title, isNumber: true })),
      { title: '95 % interval' },
      { title: 'Time, median', isNumber: true },
      { title: 'Time, p90', isNumber: true },
    ],
    steps.map((step) => [
      raw(step.name),
      ...[step.entered, step.conversion, step.conversionFromFirst, step.lost, step.dropoff].map(fact),
      step.dropoff ? printed(printFact(step.dropoff, 'interval')) : md(''),
      ...[step.secondsMedian, step.secondsP90].map(fact),
    ]),
  )

const segments = ({ segments: rows, steps }: FunnelReport): Markdown =>
  rows.length === 0
    ? md('Nobody came.')
    : table(
        [
          { title: 'Kind' },
          { title: 'Segment' },
          ...steps.map(({ name: step }) => ({ title: raw(step), isNumber: true })),
          { title: 'Conversion', isNumber: true },
          { title: '95 % interval' },
        ],
        rows.map(({ dimension, value: of, entered, conversion }) => [
          md(words(dimension)),
          raw(words(of)),
          ...steps.map((_, index) => fact(entered[index])),
          fact(conversion),
          printed(printFact(conversion, 'interval')),
        ]),
      )

const weeksShown = 8

const cohorts = ({ rows }: CohortReport): Markdown => {
  const all = rows.filter(({ channel }) => channel === 'all').slice(-weeksShown)
  const shown = all.length > 0 ? all : rows.slice(-weeksShown)
  const weeks = Math.max(0, ...shown.map(({ returned }) => returned.length))
  if (shown.length === 0) return md('No whole week yet.')
  return blocks(
    table(
      [
        { title: 'Week of' },
        { title: 'New', isNumber: true },
        ...Array.from({ length: weeks }, (_, week) => ({ title: `+${week + 1}`, isNumber: true })),
      ],
      shown.map(({ week, size, returned }) => [
        md(week),
        fact(size),
        ...Array.from({ length: weeks }, (_, at) => (returned[at] ? fact(returned[at]) : md(''))),
      ]),
    ),
    md('New visitors of a week, and the share of them that was seen again so many weeks later.'),
  )
}

const modelTitles = {
  first: 'First',
  last: 'Last',
  last_non_direct: 'Last non-direct',
  linear: 'Linear',
  position: 'Position',
  time_decay: 'Time decay',
  markov: 'Markov',
  shapley: 'Shapley',
} as const

const attribution = (report: AttributionReport): Markdown =>
  blocks(
    md(
      `Goal ${raw(report.goal)}, looking back ${report.lookbackDays} days: ${fact(report.conversions)} conversions; ${fact(report.nullPaths)} paths led to none.`,
    ),
    report.notEnoughHistory !== undefined && raw(report.notEnoughHistory),
    report.rows.length > 0 &&
      table(
        [
          { title: 'Channel' },
          ...attributionModels.map((model) => ({ title: modelTitles[model], isNumber: true })),
          { title: 'Spread', isNumber: true },
        ],
        report.rows.map(({ channel, credit, spread }) => [
          raw(words(channel)),
          ...attributionModels.map((model) => fact(credit[model])),
          fact(spread),
        ]),
      ),
    report.rows.length > 0 &&
      md(
        'Conversions credited by each model. Where models disagree (the spread), no single one of them is to be trusted.',
      ),
  )

const associations = ({ associations: rows }: FunnelReport): Markdown =>
  rows.length === 0
    ? md('Nothing that was measured goes with going on, beyond chance.')
    : blocks(
        table(
          [
            { title: 'After step' },
            { title: 'Trait' },
            { title: 'Odds ratio', isNumber: true },
            { title: 'q', isNumber: true },
            { title: 'n', isNumber: true },
            { title: 'Note' },
          ],
          rows.map(({ step, trait, oddsRatio, qValue, isSkewed }) => [
            raw(step),
            raw(words(trait).replace('=', ': ')),
            fact(oddsRatio),
            fact(qValue),
            printed(printFact(oddsRatio, 'sample')),
            md(isSkewed ? 'few on one side' : ''),
          ]),
        ),
        md('Above one: those with the trait went on more often. A coincidence is no cause.'),
      )
