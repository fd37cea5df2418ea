import type { Narrative, NarrativeRequest } from '../narrative.ts'
import type { DayReport, Insight, VaultInput } from '../report.ts'
import { alertNote } from './alert-note.ts'
import type { NoteContext } from './context.ts'
import { customerNote } from './customer-note.ts'
import { dayNote } from './day-note.ts'
import { funnelNote } from './funnel-note.ts'
import { heatmapNote } from './heatmap-note.ts'
import { insightNote } from './insight-note.ts'
import type { NoteDraft } from './note.ts'
import {
  alertPlace,
  customerPlace,
  dayPlace,
  funnelPlace,
  heatmapPlace,
  insightPlace,
  segmentPlace,
} from './note-paths.ts'
import { segmentNote } from './segment-note.ts'

/** What each note is written with, by its id. */
export type ContextFor = (noteId: string) => NoteContext

/** Days, each with what is told of it. */
export const draftDays = (
  days: readonly DayReport[],
  insights: readonly Insight[],
  contextFor: ContextFor,
): NoteDraft[] => {
  const ofDay = new Map<string, string[]>()
  const keyOf = ({ rawSite, day }: { rawSite: string; day: string }): string => JSON.stringify([rawSite, day])
  for (const insight of insights) ofDay.set(keyOf(insight), [...(ofDay.get(keyOf(insight)) ?? []), insight.id])
  return days.map((day) => dayNote(day, ofDay.get(keyOf(day)) ?? [], contextFor(dayPlace(day).id)))
}

export const draftInsights = (insights: readonly Insight[], contextFor: ContextFor): NoteDraft[] =>
  insights.map((one) => insightNote(one, contextFor(insightPlace(one).id)))

/** What looks at weeks. */
export const draftWeeks = (
  { funnels, customers, segments, heatmaps }: Pick<VaultInput, 'funnels' | 'customers' | 'segments' | 'heatmaps'>,
  contextFor: ContextFor,
): NoteDraft[] => [
  ...funnels.map((one) => funnelNote(one, contextFor(funnelPlace(one).id))),
  ...segments.map((one) => segmentNote(one, contextFor(segmentPlace(one.id).id))),
  ...heatmaps.map((one) => heatmapNote(one, contextFor(heatmapPlace(one).id))),
  ...customers.map((one) => customerNote(one, contextFor(customerPlace(one.key).id))),
]

export const draftAlerts = ({ alerts }: Pick<VaultInput, 'alerts'>, contextFor: ContextFor): NoteDraft[] =>
  alerts.map((one) => alertNote(one, contextFor(alertPlace(one).id)))

export type VaultPlaces = Pick<
  VaultInput,
  'daysWithReport' | 'insights' | 'alerts' | 'funnels' | 'segments' | 'heatmaps'
> & { readonly customers: readonly { key: string }[] }

/** Where every note of an input goes: links are made of it before anything is written. */
export const placesOf = (input: VaultPlaces): { id: string; path: string }[] => [
  ...input.daysWithReport.map(dayPlace),
  ...input.insights.map(insightPlace),
  ...input.alerts.map(alertPlace),
  ...input.funnels.map(funnelPlace),
  ...input.segments.map(({ id }) => segmentPlace(id)),
  ...input.heatmaps.map(heatmapPlace),
  ...input.customers.map(({ key }) => customerPlace(key)),
]

export const requestsOf = (drafts: readonly NoteDraft[]): NarrativeRequest[] =>
  drafts.flatMap(({ request }) => (request === null ? [] : [request]))

export const textOf = ({ request }: NoteDraft, texts: ReadonlyMap<string, Narrative>): Narrative | null =>
  request === null ? null : (texts.get(request.noteId) ?? request.plain)
