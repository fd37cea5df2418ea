/**
 * A fact is one measured number with all that is needed to trust it: how many cases are behind it, of which time, by
 * which method, from which query. Notes print facts and compute nothing; a narrator may only point at them by id.
 */
export type Fact = {
  /** `f_` and 16 hex digits of a hash over metric, dimensions and window: the same question has the same id in every run. */
  readonly id: string
  readonly metric: FactMetric
  /** Null where there is nothing to measure, or too little to judge: see `notEnoughHistory`. Never NaN, never infinite. */
  readonly value: number | null
  readonly unit: FactUnit
  /** The sample behind the value: the denominator of a share, the cases of a median, the count itself for a count. */
  readonly n: number
  /** Distinct people behind it, counted up to ten; absent where only cases are known. */
  readonly people?: number
  /** How many figures of its kind there are, itself included, where all are listed: only then one can be the largest. */
  readonly among?: number
  readonly window: FactWindow
  readonly dims: FactDims
  /** Name of the method, a heading of docs/agents.md: `wilson`, `bg_nbd`, `markov_removal` … `count` for plain counting. */
  readonly method: string
  /** First 16 hex digits of the SHA-256 of the query (or of the method and its parameters) that gave the value. */
  readonly queryHash: string
  /** In the unit of the value. */
  readonly interval?: { readonly low: number; readonly high: number; readonly level: number }
  /** The value it is compared with (the same slots of earlier weeks, the day before …), and how the value lies to it. */
  readonly compare?: {
    readonly value: number
    readonly direction: Direction
    /** The cases behind that value. */
    readonly n: number
    readonly basis: string
    /** Where the fact's own value is to be expected with 95 %, were nothing different. */
    readonly chance?: { readonly low: number; readonly high: number }
  }
  /** Why there is no value, in one plain sentence without any string from an event. */
  readonly notEnoughHistory?: string
  /** Of a funnel that counts visitors: what reached, left and went on are people, and no sessions. */
  readonly countsVisitors?: true
  /** About a single person: stays on this machine, and is never shown to a model. */
  readonly isPersonal?: true
  /** ISO 4217, of unit `money` (and of `usd`, where the events said so). */
  readonly currency?: string
}

export type Direction = 'up' | 'down' | 'flat'

/** ISO 8601 instants in UTC; half-open: `to` is the first moment after it. */
export type FactWindow = { readonly from: string; readonly to: string }

/** `share` is 0 to 1; `points` are differences of shares, also 0 to 1; `usd` is dollars; `money` is
 * an amount in the fact's `currency`; `score` has no unit. */
export const factUnits = [
  'count',
  'share',
  'points',
  'seconds',
  'hours',
  'days',
  'usd',
  'money',
  'score',
  'ratio',
  'percent',
] as const
export type FactUnit = (typeof factUnits)[number]

/**
 * What a fact is about. Values of `operatorDimensions` come from closed lists or from files of the operator and may be
 * shown as they are. All others came from events: strings that anybody on the internet may have chosen. Who prints them
 * escapes them; a model never sees them.
 */
export const factDimensions = [
  'day',
  'week',
  'month',
  'funnel',
  'step',
  'segment',
  'model',
  'check',
  'visitor_kind',
  'channel',
  'device',
  'rfm_segment',
  'order',
  'bucket',
  'site',
  'page',
  'next_page',
  'source',
  'campaign',
  'browser',
  'os',
  'country',
  'language',
  'query',
  'element',
  'event_type',
  'customer',
  'visitor',
  'session',
  'trait',
  'path',
] as const
export type FactDimension = (typeof factDimensions)[number]
export const operatorDimensions: readonly FactDimension[] = [
  'day',
  'week',
  'month',
  'funnel',
  'step',
  'segment',
  'model',
  'check',
  'visitor_kind',
  'channel',
  'device',
  'rfm_segment',
  'order',
  'bucket',
]
export type FactDims = Readonly<Partial<Record<FactDimension, string>>>

/** The closed list of what is measured. */
export const factMetrics = [
  'events',
  'pageviews',
  'sessions',
  'visitors',
  'new_visitors',
  'returning_visitors',
  'session_share',
  'orders',
  'revenue',
  'conversion_rate',
  'average_order_value',
  'engaged_seconds',
  'session_seconds',
  'bounce_share',
  'pages_per_session',
  'journey_seconds',
  'journey_seconds_p90',
  'journey_sessions',
  'entries',
  'entry_share',
  'exits',
  'exit_share',
  'searches',
  'page_load_p75',
  'page_views',
  'js_errors',
  'rage_clicks',
  'form_errors',
  'form_abandons',
  'clicks',
  'click_share',
  'scroll_reached',
  'step_entered',
  'step_conversion',
  'step_conversion_from_first',
  'step_dropoff',
  'step_lost',
  'step_seconds_median',
  'step_seconds_p90',
  'funnel_conversion',
  'funnel_seconds_median',
  'funnel_seconds_p90',
  'dropoff_baseline',
  'dropoff_difference',
  'dropoff_p_value',
  'dropoff_q_value',
  'dropoff_lost_sessions',
  'dropoff_lost_revenue',
  'odds_ratio',
  'odds_ratio_q_value',
  'transition',
  'variant_share',
  'attribution_credit',
  'attribution_share',
  'attribution_revenue',
  'attribution_spread',
  'attribution_conversions',
  'attribution_paths',
  'attribution_null_paths',
  'cohort_size',
  'cohort_returned',
  'segment_size',
  'segment_share',
  'segment_orders',
  'segment_revenue',
  'segment_conversion_rate',
  'segment_engaged_seconds',
  'segment_probability_alive',
  'visits',
  'lifetime_value',
  'recency_days',
  'rfm_recency',
  'rfm_frequency',
  'rfm_monetary',
  'probability_alive',
  'expected_orders',
  'propensity',
  'quality_volume',
  'quality_volume_score',
  'quality_loss_share',
  'quality_clock_skew_p95',
  'quality_late_share',
  'quality_duplicate_share',
  'quality_reject_share',
  'quality_bot_share',
  'quality_consent_share',
  'quality_identified_share',
  'quality_unread_events',
  'quality_silent_hours',
  'quality_event_type_missing',
] as const
export type FactMetric = (typeof factMetrics)[number]
