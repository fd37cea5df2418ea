import type { Queryable } from '../db.ts'
import type { Fact, FactWindow } from './fact.ts'

/**
 * What the engine hands to whoever writes notes: facts and raw strings in plain, JSON-able shapes. Days are local days of
 * BILLING_TIMEZONE, `YYYY-MM-DD`; weeks are named by their Monday; instants are ISO 8601 in UTC. A field that is called
 * `raw…`, and everything below it, came from an event: it is to be escaped for its place, and never shown to a model.
 */
export type VaultInput = {
  readonly timeZone: string
  /** Every local day that has a report, of all sites, oldest first: links to neighbours may lead to these only. */
  readonly daysWithReport: readonly SiteDay[]
  /** The days that changed since they were last read. */
  readonly days: readonly DayReport[]
  /** One per site and funnel, over the 28 days that end with the last day of the range. */
  readonly funnels: readonly FunnelReport[]
  readonly customers: readonly CustomerProfile[]
  /** Open ones, and those that were closed within the range. */
  readonly alerts: readonly DropoffAlert[]
  readonly insights: readonly Insight[]
  readonly segments: readonly SegmentReport[]
  readonly heatmaps: readonly HeatmapReport[]
}
export type SiteDay = { readonly rawSite: string; readonly day: string }

/** What to read: local days, both ends included. Without `sites`, all of them. */
export type ReportRange = {
  readonly timeZone: string
  readonly from: string
  readonly to: string
  readonly sites?: readonly string[]
  /** At most this many customers, those with the latest change first. */
  readonly customersMax: number
}
export type ReadReports = (db: Queryable, range: ReportRange) => Promise<VaultInput>

export type DayReport = {
  readonly rawSite: string
  readonly day: string
  readonly window: FactWindow
  /** The day is over and all of its events that have arrived are in. */
  readonly isComplete: boolean
  /** The nearest earlier and later day of this site that has a report. */
  readonly previousDay: string | null
  readonly nextDay: string | null
  readonly quality: QualityVerdict
  readonly totals: DayTotals
  /** The day's funnels, the default one first. */
  readonly funnels: readonly FunnelSummary[]
  /** Where most people were lost, worst first, at most five. */
  readonly topDropoffs: readonly DropoffPoint[]
  /** By sessions, most first. */
  readonly channels: readonly BreakdownRow[]
  readonly sources: readonly BreakdownRow[]
  readonly campaigns: readonly BreakdownRow[]
  readonly devices: readonly BreakdownRow[]
  readonly browsers: readonly BreakdownRow[]
  /** `new` and `returning`. */
  readonly visitorKinds: readonly BreakdownRow[]
  readonly entryPages: readonly BreakdownRow[]
  readonly exitPages: readonly BreakdownRow[]
  /** What was searched for on the site: `value` is the query, `count` how often. */
  readonly searches: readonly CountRow[]
  /** 75th percentile of the largest contentful paint, slowest first, pages with 10 measurements and more. */
  readonly slowPages: readonly CountRow[]
  /** Errors, rage clicks, abandoned forms of the day. */
  readonly friction: readonly Fact[]
  readonly paths: PathGraph
  /** Ids of alerts whose window touches this day. */
  readonly alertIds: readonly string[]
}

export type DayTotals = {
  readonly events: Fact
  readonly pageviews: Fact
  readonly sessions: Fact
  readonly visitors: Fact
  readonly newVisitors: Fact
  readonly returningVisitors: Fact
  readonly orders: Fact
  readonly revenue: Fact
  /** Sessions with an order ÷ sessions. */
  readonly conversionRate: Fact
  readonly averageOrderValue: Fact
  /** Median of the engaged seconds of a session. */
  readonly engagedSeconds: Fact
  readonly bounceShare: Fact
  readonly pagesPerSession: Fact
  /** From the first visit within the lookback to the order: median and 90th percentile, and the sessions it took. */
  readonly journeySeconds: Fact
  readonly journeySecondsP90: Fact
  readonly journeySessions: Fact
}

