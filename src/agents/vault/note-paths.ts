import { hash16 } from '../make-fact.ts'
import type { DayReport, DropoffAlert, FunnelReport, HeatmapReport, Insight, SiteDay } from '../report.ts'
import { siteName } from './escape.ts'

/** Ids and places of notes: made of hosts, days, the operator's ids and our own; never of other text from an event. */
export type NotePlace = { id: string; path: string }

export const dayPlace = ({ rawSite, day }: SiteDay | DayReport): NotePlace => ({
  id: `day-${siteName(rawSite)}-${day}`,
  path: `daily_reports/${day} ${siteName(rawSite)}.md`,
})

export const funnelPlace = ({ rawSite, funnelId }: Pick<FunnelReport, 'rawSite' | 'funnelId'>): NotePlace => ({
  id: `funnel-${siteName(rawSite)}-${funnelId}`,
  path: `funnel_analysis/${siteName(rawSite)} ${funnelId}.md`,
})

export const alertPlace = ({ id, rawSite, funnelId, openedAt }: DropoffAlert): NotePlace => ({
  id,
  path: `dropoff_alerts/${openedAt.slice(0, 10)} ${siteName(rawSite)} ${funnelId} ${id.slice(2, 8)}.md`,
})

export const insightPlace = ({ id, rawSite, day, kind }: Insight): NotePlace => ({
  id,
  path: `insights/${day} ${siteName(rawSite)} ${kind}.md`,
})

export const heatmapPlace = ({ rawSite, rawPath, device }: HeatmapReport): NotePlace => {
  const name = `${siteName(rawSite)} ${device} ${hash16(rawPath).slice(0, 8)}`
  return { id: `heatmap-${name.replaceAll(' ', '-')}`, path: `heatmaps/${name}.md` }
}

export const segmentPlace = (id: string): NotePlace => ({ id: `segment-${id}`, path: `segments/segment ${id}.md` })
export const customerPlace = (key: string): NotePlace => ({ id: key, path: `customer_profiles/${key}.md` })
export const indexPlace: NotePlace = { id: 'index', path: '_index.md' }

/** A picture beside its note. */
export const pictureOf = (path: string, name: string): string => path.replace(/\.md$/, ` ${name}.svg`)
