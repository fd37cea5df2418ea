import type { Queryable } from '../db.ts'
import type { Channel } from './channel.ts'
import { type Calendar, isoOf, mondayOf } from './days.ts'
import type { DeviceKind } from './device.ts'
import { type FunnelFile, isForSite } from './funnel-file.ts'
import { fieldsOfPerson, type Judgement, judgePerson, type Yardstick } from './judge-person.ts'
import { createFacts, type FactMaker } from './make-fact.ts'
import { createMatcher } from './match-funnel.ts'
import { createPathTally } from './paths.ts'
import { type PersonRow, propensityDays } from './people.ts'
import type { CustomerAttribute, CustomerFigures, CustomerProfile, Touchpoint } from './report.ts'
import { holds, type Segment } from './segment-file.ts'
import { customerKey, userIdOf } from './segments.ts'
import type { Act } from './session.ts'
import { msOf, readTrail } from './session-rows.ts'

export const customerQuery = `select site_id, session_id, visitor_key, person_key, ${msOf('started_at')} as started,
    ${msOf('ended_at')} as ended, channel, source, campaign, device, browser, os, language, entry_path, exit_path, pageviews,
    engaged_ms, orders, revenue_micros, trail
  from sessions where site_id = any($1::text[]) and person_key = any($2::text[]) and not is_bot
    and started_at < $3::timestamptz
  order by person_key, started_at, session_id`

type VisitRow = {
  site_id: string
  session_id: number
  visitor_key: string
  person_key: string
  started: number
  ended: number
  channel: Channel
  source: string | null
  campaign: string | null
  device: DeviceKind
  browser: string | null
  os: string | null
  language: string | null
  entry_path: string | null
  exit_path: string | null
  pageviews: number
  engaged_ms: number
  orders: number
  revenue_micros: number
  trail: string
}
type CustomerVisit = Omit<VisitRow, 'trail'> & { acts: Act[] }
type TraitRow = { user_id: string; name: string; at: number; value: string }

const touchpointsMax = 50
const pagesOfTouchpointMax = 8
const chunkCustomers = 50

export type CustomerOptions = {
  db: Queryable
  calendar: Calendar
  file: FunnelFile
  segments: readonly Segment[]
  yardstick: Yardstick
  currencies: ReadonlyMap<string, string>
}

/** Profiles of identified customers, from all their visits and what they said about themselves. */
export const makeCustomers = async function* (
  options: CustomerOptions,
  rows: readonly PersonRow[],
): AsyncGenerator<CustomerProfile, void> {
  for (let start = 0; start < rows.length; start += chunkCustomers) {
    const chunk = rows.slice(start, start + chunkCustomers)
    const visits = groupBy(
      await selectVisits(options.db, chunk, options.yardstick.untilMs),
      ({ person_key }) => person_key,
    )
    const traits = groupBy(await selectTraits(options.db, chunk), ({ user_id }) => user_id)
    for (const row of chunk) {
      const userId = userIdOf(row.person_key)
      yield profileOf(options, row, userId, visits.get(row.person_key) ?? [], traits.get(userId) ?? [])
    }
  }
}

const selectVisits = async (db: Queryable, rows: readonly PersonRow[], untilMs: number): Promise<CustomerVisit[]> => {
  const found = await db.query<VisitRow>(customerQuery, [
    [...new Set(rows.flatMap(({ sites }) => sites))],
    rows.map(({ person_key }) => person_key),
    isoOf(untilMs),
  ])
  return found.map(({ trail, ...visit }) => ({ ...visit, acts: readTrail(trail, visit.started) }))
}

const selectTraits = (db: Queryable, rows: readonly PersonRow[]): Promise<TraitRow[]> =>
  db.query<TraitRow>(
    `select user_id, name, ${msOf('at')} as at, value from traits where user_id = any($1::text[]) order by user_id, name, traits.at`,
    [rows.map(({ person_key }) => userIdOf(person_key))],
  )

const groupBy = <T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> => {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group) group.push(item)
    else groups.set(keyOf(item), [item])
  }
  return groups
}

const profileOf = (
  { calendar, file, segments, yardstick, currencies }: CustomerOptions,
  row: PersonRow,
  userId: string,
  visits: readonly CustomerVisit[],
  traits: readonly TraitRow[],
): CustomerProfile => {
  const key = customerKey(userId)
  const judged = judgePerson(row, yardstick)
  const currency = currencies.get(row.sites[0] ?? '')
  const facts = createFacts({
    ...{ dims: { customer: key }, fromMs: row.first_ms, toMs: yardstick.untilMs, query: customerQuery, currency },
    isPersonal: true,
  })
  const latest = new Map(traits.map(({ name, value }) => [name, value]))
  const fieldOf = fieldsOfPerson(row, judged, yardstick, latest)
  const paths = createPathTally()
  for (const visit of visits) paths.add(visit)
  return {
    ...{ key, rawUserId: userId, rawSites: row.sites },
    visitorIds: [...new Set(visits.map(({ visitor_key }) => visitor_key))],
    ...{ firstSeen: isoOf(row.first_ms), lastSeen: isoOf(row.last_ms), asOf: isoOf(yardstick.untilMs) },
    attributes: attributesOf(visits, traits),
    figures: figuresOf(facts, row, judged, yardstick),
    rfmSegment: judged.rfmSegment,
    segments: segments.filter(({ rule }) => holds(rule, fieldOf)).map(({ id, name }) => ({ id, name })),
    touchpoints: visits
      .slice(-touchpointsMax)
      .toReversed()
      .map((visit) => touchpointOf(visit, traits)),
    touchpointsTotal: visits.length,
    path: paths.graph(facts),
    weeks: weeksOf(facts, calendar, visits),
    funnels: funnelsOf(file, visits),
  }
}

