import { factsIn } from '../make-fact.ts'
import type { Narrative } from '../narrative.ts'
import type { Insight } from '../report.ts'
import { judgedFacts, type NoteContext, tellable } from './context.ts'
import { siteName } from './escape.ts'
import { fact } from './fact-tables.ts'
import { blocks, bullets, heading, md, printed, table } from './markdown.ts'
import { metricTitle } from './metric-titles.ts'
import type { Note, NoteDraft } from './note.ts'
import { dayPlace, insightPlace } from './note-paths.ts'
import { against, plainNarrative, says, value } from './plain-text.ts'
import { printFact } from './print-fact.ts'
import { commonProperties } from './properties.ts'
import { qualityCallout, qualityTable } from './quality.ts'
import { factBook, summary } from './render-narrative.ts'

const titles = { tracking_quality: 'Tracking', what_changed: 'What changed' } as const

/** What is worth a look about a day: tracking that is not in order, or figures that are unlike the weekday's. */
export const insightNote = (insight: Insight, context: NoteContext): NoteDraft => ({
  id: insight.id,
  request: {
    ...{ noteId: insight.id, subject: 'insight', plain: plainInsight(insight) },
    facts: judgedFacts(insight.quality, tellable(insight.facts)),
  },
  finish: (narrative) => finish(insight, context, narrative),
})

const plainInsight = ({ kind, facts, quality }: Insight): Narrative =>
  plainNarrative(
    [
      kind === 'tracking_quality'
        ? says(
            quality.level === 'red'
              ? 'The tracking of this day is not in order: its figures are not judged, and no alert is raised from them.'
              : 'Some of the tracking of this day is to be looked at.',
          )
        : says('These figures are unlike those of the same weekday.'),
    ],
    ...facts.map((one) => [says(`${metricTitle(one.metric)}: `, value(one), ...against(one), '.')]),
  )

const finish = (insight: Insight, context: NoteContext, narrative: Narrative | null): Note => {
  const { id, path } = insightPlace(insight)
  const { rawSite, day, kind, severity, quality } = insight
  return {
    ...{ id, path, kind: 'insight', rawSite, day, customer: null, files: [] },
    properties: {
      ...commonProperties('insight', id, { rawSite, timeZone: context.timeZone }),
      evo_day: { date: day },
      evo_insight: kind,
      evo_severity: severity,
      evo_quality: quality.level,
      evo_text: narrative?.source ?? 'plain',
    },
    firstProperties: { tags: ['evothesis/insight'] },
    regions: [
      {
        name: 'summary',
        body: blocks(
          summary(
            md(`${titles[kind]}: ${siteName(rawSite)}, ${day}`),
            narrative,
            factBook(factsIn(insight)),
            context.timeZone,
          ),
          kind === 'tracking_quality' && qualityCallout(quality),
        ),
      },
      {
        name: 'figures',
        body: blocks(
          heading(2, md('Figures')),
          table(
            [
              { title: 'Figure' },
              { title: 'Value', isNumber: true },
              { title: 'Before', isNumber: true },
              { title: 'Compared with' },
              { title: 'n', isNumber: true },
            ],
            insight.facts.map((one) => [
              md(metricTitle(one.metric)),
              fact(one),
              one.compare ? printed(printFact(one, 'comparison')) : md(''),
              md(one.compare?.basis ?? ''),
              printed(printFact(one, 'sample')),
            ]),
          ),
        ),
      },
      { name: 'quality', body: blocks(heading(2, md('Tracking')), qualityTable(quality)) },
      {
        name: 'related',
        body: blocks(
          heading(2, md('Related')),
          bullets([context.link('index', 'Index'), context.link(dayPlace({ rawSite, day }).id, `Report of ${day}`)]),
        ),
      },
    ],
  }
}
