import type { DropoffAlert, FunnelReport, HeatmapReport, SegmentReport, SiteDay } from '../report.ts'
import type { NoteContext } from './context.ts'
import { dashboards } from './dashboards.ts'
import { siteName } from './escape.ts'
import { fact } from './fact-tables.ts'
import { blocks, bullets, embed, heading, listOf, md, raw, table } from './markdown.ts'
import type { Note } from './note.ts'
import { dayPlace, funnelPlace, heatmapPlace, indexPlace, segmentPlace } from './note-paths.ts'
import { commonProperties } from './properties.ts'

export type IndexInput = {
  readonly daysWithReport: readonly SiteDay[]
  readonly alerts: readonly DropoffAlert[]
  readonly funnels: readonly FunnelReport[]
  readonly segments: readonly SegmentReport[]
  readonly heatmaps: readonly HeatmapReport[]
}

const daysShown = 7
const sitesMax = 200
const heatmapsShown = 16

/** The way in: the latest days, what is open, and everything that looks at weeks. */
export const indexNote = (input: IndexInput, context: NoteContext): Note => {
  const sites = new Map<string, string[]>()
  for (const { rawSite, day } of input.daysWithReport) sites.set(rawSite, [...(sites.get(rawSite) ?? []), day])
  const open = input.alerts.filter(({ state }) => state === 'open')
  const shownDashboards = dashboards.filter(({ path }) => context.exists(path))
  return {
    ...{ ...indexPlace, kind: 'index', rawSite: null, day: null, customer: null, files: [] },
    properties: {
      ...commonProperties('index', indexPlace.id, { timeZone: context.timeZone }),
      evo_alerts: open.length,
    },
    firstProperties: { tags: ['evothesis/index'] },
    regions: [
      {
        name: 'summary',
        body: blocks(
          heading(1, md('Your sites')),
          md(`Days and times are those of ${raw(context.timeZone)}.`),
          sites.size === 0
            ? md('No day has a report yet.')
            : table(
                [{ title: 'Site' }, { title: 'Latest days' }, { title: 'Funnels' }],
                [...sites].slice(0, sitesMax).map(([rawSite, days]) => [
                  md(siteName(rawSite)),
                  md(
                    days
                      .slice(-daysShown)
                      .reverse()
                      .map((day) => context.link(dayPlace({ rawSite, day }).id, day, 'table'))
                      .join(', '),
                  ),
                  md(
                    input.funnels
                      .filter((one) => one.rawSite === rawSite)
                      .map((one) => context.link(funnelPlace(one).id, one.name, 'table'))
                      .join(', '),
                  ),
                ]),
              ),
        ),
      },
      {
        name: 'alerts',
        body: blocks(
          heading(2, md('Open alerts')),
          open.length === 0
            ? md('None.')
            : table(
                [
                  { title: 'Severity' },
                  { title: 'Alert' },
                  { title: 'Lost now', isNumber: true },
                  { title: 'Expected', isNumber: true },
                ],
                open.map((one) => [
                  md(one.severity),
                  context.link(one.id, `${siteName(one.rawSite)}: ${one.fromStep} to ${one.toStep}`, 'table'),
                  fact(one.current),
                  fact(one.baseline),
                ]),
              ),
        ),
      },
      {
        name: 'more',
        body: blocks(
          heading(2, md('Segments and heat maps')),
          input.segments.length > 0 &&
            listOf(input.segments.map(({ id, name }) => context.link(segmentPlace(id).id, name))),
          input.heatmaps.length > 0 &&
            bullets(
              input.heatmaps
                .slice(0, heatmapsShown)
                .map((one) =>
                  md(
                    `${context.link(heatmapPlace(one).id, `${siteName(one.rawSite)} on ${one.device}`)}: ${raw(one.rawPath, 60)}`,
                  ),
                ),
            ),
          input.segments.length + input.heatmaps.length === 0 && md('None yet.'),
        ),
      },
      {
        name: 'dashboards',
        body: blocks(
          heading(2, md('Dashboards')),
          ...(shownDashboards.length === 0
            ? [md('None.')]
            : shownDashboards.flatMap(({ path, title }) => [heading(3, md(title)), embed(path)])),
        ),
      },
    ],
  }
}