/** A row of a breakdown; `rawValue` of channels, devices and visitor kinds is from a closed list. */
export type BreakdownRow = {
  readonly rawValue: string
  readonly sessions: Fact
  /** Of all sessions of the day. */
  readonly share: Fact
  readonly conversionRate: Fact
  readonly revenue: Fact
}
export type CountRow = { readonly rawValue: string; readonly count: Fact }

export type DropoffPoint = {
  readonly funnelId: string
  readonly funnelName: string
  readonly fromStep: string
  readonly toStep: string
  readonly lost: Fact
  readonly rate: Fact
}

export type FunnelOrder = 'sequential' | 'strict' | 'any'
export type FunnelStepReport = {
  readonly index: number
  /** As the operator named it in funnels.yaml. */
  readonly name: string
  readonly entered: Fact
  /** Null at the first step. */
  readonly conversion: Fact | null
  readonly conversionFromFirst: Fact
  /** Share of those who did not go on to the next step; null at the last. With a Wilson interval. */
  readonly dropoff: Fact | null
  readonly lost: Fact | null
  /** From the step before to this one; null at the first step. */
  readonly secondsMedian: Fact | null
  readonly secondsP90: Fact | null
}
export type FunnelSummary = {
  readonly rawSite: string
  /** Id and name are the operator's. */
  readonly funnelId: string
  readonly name: string
  readonly order: FunnelOrder
  /** Who goes through the funnel: a session, or a visitor over all sessions within the conversion window. */
  readonly counts: 'sessions' | 'visitors'
  readonly conversionWindowSeconds: number
  readonly window: FactWindow
  readonly steps: readonly FunnelStepReport[]
  readonly conversion: Fact
  readonly secondsMedian: Fact
  readonly secondsP90: Fact
}
export type FunnelReport = FunnelSummary & {
  /** By device, channel, visitor kind. Values are from closed lists. */
  readonly segments: readonly FunnelSegment[]
  /** Who goes through which step, and who leaves there: acyclic, for a Sankey diagram. */
  readonly flow: PathGraph
  readonly attribution: AttributionReport | null
  readonly cohorts: CohortReport | null
  /** Conversion by day, oldest first. */
  readonly trend: readonly Fact[]
  /** What coincides with conversion, strongest first; a coincidence is no cause. */
  readonly associations: readonly Association[]
  readonly alertIds: readonly string[]
  readonly quality: QualityVerdict
}
export type FunnelSegment = {
  readonly dimension: 'device' | 'channel' | 'visitor_kind'
  readonly value: string
  readonly entered: readonly Fact[]
  readonly conversion: Fact
}
export type Association = {
  readonly step: string
  /** A closed word: `device=mobile`, `channel=paid`, `js_error`, `form_error`, `rage_click`, `visitor_kind=new`. */
  readonly trait: string
  readonly oddsRatio: Fact
  readonly qValue: Fact
  /** One outcome is more than ten times as frequent as the other. */
  readonly isSkewed: boolean
}

export const attributionModels = [
  'first',
  'last',
  'last_non_direct',
  'linear',
  'position',
  'time_decay',
  'markov',
  'shapley',
] as const
export type AttributionModel = (typeof attributionModels)[number]
export type AttributionReport = {
  readonly rawSite: string
  readonly goal: string
  readonly lookbackDays: number
  readonly window: FactWindow
  readonly conversions: Fact
  readonly paths: Fact
  readonly nullPaths: Fact
  readonly rows: readonly AttributionRow[]
  /** Why a model has no credits here. */
  readonly notEnoughHistory?: string
}
export type AttributionRow = {
  /** Of a closed list. */
  readonly channel: string
  /** Conversions credited; the column adds up to all conversions. Value null: the model cannot be computed. */
  readonly credit: Readonly<Record<AttributionModel, Fact>>
  readonly revenue: Readonly<Record<AttributionModel, Fact>>
  /** Highest minus lowest share over the models, in points: the disagreement is the finding. */
  readonly spread: Fact
}

