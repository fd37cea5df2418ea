import type { Queryable } from '../db.ts'
import { addDays, type Calendar, type Day, hourMs, isoOf, weekdayOf } from './days.ts'
import type { FactMaker, FactOptions } from './make-fact.ts'
import type { Counts } from './page-tally.ts'
import type { QualityCheck, QualityVerdict } from './report.ts'
import { type SiteDay, type SiteDayRow, siteDayColumns, siteDayOf } from './site-tally.ts'
import { modifiedZ } from './statistics/quantiles.ts'

type Level = QualityCheck['level']

/** Shares from which a check is amber, and red: then the day's figures are not judged. */
const limits = {
  loss: [0.03, 0.15],
  // What comes late is in the figures by now: worth knowing, and no reason not to judge.
  late: [0.1, Number.POSITIVE_INFINITY],
  duplicates: [0.1, 0.5],
  rejects: [0.01, 0.2],
  bots: [0.3, 0.7],
} as const
/** Seconds. */
const skewLimits = [120, 24 * 3600] as const
/** Iglewicz and Hoaglin's limit, and the share of the median by which a volume must differ as well. */
const volumeZ = 3.5
const volumeAmber = 0.3
/** A day with so little of what the same weekdays brought is a fault of the tracking until shown otherwise. */
const volumeRed = 0.7
/** Events come a dozen to a visit: of fewer than this a fall by so much is chance. Nothing at all is none. */
const volumeRedEventsMin = 500
const volumeEventsMin = 50
const weekdaysMin = 3
const historyDays = 56
/** A type that is expected this often (Poisson) is missing by chance once in 20,000 days. */
const expectedMin = 10

export const siteHistoryQuery = `select ${siteDayColumns} from site_days
  where site_id = $1::text and day >= $2::date and day <= $3::date order by day`

/** The days of a site up to this one, oldest first. */
export const selectHistory = async (db: Queryable, siteId: string, day: Day): Promise<SiteDay[]> => {
  const rows = await db.query<SiteDayRow>(siteHistoryQuery, [siteId, addDays(day, -historyDays), day])
  return rows.map(siteDayOf)
}

export const selectUnread = async (db: Queryable, siteId: string, calendar: Calendar, day: Day): Promise<number> => {
  const [row] = await db.query<{ events: number }>(
    `select coalesce(sum(events), 0)::bigint as events from unread_events
     where site_id = $1::text and quarter >= $2::timestamptz and quarter < $3::timestamptz`,
    [siteId, isoOf(calendar.startOf(day)), isoOf(calendar.endOf(day))],
  )
  return row?.events ?? 0
}

/**
 * What the tracking of a site and day is worth. Red checks veto: no alert is raised from such a day and its figures are
 * not judged, because a drop that comes with lost events says nothing about people. A day that is not over is not held
 * against whole days.
 */
