import type { Db } from '../../db.ts'
import { addDays } from '../days.ts'
import type { Narrative } from '../narrative.ts'
import { readDays, readInsights, readVaultInput, selectAlerts, withAlerts } from '../read-vault-input.ts'
import type { SiteDay, VaultInput } from '../report.ts'
import type { NoteContext } from './context.ts'
import { dashboards } from './dashboards.ts'
import { linkText } from './escape.ts'
import { indexNote } from './index-note.ts'
import { md, wikilink } from './markdown.ts'
import type { NoteDraft } from './note.ts'
import { indexPlace } from './note-paths.ts'
import { draftAlerts, draftDays, draftWeeks, placesOf, requestsOf, textOf, type VaultPlaces } from './plan.ts'
import type { VaultDeps, VaultOptions, VaultScope } from './scope.ts'
import type { Work } from './work.ts'
import { expireNote, removeNote, writeDashboards, writeNote } from './write-notes.ts'

/** Days that are read at once: a report has up to some hundred kilobytes. */
const daysAtOnce = 7
/** Files between two pauses. */
const pauseEvery = 10

/** Brings every note that the scope means up to date, the newest days first. */
export const writeAll = async (
  deps: VaultDeps,
  work: Work,
  scope: VaultScope,
  options: VaultOptions,
): Promise<void> => {
  const [first, last] = await reach(deps.db)
  if (first === null || last === null) return
  const oldest = deps.keepDays === undefined ? first : later(first, addDays(last, 1 - deps.keepDays))
  const input = await readFrame(deps, oldest, last)
  const [from, to] = rangeOf(scope, oldest, last)
  const isEverything = scope.kind === 'nightly' && scope.day === undefined
  const isMeant = isMeantBy(scope)
  const isInScope = (one: SiteDay): boolean => one.day >= from && one.day <= to && isMeant(one)
  const days = input.daysWithReport.filter(isInScope)
  const scoped = {
    ...{ daysWithReport: days, insights: input.insights.filter(isInScope) },
    alerts: input.alerts.filter((one) => one.state === 'open' || (isOfSite(scope, one) && one.window.to >= from)),
    ...(isEverything ? weeksOf(input, scope) : { funnels: [], heatmaps: [], customers: [], segments: [] }),
  }
  const context = contextOf(deps, work, input, new Set(placesOf(scoped).map(({ id }) => id)))

  const eachDays = async (act: (drafts: NoteDraft[]) => Promise<void>): Promise<void> => {
    for (let end = to; end >= from && !work.signal.aborted; end = addDays(end, -daysAtOnce)) {
      const part = { from: later(from, addDays(end, 1 - daysAtOnce)), to: end }
      if (!days.some(({ day }) => day >= part.from && day <= part.to)) continue
      const reports = await readDays(deps.db, part, input)
      const insights = await readInsights(deps.db, part)
      await act(draftDays(reports.filter(isMeant), insights.filter(isMeant), context))
    }
  }
  const alerts = draftAlerts(scoped, context)
  const weeks = draftWeeks(scoped, context)
  const others = [...alerts, ...weeks]
  const total = others.length + days.length
  const texts = await narrate(deps, work, scope, { alerts, eachDays, weeks, total }, options)

  const visited = new Set<string>()
  let done = 0
  const write = async (drafts: readonly NoteDraft[]): Promise<void> => {
    for (const draft of drafts) {
      if (work.signal.aborted) return
      const note = draft.finish(textOf(draft, texts))
      await writeNote(work, note)
      for (const id of [note.id, ...note.files.map(({ path }) => path)]) visited.add(id)
      options.onProgress?.({ phase: 'notes', done: Math.min(++done, total), total })
      if (done % pauseEvery === 0) await deps.clock.sleep(deps.pauseMs, work.signal)
    }
  }
  await writeDashboards(work)
  await write(others)
  await eachDays(write)
  if (work.signal.aborted) return
  await writeNote(work, indexNote(input, context))
  visited.add(indexPlace.id)
  if (isEverything && scope.site === undefined) await letGo(deps, work, input, visited, oldest)
}

/** After an erasure: segments no longer name who was forgotten. */
export const writeSegments = async (deps: VaultDeps, work: Work): Promise<void> => {
  const [first, last] = await reach(deps.db)
  if (first === null || last === null) return
  const { segments, ...input } = await readFrame(deps, last, last)
  const drafts = draftWeeks(
    { segments, funnels: [], customers: [], heatmaps: [] },
    contextOf(deps, work, { ...input, segments }, new Set()),
  )
  const told = { alerts: [], eachDays: async () => {}, weeks: drafts, total: drafts.length }
  const texts = await narrate(deps, work, { kind: 'hourly', days: [] }, told, {})
  for (const draft of drafts) await writeNote(work, draft.finish(textOf(draft, texts)))
}

/** All but the reports of days, which are many: those are read a few at a time. */
const readFrame = async ({ db, timeZone, customersMax }: VaultDeps, from: string, to: string): Promise<VaultInput> => {
  const frame = await readVaultInput(db, { timeZone, customersMax, from: to, to })
  const alerts = await selectAlerts(db, { from, to })
  return {
    ...{ ...frame, days: [], alerts, insights: await readInsights(db, { from, to }) },
    funnels: frame.funnels.map((one) => withAlerts(one, alerts)),
    daysWithReport: frame.daysWithReport.filter(({ day }) => day >= from),
  }
}