const figuresOf = (facts: FactMaker, row: PersonRow, judged: Judgement, { model, rfm }: Yardstick): CustomerFigures => {
  const { rfm: scores, alive, expected, propensity } = judged
  const score = (metric: 'rfm_recency' | 'rfm_frequency' | 'rfm_monetary', value: number | undefined) =>
    facts.fact(metric, value ?? null, {
      ...{ unit: 'score', n: row.orders, method: 'rfm_quintiles' },
      ...(value === undefined && { notEnoughHistory: rfm ? 'No order yet.' : 'Too few buyers for quintiles.' }),
    })
  const noModel = 'Too few buyers with repeat orders, or too short a history.'
  return {
    visits: facts.count('visits', row.visits),
    pageviews: facts.count('pageviews', row.pageviews),
    engagedSeconds: facts.fact('engaged_seconds', row.engaged_ms / 1000, {
      unit: 'seconds',
      n: row.visits,
      method: 'sum',
    }),
    orders: facts.count('orders', row.orders),
    lifetimeValue: facts.money('lifetime_value', row.revenue_micros, row.orders),
    averageOrderValue: facts.money(
      'average_order_value',
      row.orders === 0 ? null : row.revenue_micros / row.orders,
      row.orders,
    ),
    recencyDays: facts.fact('recency_days', judged.recencyDays, { unit: 'days', n: row.visits, method: 'difference' }),
    rfmRecency: score('rfm_recency', scores?.recency),
    rfmFrequency: score('rfm_frequency', scores?.frequency),
    rfmMonetary: score('rfm_monetary', scores?.monetary),
    probabilityAlive: facts.fact('probability_alive', alive, {
      ...{ unit: 'share', n: row.orders, method: 'bg_nbd' },
      ...(alive === null && { notEnoughHistory: model ? 'No repeat order yet.' : noModel }),
    }),
    expectedOrders: facts.fact('expected_orders', expected, {
      ...{ n: row.orders, method: 'bg_nbd' },
      ...(expected === null && { notEnoughHistory: model ? 'No order yet.' : noModel }),
    }),
    propensity: facts.fact('propensity', propensity?.share ?? null, {
      ...{ unit: 'share', n: propensity?.n ?? 0, method: `alike_people_within_${propensityDays}_days` },
      ...(propensity && { interval: { low: propensity.low, high: propensity.high, level: 0.95 } }),
      ...(!propensity && { notEnoughHistory: 'Too few people who were alike.' }),
    }),
  }
}

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

const attributesOf = (visits: readonly CustomerVisit[], traits: readonly TraitRow[]): CustomerAttribute[] => {
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
const touchpointOf = (visit: CustomerVisit, traits: readonly TraitRow[]): Touchpoint => {
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
    ...{ orders: visit.orders, revenueUsd: visit.revenue_micros / 1e6 },
    rawAttributesThen: Object.fromEntries(then),
  }
}

const weeksOf = (facts: FactMaker, calendar: Calendar, visits: readonly CustomerVisit[]): CustomerProfile['weeks'] =>
  [...groupBy(visits, ({ started }) => mondayOf(calendar.dayOf(started)))]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([week, own]) => {
      const sum = (value: (visit: CustomerVisit) => number): number => own.reduce((all, one) => all + value(one), 0)
      return {
        week,
        visits: facts.count('visits', own.length, { week }),
        engagedSeconds: facts.fact('engaged_seconds', sum((one) => one.engaged_ms) / 1000, {
          ...{ unit: 'seconds', n: own.length, dims: { week }, method: 'sum' },
        }),
        orders: facts.count(
          'orders',
          sum((one) => one.orders),
          { week },
        ),
        revenue: facts.money(
          'revenue',
          sum((one) => one.revenue_micros),
          own.length,
          { week },
        ),
      }
    })

const funnelsOf = (file: FunnelFile, visits: readonly CustomerVisit[]): CustomerProfile['funnels'] =>
  [...groupBy(visits, ({ site_id }) => site_id)].flatMap(([siteId, own]) =>
    file.funnels
      .filter((funnel) => isForSite(funnel, siteId))
      .flatMap((funnel) => {
        const matcher = createMatcher(funnel)
        const done =
          funnel.counts === 'sessions'
            ? Math.max(0, ...own.map(({ acts }) => matcher(acts).length))
            : matcher(own.flatMap(({ acts }) => acts)).length
        const furthest = funnel.steps[done - 1]
        if (!furthest) return []
        return [
          {
            ...{ rawSite: siteId, funnelId: funnel.id, name: funnel.name, furthestStep: furthest.name },
            ...{ stepsDone: done, steps: funnel.steps.length },
          },
        ]
      }),
  )
