import type { Db } from '../../db.ts'
import { addDays } from '../days.ts'
import { eachAtOnce } from '../each-at-once.ts'
import type { Narrative } from '../narrative.ts'
import { readDays } from '../read-vault-input.ts'
import type { CustomerProfile, DayReport, SiteDay } from '../report.ts'
import { selectReports } from '../report-rows.ts'
import { dashboards } from './dashboards.ts'
import { keyOf, readFrame, selectCustomersOf, type VaultFrame } from './frame.ts'
import { indexNote } from './index-note.ts'
import { createLinks, type Links } from './links.ts'
import type { NoteDraft } from './note.ts'
import { customerPlace, dayPlace, indexPlace } from './note-paths.ts'
import {
  draftAlerts,
  draftDays,
  draftInsights,
  draftWeeks,
  placesOf,
  requestsOf,
  textOf,
  type VaultPlaces,
} from './plan.ts'
import { untouchedRendering } from './rendering.ts'
import type { VaultDeps, VaultOptions, VaultScope } from './scope.ts'
import type { Work } from './work.ts'
import { expireNote, removeNote, writeDashboards, writeNote } from './write-notes.ts'

/** Days that are read at once: a report has up to some hundred kilobytes. */
const daysAtOnce = 7
const customersAtOnce = 50
/** Files between two pauses. */
const pauseEvery = 10

/**
 * Brings every note that the scope means up to date, the newest days first. A note is made anew when something that it is
 * made from has changed, or when its file is not as it was left; of the others not even the report is read.
 */
export const writeAll = async (
  deps: VaultDeps,
  work: Work,
  scope: VaultScope,
  options: VaultOptions,
): Promise<void> => {
  const [first, last] = await reach(deps.db)
  if (first === null || last === null) return
  const oldest = deps.keepDays === undefined ? first : later(first, addDays(last, 1 - deps.keepDays))
  const frame = await readFrame(deps, oldest, last)
  const isEverything = scope.kind === 'nightly' && scope.day === undefined
  const scoped = await narrow(deps.db, frame, scope, rangeOf(scope, oldest, last))
  const links = createLinks(deps.timeZone, pathsOf(work, frame, new Set(placesOf(scoped).map(({ id }) => id))))
  const visited = new Set<string>()
  const isDue = createDue(deps, work, frame, links, visited)

  const days = scoped.daysWithReport.filter((day) => isDue(dayPlace(day).id))
  const insights = scoped.insights.filter(({ id }) => isDue(id))
  const customers = scoped.customers.filter(({ key }) => isDue(customerPlace(key).id))
  const alerts = draftAlerts(scoped, links.contextFor)
  const weeks = draftWeeks({ ...scoped, customers: [] }, links.contextFor).filter(({ id }) => isDue(id))
  const eachDays = async (act: (drafts: NoteDraft[]) => Promise<void>): Promise<void> => {
    const dates = [...days, ...insights].map(({ day }) => day).sort()
    const [from, to] = [dates[0], dates.at(-1)]
    if (from === undefined || to === undefined) return
    for (let end = to; end >= from && !work.signal.aborted; end = addDays(end, -daysAtOnce)) {
      const start = later(from, addDays(end, 1 - daysAtOnce))
      const isThen = ({ day }: SiteDay): boolean => day >= start && day <= end
      const some = days.filter(isThen)
      await act([
        ...draftDays(await readSome(deps.db, some, frame), frame.insights, links.contextFor),
        ...draftInsights(insights.filter(isThen), links.contextFor),
      ])
    }
  }
  const eachCustomers = async (act: (drafts: NoteDraft[]) => Promise<void>): Promise<void> => {
    for (let at = 0; at < customers.length && !work.signal.aborted; at += customersAtOnce) {
      const keys = customers.slice(at, at + customersAtOnce).map(({ key }) => key)
      const profiles = await selectReports<CustomerProfile>(deps.db, { kind: 'customer', keys })
      const none = { funnels: [], segments: [], heatmaps: [] }
      await act(draftWeeks({ ...none, customers: profiles.map(({ body }) => body) }, links.contextFor))
    }
  }
  const total = [...alerts, ...weeks, ...days, ...insights, ...customers].length
  const texts = await narrate(deps, work, scope, { alerts, eachDays, weeks, total }, options)

  for (const { note_id, path } of work.rows.values()) work.owners.set(path.toLowerCase(), note_id)
  let done = 0
  const write = (drafts: readonly NoteDraft[]): Promise<void> =>
    eachAtOnce(drafts, deps.filesAtOnce ?? 1, async (draft) => {
      if (work.signal.aborted) return
      const note = draft.finish(textOf(draft, texts))
      const from = frame.sources.get(note.id)
      await writeNote(work, note, from === undefined ? null : { from, links: links.askedBy(note.id) })
      for (const id of [note.id, ...note.files.map(({ path }) => path)]) visited.add(id)
      options.onProgress?.({ phase: 'notes', done: ++done, total })
      if (done % pauseEvery === 0) await deps.clock.sleep(deps.pauseMs, work.signal)
    })
  await writeDashboards(work)
  await write([...alerts, ...weeks])
  await eachCustomers(write)
  await eachDays(write)
  if (work.signal.aborted) return
  await writeNote(work, indexNote(frame, links.contextFor(indexPlace.id)), null)
  visited.add(indexPlace.id)
  if (isEverything && scope.site === undefined) await letGo(deps, work, frame, visited, oldest)
}

