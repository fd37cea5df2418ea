import type { Queryable } from '../db.ts'
import { attributesOf, touchpointOf } from './customer-attributes.ts'
import { figuresOf, weeksOf } from './customer-figures.ts'
import {
  type CustomerVisit,
  customerQuery,
  groupBy,
  selectTraits,
  selectVisits,
  type TraitRow,
} from './customer-visits.ts'
import { type Calendar, isoOf } from './days.ts'
import { type FunnelFile, isForSite } from './funnel-file.ts'
import { fieldsOfPerson, judgePerson, type Yardstick } from './judge-person.ts'
import { createFacts } from './make-fact.ts'
import { createMatcher, inTime } from './match-funnel.ts'
import { createPathTally, personStepsMax } from './paths.ts'
import type { PersonRow } from './people.ts'
import type { CustomerProfile } from './report.ts'
import { holds, type Segment } from './segment-file.ts'
import { type CustomerKey, userIdOf } from './segments.ts'
import { currencyOf, spendingOf } from './spending.ts'

const touchpointsMax = 50
const chunkCustomers = 50

export type CustomerOptions = {
  db: Queryable
  calendar: Calendar
  file: FunnelFile
  segments: readonly Segment[]
  yardstick: Yardstick
  /** Of a customer whose orders name none. */
  currency: string | undefined
  customerKey: CustomerKey
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

const profileOf = (
  { calendar, file, segments, yardstick, currency: clientCurrency, customerKey }: CustomerOptions,
  row: PersonRow,
  userId: string,
  visits: readonly CustomerVisit[],
  traits: readonly TraitRow[],
): CustomerProfile => {
  const key = customerKey(userId)
  const judged = judgePerson(row, yardstick)
  const acts = visits.flatMap((visit) => visit.acts)
  const currency = currencyOf(acts, clientCurrency)
  const facts = createFacts({
    ...{ dims: { customer: key }, fromMs: row.first_ms, toMs: yardstick.untilMs, query: customerQuery, currency },
    isPersonal: true,
  })
  const latest = new Map(traits.map(({ name, value }) => [name, value]))
  const fieldOf = fieldsOfPerson(row, judged, yardstick, latest)
  const paths = createPathTally(personStepsMax)
  for (const visit of visits) paths.add(visit)
  return {
    ...{ key, rawUserId: userId, rawSites: row.sites },
    visitorIds: [...new Set(visits.map(({ visitor_key }) => visitor_key))],
    ...{ firstSeen: isoOf(row.first_ms), lastSeen: isoOf(row.last_ms), asOf: isoOf(yardstick.untilMs) },
    attributes: attributesOf(visits, traits),
    figures: figuresOf(facts, row, judged, yardstick, spendingOf(acts, currency)),
    rfmSegment: judged.rfmSegment,
    segments: segments.filter(({ rule }) => holds(rule, fieldOf)).map(({ id, name }) => ({ id, name })),
    touchpoints: visits
      .slice(-touchpointsMax)
      .toReversed()
      .map((visit) => touchpointOf(visit, traits, currency)),
    touchpointsTotal: visits.length,
    path: paths.graph(facts),
    weeks: weeksOf(facts, calendar, visits, currency),
    funnels: funnelsOf(file, visits),
  }
}

const funnelsOf = (file: FunnelFile, visits: readonly CustomerVisit[]): CustomerProfile['funnels'] =>
  [...groupBy(visits, ({ site_id }) => site_id)].flatMap(([siteId, own]) =>
    file.funnels
      .filter((funnel) => isForSite(funnel, siteId))
      .flatMap((funnel) => {
        const matcher = createMatcher(funnel)
        const done =
          funnel.counts === 'sessions'
            ? Math.max(0, ...own.map(({ acts }) => matcher(acts).length))
            : matcher(inTime(own.flatMap(({ acts }) => acts))).length
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
