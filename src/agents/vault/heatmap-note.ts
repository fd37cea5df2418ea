import { factsIn } from '../make-fact.ts'
import type { Narrative } from '../narrative.ts'
import type { HeatmapReport } from '../report.ts'
import { type NoteContext, tellable } from './context.ts'
import { propertyText, siteName } from './escape.ts'
import { fact } from './fact-tables.ts'
import { heatmapSvg } from './heatmap-svg.ts'
import { blocks, bullets, embed, heading, md, printed, raw, table } from './markdown.ts'
import { lineChart } from './mermaid.ts'
import type { Note, NoteDraft } from './note.ts'
import { heatmapPlace, pictureOf } from './note-paths.ts'
import { plainNarrative, says, value, wordFor } from './plain-text.ts'
import { printFact } from './print-fact.ts'
import { commonProperties, propertiesOf } from './properties.ts'
import { factBook, summary } from './render-narrative.ts'

/** Where people click on a page, and how far down they read. */
export const heatmapNote = (report: HeatmapReport, context: NoteContext): NoteDraft => {
  const { id } = heatmapPlace(report)
  return {
    id,
    request: { noteId: id, subject: 'heatmap', facts: tellable(factsIn(report)), plain: plainHeatmap(report) },
    finish: (narrative) => finish(report, context, narrative),
  }
}

const plainHeatmap = ({ clicks, views, rageClicks, scroll }: HeatmapReport): Narrative => {
  const half = scroll.find(({ percent }) => percent === 50)
  return plainNarrative([
    says(value(clicks), ` ${wordFor(clicks, 'click')} in `, value(views), ` ${wordFor(views, 'view')} of the page.`),
    half?.reached.value != null ? says(value(half.reached), ' of the views came to the middle of the page.') : null,
    (rageClicks.value ?? 0) > 0
      ? says(
          wordFor(rageClicks, 'There was ', 'There were '),
          value(rageClicks),
          ` ${wordFor(rageClicks, 'rage click')}.`,
        )
      : null,
  ])
}

const finish = (report: HeatmapReport, context: NoteContext, narrative: Narrative | null): Note => {
  const { id, path } = heatmapPlace(report)
  const { rawSite, rawPath, device, window } = report
  const picture = heatmapSvg(report)
  const pictureAt = pictureOf(path, 'clicks')
  return {
    ...{ id, path, kind: 'heatmap', rawSite, day: null, customer: null },
    files: picture === null ? [] : [{ path: pictureAt, text: picture }],
    properties: {
      ...commonProperties('heatmap', id, { rawSite, window, timeZone: context.timeZone }),
      evo_page: propertyText(rawPath),
      evo_device: device,
      ...propertiesOf({ evo_views: report.views, evo_clicks: report.clicks, evo_rage_clicks: report.rageClicks }),
      evo_text: narrative?.source ?? 'plain',
    },
    firstProperties: { tags: ['evothesis/heatmap'] },
    regions: [
      {
        name: 'summary',
        body: summary(
          md(`${raw(rawPath, 80)} on ${device}, ${siteName(rawSite)}`),
          narrative,
          factBook(factsIn(report)),
          context.timeZone,
        ),
      },
      {
        name: 'clicks',
        body: blocks(heading(2, md('Clicks')), picture === null ? md('No click had a position.') : embed(pictureAt)),
      },
      {
        name: 'scroll',
        body: blocks(
          heading(2, md('How far down')),
          lineChart({
            ...{ title: 'Views that came so far', axis: 'Percent of views', isBars: true },
            labels: report.scroll.map(({ percent }) => `${percent} percent`),
            values: report.scroll.map(({ reached }) => (reached.value ?? 0) * 100),
          }),
          table(
            [{ title: 'Depth', isNumber: true }, { title: 'Views', isNumber: true }, { title: '95 % interval' }],
            report.scroll.map(({ percent, reached }) => [
              md(`${percent} %`),
              fact(reached),
              printed(printFact(reached, 'interval')),
            ]),
          ),
        ),
      },
      {
        name: 'elements',
        body: blocks(
          heading(2, md('What was clicked')),
          report.elements.length === 0
            ? md('No clicks.')
            : table(
                [{ title: 'Element' }, { title: 'Clicks', isNumber: true }],
                report.elements.map(({ rawElement, clicks }) => [raw(rawElement), fact(clicks)]),
              ),
        ),
      },
      { name: 'related', body: blocks(heading(2, md('Related')), bullets([context.link('index', 'Index')])) },
    ],
  }
}
