/**
 * Recency, frequency and monetary value in quintiles (1 lowest to 5 highest), and the usual names of their combinations.
 * The limits between quintiles are quantiles of type 7 over all buyers; who lies above a limit is in the next quintile, so
 * that equal customers have equal scores.
 */
export type RfmLimits = { recency: number[]; frequency: number[]; monetary: number[] }
export type RfmScores = { recency: number; frequency: number; monetary: number }

/** Fewer buyers than this have no fifths worth the name. */
export const buyersMin = 50

export const rfmSegments = [
  'champions',
  'loyal',
  'potential_loyal',
  'new_customers',
  'promising',
  'need_attention',
  'about_to_sleep',
  'at_risk',
  'cannot_lose',
  'lost',
] as const
export type RfmSegment = (typeof rfmSegments)[number]

const scoreOf = (value: number, limits: readonly number[]): number => 1 + limits.filter((limit) => value > limit).length

/** `recencyDays` counts backwards: the most recent get 5. */
export const scoreRfm = (
  limits: RfmLimits,
  { recencyDays, orders, revenue }: { recencyDays: number; orders: number; revenue: number },
): RfmScores => ({
  recency: scoreOf(-recencyDays, limits.recency),
  frequency: scoreOf(orders, limits.frequency),
  monetary: scoreOf(revenue, limits.monetary),
})

/** The first that fits; frequency and monetary value together say how good a customer is. */
export const rfmSegmentOf = ({ recency, frequency, monetary }: RfmScores): RfmSegment => {
  const worth = (frequency + monetary) / 2
  if (recency >= 4 && worth >= 4) return 'champions'
  if (recency >= 3 && worth >= 3.5) return 'loyal'
  if (recency <= 2 && worth >= 4.5) return 'cannot_lose'
  if (recency <= 2 && worth >= 3) return 'at_risk'
  if (recency >= 4 && worth >= 2) return 'potential_loyal'
  if (recency >= 4) return 'new_customers'
  if (recency === 3 && worth >= 2.5) return 'need_attention'
  if (recency === 3) return 'promising'
  return recency === 2 ? 'about_to_sleep' : 'lost'
}
