import { factsIn } from '../make-fact.ts'
import type { Narrative } from '../narrative.ts'
import type { SegmentReport } from '../report.ts'
import { type NoteContext, tellable } from './context.ts'
import { fact } from './fact-tables.ts'
import { blocks, bullets, heading, md, printed, raw, table } from './markdown.ts'
import { lineChart, valuesOf } from './mermaid.ts'
import { metricTitle } from './metric-titles.ts'
import type { Note, NoteDraft } from './note.ts'
import { segmentPlace } from './note-paths.ts'
import { plainNarrative, says, value, within, wordFor } from './plain-text.ts'
import { printFact } from './print-fact.ts'
import { commonProperties, propertiesOf } from './properties.ts'
import { factBook, summary } from './render-narrative.ts'

/** A segment: its rule, its size and trend, what its members are worth, and who of them has a profile. */
export const segmentNote = (segment: SegmentReport, context: NoteContext): NoteDraft => {
  const { id } = segmentPlace(segment.id)
  return {
    id,
    request: {
      ...{ noteId: id, subject: 'segment', plain: plainSegment(segment) },
      facts: tellable([segment.size, segment.share, ...segment.figures]),
    },
    finish: (narrative) => finish(segment, context, narrative),
  }
}

const plainSegment = ({ size, share, figures }: SegmentReport): Narrative => {
  if ((size.value ?? 0) === 0) return plainNarrative([says('Nobody is in this segment.')])
  const revenue = figures.find(({ metric }) => metric === 'segment_revenue')
  return plainNarrative([
    says(
      wordFor(size, 'In it is ', 'In it are '),
      value(size),
      wordFor(size, ' person, ', ' people, '),
      value(share),
      ' of all',
      ...within(share),
      '.',
    ),
    revenue?.value != null ? says('They have brought ', value(revenue), '.') : null,
  ])
}

const finish = (segment: SegmentReport, context: NoteContext, narrative: Narrative | null): Note => {
  const { id, path } = segmentPlace(segment.id)
  const members = segment.customerKeys.filter((key) => context.exists(key))
  const { size } = segment
  return {
    ...{ id, path, kind: 'segment', rawSite: null, day: null, customer: null, files: [] },
    properties: {
      ...commonProperties('segment', id, { window: size.window, timeZone: context.timeZone }),
      evo_segment: segment.id,
      ...propertiesOf({ evo_size: size, evo_share: segment.share }),
      evo_text: narrative?.source ?? 'plain',
    },
    firstProperties: { tags: ['evothesis/segment'] },
    regions: [
      {
        name: 'summary',
        body: blocks(
          summary(raw(`Segment ${segment.name}`), narrative, factBook(factsIn(segment)), context.timeZone),
          segment.description !== '' && raw(segment.description, 300),
          md(`Rule: ${raw(segment.rule, 1_000)}`),
        ),
      },
      {
        name: 'trend',
        body: blocks(
          heading(2, md('Size by day')),
          lineChart({
            ...{ title: 'Size by day', axis: 'People' },
            labels: segment.trend.map(({ dims }) => (dims.day ?? '').slice(5)),
            values: valuesOf(segment.trend),
          }) ?? md('Not enough days yet.'),
        ),
      },
      {
        name: 'figures',
        body: blocks(
          heading(2, md('What its members are worth')),
          table(
            [
              { title: 'Figure' },
              { title: 'Value', isNumber: true },
              { title: 'Interval' },
              { title: 'n', isNumber: true },
            ],
            segment.figures.map((one) => [
              md(metricTitle(one.metric)),
              fact(one),
              one.interval && one.value !== null ? printed(printFact(one, 'interval')) : md(''),
              printed(printFact(one, 'sample')),
            ]),
          ),
        ),
      },
      {
        name: 'members',
        body: blocks(
          heading(2, md('Members with a profile')),
          members.length === 0 ? md('None.') : bullets(members.map((key) => context.link(key, key))),
        ),
      },
      { name: 'related', body: blocks(heading(2, md('Related')), bullets([context.link('index', 'Index')])) },
    ],
  }
}