export const judgeQuality = (options: {
  facts: FactMaker
  siteId: string
  day: Day
  isComplete: boolean
  /** Ends with the day itself. */
  history: readonly SiteDay[]
  unread: number
  sent: number
  arrived: number
  calendar: Calendar
  asOfMs: number
}): QualityVerdict => {
  const { facts, siteId, day, isComplete, history, calendar, asOfMs } = options
  const site = history.find((one) => one.day === day)
  if (!site) return { rawSite: siteId, day, level: 'green', checks: [], vetoes: [] }
  const before = history.filter((one) => one.day < day)
  const human = site.events - site.botEvents
  const share = (
    check: keyof typeof limits,
    metric: Parameters<FactMaker['share']>[0],
    part: number,
    of: number,
  ): QualityCheck => ({
    check,
    level: of === 0 ? 'unknown' : levelOf(part / of, limits[check]),
    fact: facts.share(metric, part, of, { check }),
  })
  const skew = skewP95(site.skew)
  const consents = [...site.consents.values()].reduce((sum, one) => sum + one, 0)
  const checks: QualityCheck[] = [
    volumeCheck(facts, site, before, isComplete),
    share('loss', 'quality_loss_share', options.sent - options.arrived, options.sent),
    {
      check: 'clock_skew',
      level: skew.seconds === null ? 'unknown' : levelOf(skew.seconds, skewLimits),
      fact: facts.fact('quality_clock_skew_p95', skew.seconds, {
        ...{ unit: 'seconds', n: skew.n, dims: { check: 'clock_skew' }, method: 'power_of_two_buckets' },
      }),
    },
    share('late', 'quality_late_share', site.late, human),
    share('duplicates', 'quality_duplicate_share', site.duplicates, site.events + site.duplicates),
    share('rejects', 'quality_reject_share', site.rejected, site.events + site.rejected),
    share('bots', 'quality_bot_share', site.botEvents, site.events),
    {
      check: 'consent',
      level: consents === 0 ? 'unknown' : 'green',
      fact: facts.share('quality_consent_share', consents - (site.consents.get('denied') ?? 0), consents, {
        check: 'consent',
      }),
    },
    silenceCheck(facts, site, before, { calendar, asOfMs, isComplete }),
    ...missingChecks(facts, site, before, isComplete),
    {
      check: 'unread',
      level: options.unread > 0 ? 'red' : 'green',
      fact: facts.count('quality_unread_events', options.unread, { check: 'unread' }),
    },
  ]
  const level = checks.some((one) => one.level === 'red')
    ? 'red'
    : checks.some((one) => one.level === 'amber')
      ? 'amber'
      : 'green'
  return { rawSite: siteId, day, level, checks, vetoes: level === 'red' ? ['alerts', 'judgement'] : [] }
}

const levelOf = (value: number, [amber, red]: readonly [number, number]): Level =>
  value >= red ? 'red' : value >= amber ? 'amber' : 'green'

/** Events of the day against the same weekdays before. */
const volumeCheck = (
  facts: FactMaker,
  site: SiteDay,
  before: readonly SiteDay[],
  isComplete: boolean,
): QualityCheck => {
  const same = before.filter((one) => weekdayOf(one.day) === weekdayOf(site.day)).map(humanEvents)
  const value = humanEvents(site)
  const made = (level: Level, options: FactOptions): QualityCheck => ({
    ...{ check: 'volume', level },
    fact: facts.fact('quality_volume', value, {
      dims: { check: 'volume' },
      method: 'modified_z',
      n: same.length,
      ...options,
    }),
  })
  if (!isComplete) return made('unknown', { notEnoughHistory: 'The day is not over.' })
  if (same.length < weekdaysMin)
    return made('unknown', { notEnoughHistory: `Fewer than ${weekdaysMin} earlier days of the same weekday.` })
  const center = [...same].sort((a, b) => a - b)[Math.floor((same.length - 1) / 2)] ?? 0
  const z = modifiedZ(value, same)
  const change = center === 0 ? 0 : value / center - 1
  // By how much it may differ for this test: no other says of it what is a rise.
  const half = z === null || z === 0 ? 0 : Math.abs((volumeZ * (value - center)) / z)
  const isUnusual = z === null ? value !== center : Math.abs(z) > volumeZ
  const isRed = change < -volumeRed && (center >= volumeRedEventsMin || (value === 0 && center >= volumeEventsMin))
  const isSmall = center < volumeEventsMin && value < volumeEventsMin
  const level = !isUnusual || isSmall || Math.abs(change) < volumeAmber ? 'green' : isRed ? 'red' : 'amber'
  return made(level, {
    compare: {
      value: center,
      n: center,
      basis: 'median of the same weekday',
      chance: { low: center - half, high: center + half },
    },
  })
}

const humanEvents = ({ events, botEvents }: SiteDay): number => events - botEvents

const skewP95 = (buckets: Counts): { seconds: number | null; n: number } => {
  const sorted = [...buckets].map(([key, times]) => [Number(key), times] as const).sort(([a], [b]) => a - b)
  const n = sorted.reduce((sum, [, times]) => sum + times, 0)
  let seen = 0
  for (const [seconds, times] of sorted) {
    seen += times
    if (seen >= n * 0.95) return { seconds, n }
  }
  return { seconds: null, n: 0 }
}

