import type { Db } from '../db.ts'
import { addMonths, type Month, monthAt, monthStart } from './calendar.ts'
import { domainOf, isLocal, isSum } from './domain.ts'
import { selectDecisions } from './domains.ts'
import { usdOfMicros } from './money.ts'
import { type Period, selectPeriod } from './periods.ts'
import type { PlansFile, Terms } from './plans.ts'
import { adviceFor, type Billable, forecastOf, priceLines, totalOf } from './price.ts'
import { selectThresholds, type Threshold } from './told-thresholds.ts'
import { billableOf, isBilled, selectUsage } from './usage.ts'

/** Sites that a report names. */
const sitesListedMax = 1000

export type UsageReport = {
  month: Month
  timezone: string
  starts_at: string
  ends_at: string
  events: number
  pageviews: number
  rejected: number
  duplicates: number
  /** What would be billed now, in units of the plan's meter. */
  billable: number
  billable_usage: Billable
  sites: { site: string; domain: string; state: string; events: number; pageviews: number }[]
  /** Sites beyond those that are listed. */
  sites_unlisted: number
  plan: string
  meter: 'pageviews' | 'events'
  /** Units of the meter that the plan's monthly price includes. */
  included: number
  /** Money so far, and at the end of the month if it goes on like this; in dollars, and exactly in micro-dollars. */
  amount_usd: string
  amount_micros: string
  forecast: { events: number; pageviews: number; amount_usd: string; amount_micros: string } | null
  advice: { plan: string; amount_usd: string; saves_usd: string } | null
  thresholds: Threshold[]
}

export type ReportDeps = { db: Db; clientId: string; plans: PlansFile; terms: Terms; timeZone: string }

/** Usage of a month as it is now, of all nodes, recounted from the ledger; approved or not. Nothing is stored. */
export const reportUsage = async (
  { db, clientId, plans, terms, timeZone }: ReportDeps,
  wanted: Month | undefined,
  nowMs: number,
): Promise<UsageReport> => {
  const month = wanted ?? monthAt(nowMs, timeZone)
  const period: Period = (await selectPeriod(db, month)) ?? {
    ...{ month, timeZone, terms },
    startsMs: monthStart(month, timeZone),
    endsMs: monthStart(addMonths(month, 1), timeZone),
  }
  const decided = await selectDecisions(db)
  const decisions = { approved: new Set(decided.approved), blocked: new Set(decided.blocked) }
  const { totals, sites } = await selectUsage(db, period, decided.approved)
  const billable = billableOf(sites, decisions, period.terms.bill_unapproved)
  const amount = totalOf(priceLines(period.terms, billable))
  const expected = forecastOf(billable, period, nowMs)
  const expectedAmount = expected && totalOf(priceLines(period.terms, expected))
  const advice = adviceFor(plans, period.terms, expected ?? billable)
  const stateOf = (domain: string): string => {
    if (isSum(domain)) return 'unapproved'
    if (isLocal(domain)) return 'local'
    if (decisions.blocked.has(domain)) return 'blocked'
    return isBilled(domain, decisions, period.terms.bill_unapproved) ? 'billed' : 'unapproved'
  }
  const listed = sites.map(({ site, events, pageviews }) => {
    const domain = domainOf(site)
    return { site, domain, state: stateOf(domain), events, pageviews }
  })
  return {
    ...{ month, timezone: period.timeZone, plan: period.terms.plan },
    ...{ meter: period.terms.terms.meter, included: period.terms.terms.included },
    ...{ starts_at: new Date(period.startsMs).toISOString(), ends_at: new Date(period.endsMs).toISOString() },
    ...{ events: totals.events, pageviews: totals.pageviews },
    ...{ rejected: totals.rejected, duplicates: totals.duplicates },
    billable: billable[period.terms.terms.meter],
    billable_usage: billable,
    sites: listed.slice(0, sitesListedMax),
    sites_unlisted: totals.sites - Math.min(listed.length, sitesListedMax),
    ...{ amount_usd: usdOfMicros(amount), amount_micros: String(amount) },
    forecast:
      expected && expectedAmount !== null
        ? {
            ...{ events: expected.events, pageviews: expected.pageviews },
            ...{ amount_usd: usdOfMicros(expectedAmount), amount_micros: String(expectedAmount) },
          }
        : null,
    advice: advice && {
      plan: advice.plan,
      amount_usd: usdOfMicros(advice.amountMicros),
      saves_usd: usdOfMicros(advice.savesMicros),
    },
    thresholds: await selectThresholds(db, plans, {
      ...{ clientId, month, used: billable[period.terms.terms.meter] },
      included: period.terms.terms.included,
    }),
  }
}