export type CohortReport = {
  readonly rawSite: string
  /** Newest last. `returned[k]`: share seen again k + 1 weeks later; null: that week is not over. */
  readonly rows: readonly {
    readonly week: string
    /** A channel, or `all`. */
    readonly channel: string
    readonly size: Fact
    readonly returned: readonly (Fact | null)[]
  }[]
}

/** Nodes stand in columns by step, and every edge leads to a later column: acyclic by construction. */
export type PathGraph = {
  /** `id` is generated (`n1` …); `kind` says whether the label is the operator's, closed, or came from an event. */
  readonly nodes: readonly {
    readonly id: string
    readonly step: number
    readonly kind: 'step' | 'page' | 'exit' | 'other' | 'channel' | 'conversion'
    readonly rawLabel: string
  }[]
  readonly edges: readonly { readonly from: string; readonly to: string; readonly value: Fact }[]
}

export type CustomerProfile = {
  /** A pseudonym for file names and links: `c_` and 16 hex digits. */
  readonly key: string
  /** As sent by `identify`; an address or number is a keyed hash already. */
  readonly rawUserId: string
  readonly rawSites: readonly string[]
  readonly visitorIds: readonly string[]
  readonly firstSeen: string
  readonly lastSeen: string
  /** The end of the run's data: ages count from here, never from the clock. */
  readonly asOf: string
  readonly attributes: readonly CustomerAttribute[]
  readonly figures: CustomerFigures
  /** Closed words such as `champions`; null with too few customers. */
  readonly rfmSegment: string | null
  /** Ids of segments of segments.yaml. */
  readonly segments: readonly { readonly id: string; readonly name: string }[]
  /** Newest first, at most 50; `touchpointsTotal` counts them all. */
  readonly touchpoints: readonly Touchpoint[]
  readonly touchpointsTotal: number
  readonly path: PathGraph
  /** By week, oldest first, weeks without a visit left out. */
  readonly weeks: readonly {
    readonly week: string
    readonly visits: Fact
    readonly engagedSeconds: Fact
    readonly orders: Fact
    readonly revenue: Fact
  }[]
  readonly funnels: readonly {
    readonly rawSite: string
    readonly funnelId: string
    readonly name: string
    readonly furthestStep: string
    readonly stepsDone: number
    readonly steps: number
  }[]
}
export type CustomerAttribute = {
  /** A name of the standard list (age, gender, location, device, browser, os, channel, language …) or as sent. */
  readonly rawName: string
  /** Null: not collected. */
  readonly rawValue: string | null
  readonly since: string | null
  /** Earlier values, newest first. */
  readonly history: readonly { readonly rawValue: string | null; readonly from: string; readonly to: string }[]
}
/** All of one person. */
export type CustomerFigures = {
  readonly visits: Fact
  readonly pageviews: Fact
  readonly engagedSeconds: Fact
  readonly orders: Fact
  readonly lifetimeValue: Fact
  readonly averageOrderValue: Fact
  readonly recencyDays: Fact
  readonly rfmRecency: Fact
  readonly rfmFrequency: Fact
  readonly rfmMonetary: Fact
  readonly probabilityAlive: Fact
  readonly expectedOrders: Fact
  readonly propensity: Fact
}
/** One visit, with what was known of the person at that moment. */
export type Touchpoint = {
  readonly at: string
  readonly sessionKey: string
  readonly rawSite: string
  readonly channel: string
  readonly rawSource: string | null
  readonly rawCampaign: string | null
  readonly device: string
  readonly rawEntryPage: string | null
  readonly rawExitPage: string | null
  readonly rawPages: readonly string[]
  readonly pageviews: number
  readonly engagedSeconds: number
  readonly orders: number
  /** In the currency of the customer's figures. */
  readonly revenue: number
  readonly rawAttributesThen: Readonly<Record<string, string>>
}