const eventsOfVisitMax = 24

/**
 * How many events that come one by one say as much as these days' counts do (quasi-Poisson: the mean over the dispersion). A
 * visit brings a dozen of them at once, so that a small shop has quiet evenings in which many events were to be expected.
 * The best and the worst day are left out: a single great one says nothing about how events come; and no more is put down to
 * visits than they can explain, because days differ by more than chance (a weekend has a tenth of a weekday's, say).
 */
const independent = (counts: readonly number[]): number => {
  const usual = [...counts].sort((a, b) => a - b).slice(1, -1)
  const mean = usual.reduce((sum, one) => sum + one, 0) / Math.max(1, usual.length)
  const variance = usual.reduce((sum, one) => sum + (one - mean) ** 2, 0) / Math.max(1, usual.length - 1)
  return mean > 0 ? mean / Math.min(eventsOfVisitMax, Math.max(1, variance / mean)) : 0
}

/** Hours without an event at the end of the data, where the same hours of other days had some. */
const silenceCheck = (
  facts: FactMaker,
  site: SiteDay,
  before: readonly SiteDay[],
  { calendar, asOfMs, isComplete }: { calendar: Calendar; asOfMs: number; isComplete: boolean },
): QualityCheck => {
  const untilMs = Math.min(asOfMs, calendar.endOf(site.day))
  const silentHours = site.lastMs === null ? 0 : Math.max(0, (untilMs - site.lastMs) / hourMs)
  const recent = before.slice(-14)
  // What fell into the same hours of the day on the days before: a site that sleeps at night is not silent then.
  const firstHour = calendar.hourOf(site.lastMs ?? untilMs) + 1
  const lastHour = isComplete ? 24 : calendar.hourOf(untilMs)
  const expected = independent(
    recent.map((one) =>
      [...one.hours].reduce((all, [hour, n]) => all + (+hour >= firstHour && +hour < lastHour ? n : 0), 0),
    ),
  )
  const level: Level =
    recent.length < 7 ? 'unknown' : expected >= 3 * expectedMin ? 'red' : expected >= expectedMin ? 'amber' : 'green'
  return {
    ...{ check: 'silence', level },
    fact: facts.fact('quality_silent_hours', silentHours, {
      ...{ unit: 'hours', n: recent.length, dims: { check: 'silence' }, method: 'expected_in_the_same_hours' },
      ...(recent.length < 7 && { notEnoughHistory: 'Fewer than 7 earlier days.' }),
    }),
  }
}

/** Types that came on most days before and not at all today. */
const missingChecks = (
  facts: FactMaker,
  site: SiteDay,
  before: readonly SiteDay[],
  isComplete: boolean,
): QualityCheck[] => {
  const recent = before.slice(-28)
  const totals: Counts = new Map()
  for (const one of recent) for (const [type, times] of one.types) totals.set(type, (totals.get(type) ?? 0) + times)
  const all = recent.reduce((sum, one) => sum + humanEvents(one), 0)
  const missing =
    isComplete && recent.length >= 7 && all > 0
      ? [...totals]
          .filter(([type, times]) => !site.types.has(type) && (times / all) * humanEvents(site) >= expectedMin)
          .sort(([a], [b]) => (a < b ? -1 : 1))
      : []
  const level: Level = !isComplete || recent.length < 7 ? 'unknown' : missing.length > 0 ? 'amber' : 'green'
  if (missing.length === 0)
    return [
      {
        ...{ check: 'missing_events', level },
        fact: facts.fact('quality_event_type_missing', 0, {
          ...{ n: recent.length, dims: { check: 'missing_events' }, method: 'poisson' },
          ...(level === 'unknown' && { notEnoughHistory: 'Needs a whole day and 7 earlier ones.' }),
        }),
      },
    ]
  return missing.slice(0, 5).map(([type, times]) => ({
    ...{ check: 'missing_events', level },
    fact: facts.fact('quality_event_type_missing', (times / all) * humanEvents(site), {
      ...{ n: recent.length, dims: { check: 'missing_events', event_type: type }, method: 'poisson' },
    }),
  }))
}
