import type { FactMetric } from '../fact.ts'

const titles: Partial<Record<FactMetric, string>> = {
  page_load_p75: 'Largest contentful paint, 75th percentile',
  funnel_seconds_median: 'Time to the end, median',
  funnel_seconds_p90: 'Time to the end, 90th percentile',
  step_seconds_median: 'Time to the step, median',
  step_seconds_p90: 'Time to the step, 90th percentile',
  funnel_conversion: 'Came to the end',
  js_errors: 'Script errors',
  rage_clicks: 'Rage clicks',
  step_entered: 'Reached the step',
  step_conversion: 'Went on from the step before',
  step_dropoff: 'Lost before the next step',
  step_lost: 'Lost',
  dropoff_baseline: 'Expected drop-off',
  dropoff_difference: 'Drop-off above expected',
  dropoff_p_value: 'p-value',
  dropoff_q_value: 'q-value',
  dropoff_lost_sessions: 'Lost beyond what was expected',
  dropoff_lost_revenue: 'Estimated loss of revenue',
  rfm_recency: 'RFM recency',
  rfm_frequency: 'RFM frequency',
  rfm_monetary: 'RFM monetary',
  probability_alive: 'Probability of being active',
  expected_orders: 'Expected orders',
  segment_probability_alive: 'Probability of being active, mean',
  engaged_seconds: 'Engaged time',
  segment_engaged_seconds: 'Engaged time',
  journey_seconds: 'From first visit to order, median',
  journey_seconds_p90: 'From first visit to order, 90th percentile',
  journey_sessions: 'Sessions until the order, median',
  quality_volume: 'Volume',
  quality_volume_score: 'Volume against earlier weeks',
  quality_clock_skew_p95: 'Clock skew, 95th percentile',
  quality_event_type_missing: 'Missing event type',
}

/** A metric in words. */
export const metricTitle = (metric: FactMetric): string => {
  const known = titles[metric]
  if (known !== undefined) return known
  const words = metric.replace(/^(quality|segment|attribution)_/, '').replaceAll('_', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** Closed words of the engine, as people write them. */
export const words = (value: string): string => value.replaceAll('_', ' ')