export type Severity = 'critical' | 'warning' | 'info'
export type DropoffAlert = {
  /** Stable while the alert is open: `a_` and 16 hex digits. */
  readonly id: string
  readonly rawSite: string
  readonly funnelId: string
  readonly funnelName: string
  readonly fromStep: string
  readonly toStep: string
  readonly severity: Severity
  readonly state: 'open' | 'closed'
  readonly openedAt: string
  /** Of the last material change: opened, another severity, another direction, closed. */
  readonly changedAt: string
  readonly closedAt: string | null
  /** The time that was judged. */
  readonly window: FactWindow
  /** Drop-off with a Wilson interval, compared with the expected rate. */
  readonly current: Fact
  readonly baseline: Fact
  readonly difference: Fact
  /** Of the days that were tested, which are not always those of `window`: the loss is located afterwards. */
  readonly pValue: Fact
  readonly qValue: Fact
  readonly lostSessions: Fact
  readonly lostRevenue: Fact
  /** The kinds whose interval excludes what was expected of them, most lost first; closed words. */
  readonly affected: readonly {
    readonly dimension: string
    readonly value: string
    readonly current: Fact
    readonly baseline: Fact
  }[]
  /** What else was measured in the same time and is unusual: errors, slow pages, missing events. */
  readonly coincidences: readonly Fact[]
  readonly actions: readonly RecommendedAction[]
}
export const recommendedActions = [
  'check_recent_release',
  'test_the_step_on_device',
  'look_at_script_errors',
  'look_at_form_errors',
  'look_at_page_speed',
  'check_campaign_targeting',
  'check_tracking_of_step',
  'compare_new_and_returning',
] as const
export type RecommendedAction = (typeof recommendedActions)[number]

export type Insight = {
  /** Stable per site, kind and day: `i_` and 16 hex digits. */
  readonly id: string
  readonly rawSite: string
  readonly day: string
  readonly kind: 'tracking_quality' | 'what_changed'
  readonly severity: Severity
  readonly facts: readonly Fact[]
  readonly quality: QualityVerdict
}

export type SegmentReport = {
  readonly id: string
  /** Name, description and rule are the operator's. */
  readonly name: string
  readonly description: string
  readonly rule: string
  readonly size: Fact
  readonly share: Fact
  /** Sizes by day, oldest first. */
  readonly trend: readonly Fact[]
  readonly figures: readonly Fact[]
  /** Keys of identified customers in it, those worth most first, at most 50. */
  readonly customerKeys: readonly string[]
}

export type HeatmapReport = {
  readonly rawSite: string
  readonly rawPath: string
  readonly device: string
  readonly window: FactWindow
  readonly clicks: Fact
  readonly views: Fact
  readonly rageClicks: Fact
  /** Row by row from the top: clicks in each cell of the viewport, `columns × rows` numbers. Empty: no positions. */
  readonly grid: { readonly columns: number; readonly rows: number; readonly counts: readonly number[] }
  /** Share of page views that saw each depth, 25, 50, 75 and 100 percent. */
  readonly scroll: readonly { readonly percent: number; readonly reached: Fact }[]
  readonly elements: readonly { readonly rawElement: string; readonly clicks: Fact }[]
}

/** What the tracking of a site and day is worth. */
export type QualityVerdict = {
  readonly rawSite: string
  readonly day: string
  /** Red: the figures of this day are not judged, no alert is raised from them, and notes say "not judged". */
  readonly level: 'green' | 'amber' | 'red'
  readonly checks: readonly QualityCheck[]
  /** What the verdict forbids. */
  readonly vetoes: readonly ('alerts' | 'judgement')[]
}
export type QualityCheck = {
  readonly check: (typeof qualityChecks)[number]
  readonly level: 'green' | 'amber' | 'red' | 'unknown'
  readonly fact: Fact
}
export const qualityChecks = [
  'volume',
  'loss',
  'clock_skew',
  'late',
  'duplicates',
  'rejects',
  'bots',
  'consent',
  'silence',
  'missing_events',
  'unread',
] as const