/** Reports of these days alone. */
const readSome = async (db: Db, days: readonly SiteDay[], frame: VaultFrame): Promise<DayReport[]> => {
  const dates = days.map(({ day }) => day).sort()
  const [from, to] = [dates[0], dates.at(-1)]
  if (from === undefined || to === undefined) return []
  const wanted = new Set(days.map(keyOf))
  const sites = [...new Set(days.map(({ rawSite }) => rawSite))]
  return (await readDays(db, { sites, from, to }, frame)).filter((report) => wanted.has(keyOf(report)))
}

/** After an erasure: segments no longer name who was forgotten. */
export const writeSegments = async (deps: VaultDeps, work: Work): Promise<void> => {
  const [first, last] = await reach(deps.db)
  if (first === null || last === null) return
  const frame = await readFrame(deps, last, last)
  const { contextFor } = createLinks(deps.timeZone, pathsOf(work, frame, new Set()))
  const drafts = draftWeeks({ ...frame, funnels: [], customers: [], heatmaps: [] }, contextFor)
  const told = { alerts: [], eachDays: async () => {}, weeks: drafts, total: drafts.length }
  const texts = await narrate(deps, work, { kind: 'hourly', days: [] }, told, {})
  for (const draft of drafts) await writeNote(work, draft.finish(textOf(draft, texts)), null)
}

/** Whether a note has to be made anew; what need not be is visited with this. */
const createDue =
  ({ narrator }: VaultDeps, work: Work, { sources }: VaultFrame, links: Links, visited: Set<string>) =>
  (noteId: string): boolean => {
    const found = untouchedRendering(work, noteId)
    const isSame =
      found !== undefined &&
      found.from === sources.get(noteId) &&
      // Where a model may be asked, a plain text is what stands until it was.
      !(narrator !== null && found.text === 'plain') &&
      found.links.every(([id, path]) => links.pathOf(id) === path)
    if (isSame) for (const id of [noteId, ...found.pictures]) visited.add(id)
    return !isSame
  }

/** What the scope means of all there is. */
const narrow = async (
  db: Db,
  frame: VaultFrame,
  scope: VaultScope,
  [from, to]: [string, string],
): Promise<Omit<VaultFrame, 'sources'>> => {
  const isMeant = isMeantBy(scope)
  const isInScope = (one: SiteDay): boolean => one.day >= from && one.day <= to && isMeant(one)
  const days = {
    daysWithReport: frame.daysWithReport.filter(isInScope),
    insights: frame.insights.filter(isInScope),
    alerts: frame.alerts.filter((one) => one.state === 'open' || (isOfSite(scope, one) && one.window.to >= from)),
  }
  if (scope.kind === 'hourly' || scope.day !== undefined)
    return { ...days, funnels: [], heatmaps: [], customers: [], segments: [] }
  const known = scope.site === undefined ? null : await selectCustomersOf(db, scope.site)
  return {
    ...days,
    funnels: frame.funnels.filter((one) => isOfSite(scope, one)),
    heatmaps: frame.heatmaps.filter((one) => isOfSite(scope, one)),
    customers: frame.customers.filter(({ key }) => known === null || known.has(key)),
    segments: frame.segments,
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

/** What is written from reports that hold only what is; notes of days are kept for ever, or as long as is set. */
const kindsOfNow = ['funnel_analysis', 'customer_profile', 'segment', 'heatmap']
const kindsOfDays = ['daily_report', 'insight', 'dropoff_alert']

const letGo = async (
  { keepDays, isForClient }: VaultDeps,
  work: Work,
  frame: VaultFrame,
  visited: ReadonlySet<string>,
  oldest: string,
): Promise<void> => {
  const reported = new Set(frame.daysWithReport.map(keyOf))
  for (const row of [...work.rows.values()]) {
    if (row.state !== 'active' || visited.has(row.note_id) || work.signal.aborted) continue
    const isOfDay = kindsOfDays.includes(row.kind)
    const isTooOld = keepDays !== undefined && isOfDay && row.day !== null && row.day < oldest
    // The day was reported anew, and has nothing of the kind any more.
    const isDisproved =
      row.kind === 'insight' && reported.has(keyOf({ rawSite: row.site_id ?? '', day: row.day ?? '' }))
    const isWithheld = isOfDay && row.site_id !== null && isForClient?.(row.site_id) === false
    if (row.kind === 'picture') await removeNote(work, row)
    else if (kindsOfNow.includes(row.kind) || isTooOld || isDisproved || isWithheld) await expireNote(work, row)
  }
}

/** Where notes are: those that are there, and those that are about to be. What is no more, or not yet, is not linked to. */
const pathsOf = (work: Work, input: VaultPlaces, written: ReadonlySet<string>): Map<string, string> => {
  const always = [indexPlace, ...dashboards.map(({ path }) => ({ id: path, path }))]
  const sure = new Set([...written, ...always.map(({ id }) => id)])
  const paths = new Map<string, string>()
  for (const { id, path } of [...placesOf(input), ...always]) {
    const row = work.rows.get(id)
    // A person may have moved a note, or removed it.
    if (row?.state === 'active') paths.set(id, row.path)
    else if (row?.state !== 'removed' && sure.has(id)) paths.set(id, path)
  }
  return paths
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

const later = (a: string, b: string): string => (a > b ? a : b)