type Told = {
  readonly alerts: readonly NoteDraft[]
  readonly eachDays: (act: (drafts: NoteDraft[]) => Promise<void>) => Promise<void>
  readonly weeks: readonly NoteDraft[]
  readonly total: number
}

/**
 * Texts that are better than the plain ones. All share one budget, so that what matters most comes first: alerts, the latest
 * days, what looks at weeks, and older days a few at a time. Without a narrator nobody is asked.
 */
const narrate = async (
  { narrator }: VaultDeps,
  { signal }: Work,
  scope: VaultScope,
  { alerts, eachDays, weeks, total }: Told,
  { onProgress }: VaultOptions,
): Promise<ReadonlyMap<string, Narrative>> => {
  const texts = new Map<string, Narrative>()
  if (!narrator) return texts
  const ask = narrator(scope.kind)
  let done = 0
  const add = async (drafts: readonly NoteDraft[]): Promise<void> => {
    const step = (): void => onProgress?.({ phase: 'texts', done: Math.min(++done, total), total })
    for (const [id, text] of await ask(requestsOf(drafts), step, signal))
      if (text.source === 'model') texts.set(id, text)
  }
  await add(alerts)
  let areWeeksTold = false
  const addWeeks = async (): Promise<void> => {
    if (!areWeeksTold) await add(weeks)
    areWeeksTold = true
  }
  await eachDays(async (drafts) => {
    await add(drafts)
    await addWeeks()
  })
  await addWeeks()
  return texts
}

const weeksOf = ({ funnels, heatmaps, segments, customers }: VaultInput, scope: VaultScope) => ({
  funnels: funnels.filter((one) => isOfSite(scope, one)),
  heatmaps: heatmaps.filter((one) => isOfSite(scope, one)),
  customers: customers.filter(({ rawSites }) => rawSites.some((rawSite) => isOfSite(scope, { rawSite }))),
  segments,
})

/** What is written from reports that hold only what is; notes of days are kept for ever, or as long as is set. */
const kindsOfNow = ['funnel_analysis', 'customer_profile', 'segment', 'heatmap']
const kindsOfDays = ['daily_report', 'insight', 'dropoff_alert']

const letGo = async (
  { keepDays }: VaultDeps,
  work: Work,
  input: VaultInput,
  visited: ReadonlySet<string>,
  oldest: string,
): Promise<void> => {
  const reported = new Set(input.daysWithReport.map(keyOf))
  for (const row of [...work.rows.values()]) {
    if (row.state !== 'active' || visited.has(row.note_id) || work.signal.aborted) continue
    const isTooOld = keepDays !== undefined && kindsOfDays.includes(row.kind) && row.day !== null && row.day < oldest
    // The day was reported anew, and has nothing of the kind any more.
    const isDisproved =
      row.kind === 'insight' && reported.has(keyOf({ rawSite: row.site_id ?? '', day: row.day ?? '' }))
    if (row.kind === 'picture') await removeNote(work, row)
    else if (kindsOfNow.includes(row.kind) || isTooOld || isDisproved) await expireNote(work, row)
  }
}

/** Where notes are: those that are there, and those that are about to be. What is no more, or not yet, is not linked to. */
const contextOf = (deps: VaultDeps, work: Work, input: VaultPlaces, written: ReadonlySet<string>): NoteContext => {
  const always = [indexPlace, ...dashboards.map(({ path }) => ({ id: path, path }))]
  const sure = new Set([...written, ...always.map(({ id }) => id)])
  const paths = new Map<string, string>()
  for (const { id, path } of [...placesOf(input), ...always]) {
    const row = work.rows.get(id)
    // A person may have moved a note, or removed it.
    if (row?.state === 'active') paths.set(id, row.path)
    else if (row?.state !== 'removed' && sure.has(id)) paths.set(id, path)
  }
  return {
    timeZone: deps.timeZone,
    exists: (id) => paths.has(id),
    link: (id, text, place) => {
      const path = paths.get(id)
      return path === undefined ? md(linkText(text)) : wikilink(path, text, place)
    },
  }
}

const reach = async (db: Db): Promise<[string | null, string | null]> => {
  const [row] = await db.query<{ first: string | null; last: string | null }>(
    `select min(day)::text as first, max(day)::text as last from reports where kind = 'day'`,
  )
  return [row?.first ?? null, row?.last ?? null]
}

const isOfSite = (scope: VaultScope, { rawSite }: { rawSite: string }): boolean =>
  scope.kind === 'hourly' || scope.site === undefined || scope.site === rawSite

const isMeantBy = (scope: VaultScope): ((of: SiteDay) => boolean) => {
  if (scope.kind === 'nightly') return (of) => isOfSite(scope, of)
  const chosen = new Set(scope.days.map(({ siteId, day }) => keyOf({ rawSite: siteId, day })))
  return (of) => chosen.has(keyOf(of))
}

const rangeOf = (scope: VaultScope, oldest: string, last: string): [string, string] => {
  if (scope.kind === 'nightly') return scope.day === undefined ? [oldest, last] : [scope.day, scope.day]
  const days = scope.days.map(({ day }) => day).sort()
  return [later(oldest, days[0] ?? last), days.at(-1) ?? last]
}

const keyOf = ({ rawSite, day }: SiteDay): string => JSON.stringify([rawSite, day])
const later = (a: string, b: string): string => (a > b ? a : b)
