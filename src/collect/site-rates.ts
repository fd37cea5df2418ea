import type { Clock } from '../clock.ts'
import { AppError, errorCodes } from '../errors.ts'

/** Sites that are counted; an attacker who invents more makes the oldest ones start afresh. */
const countedSitesMax = 10_000

export type SiteRates = {
  /** Takes the events of a request out of its sites' allowances. Errors: rate_limited, and then nothing is taken. */
  take(rows: readonly { siteId: string }[]): void
}

/**
 * A bucket of tokens per site, filled at the rate, of one second's worth: one site that is flooded (by whom ever: addresses
 * are many) does not fill the buffer of the others. A request larger than the bucket passes when the bucket is full.
 */
export const createSiteRates = (perSecond: number, clock: Clock): SiteRates => {
  if (perSecond === 0) return { take() {} }
  const capacity = Math.max(1, perSecond)
  const buckets = new Map<string, { tokens: number; atMs: number }>()

  const bucketOf = (siteId: string) => {
    const nowMs = clock.now()
    const bucket = buckets.get(siteId) ?? { tokens: capacity, atMs: nowMs }
    bucket.tokens = Math.min(capacity, bucket.tokens + (Math.max(0, nowMs - bucket.atMs) / 1000) * perSecond)
    bucket.atMs = nowMs
    buckets.delete(siteId)
    buckets.set(siteId, bucket)
    if (buckets.size > countedSitesMax) buckets.delete(buckets.keys().next().value ?? '')
    return bucket
  }

  return {
    take(rows) {
      const wanted = new Map<string, number>()
      for (const { siteId } of rows) wanted.set(siteId, (wanted.get(siteId) ?? 0) + 1)
      const due = [...wanted].map(([siteId, events]) => ({ bucket: bucketOf(siteId), events }))
      if (due.some(({ bucket, events }) => bucket.tokens < Math.min(events, capacity)))
        throw new AppError('rate_limited', errorCodes.rate_limited[1])
      for (const { bucket, events } of due) bucket.tokens -= events
    },
  }
}
