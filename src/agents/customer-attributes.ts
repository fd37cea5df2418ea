import { type CustomerVisit, groupBy, type TraitRow } from './customer-visits.ts'
import { isoOf } from './days.ts'
import type { CustomerAttribute, Touchpoint } from './report.ts'
import { spendingOf } from './spending.ts'

const pagesOfTouchpointMax = 8

/** What a profile always says something about; what nobody sent is "not collected". */
const askedTraits = ['age', 'gender', 'city', 'country']
const derived: readonly [string, (visit: CustomerVisit) => string | null][] = [
  ['device', ({ device }) => device],
  ['browser', ({ browser }) => browser],
  ['os', ({ os }) => os],
  ['language', ({ language }) => language],
  ['channel', ({ channel }) => channel],
]

type Change = { atMs: number; value: string }

export const attributesOf = (visits: readonly CustomerVisit[], traits: readonly TraitRow[]): CustomerAttribute[] => {
  const byName = groupBy(traits, ({ name }) => name)
  const sent = [...new Set([...askedTraits, ...byName.keys()])].map((name) =>
    attribute(
      name,
      (byName.get(name) ?? []).map(({ at, value }) => ({ atMs: at, value })),
    ),
  )
  const seen = derived.map(([name, valueIn]) =>
    attribute(
      name,
      visits.flatMap((visit) => {
        const value = valueIn(visit)
        return value === null ? [] : [{ atMs: visit.started, value }]
      }),
    ),
  )
  return [...sent, ...seen]
}

const historyMax = 20

const attribute = (rawName: string, all: readonly Change[]): CustomerAttribute => {
  const changes = all.filter(({ value }, index) => value !== all[index - 1]?.value)
  const last = changes.at(-1)
  return {
    ...{ rawName, rawValue: last?.value ?? null, since: last ? isoOf(last.atMs) : null },
    history: changes
      .slice(0, -1)
      .map(({ atMs, value }, index) => ({
        ...{ rawValue: value, from: isoOf(atMs), to: isoOf(changes[index + 1]?.atMs ?? atMs) },
      }))
      .toReversed()
      .slice(0, historyMax),
  }
}

/** A visit, with the traits as they were known when it ended. */
export const touchpointOf = (
  visit: CustomerVisit,
  traits: readonly TraitRow[],
  currency: string | undefined,
): Touchpoint => {
  const then = new Map<string, string>()
  for (const { name, at, value } of traits) if (at <= visit.ended) then.set(name, value)
  return {
    ...{
      at: isoOf(visit.started),
      sessionKey: `s_${visit.session_id}`,
      rawSite: visit.site_id,
      channel: visit.channel,
    },
    ...{ rawSource: visit.source, rawCampaign: visit.campaign, device: visit.device },
    ...{ rawEntryPage: visit.entry_path, rawExitPage: visit.exit_path },
    rawPages: visit.acts
      .filter(({ type }) => type === 'pageview')
      .map(({ text }) => text ?? '')
      .slice(0, pagesOfTouchpointMax),
    ...{ pageviews: visit.pageviews, engagedSeconds: Math.round(visit.engaged_ms / 1000) },
    ...{ orders: visit.orders, revenue: spendingOf(visit.acts, currency).revenueMicros / 1e6 },
    rawAttributesThen: Object.fromEntries(then),
  }
}
