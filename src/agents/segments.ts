import type { Tx } from '../db.ts'
import type { KeyedHash } from '../keyed-hash.ts'
import type { Day } from './days.ts'
import type { Fact } from './fact.ts'
import { fieldsOfPerson, judgePerson, type Yardstick } from './judge-person.ts'
import { createFacts } from './make-fact.ts'
import { type PersonRow, peopleQuery, readPeople } from './people.ts'
import type { SegmentReport } from './report.ts'
import { selectReports } from './report-rows.ts'
import { describeRule, holds, type Rule, type Segment } from './segment-file.ts'
import { wilson } from './statistics/wilson.ts'

type Sum = {
  size: number
  orders: number
  micros: number
  /** Orders that `micros` adds up. */
  paid: number
  payers: number
  buyers: number
  engagedMs: number
  alive: number
  judged: number
  customers: { key: string; micros: number }[]
}
const customersMax = 50
const trendDaysMax = 60

/** The pseudonym of an identified customer. Keyed: whoever can list the notes must not be able to try ids. */
export type CustomerKey = (userId: string) => string
export const createCustomerKey =
  (keyedHash: KeyedHash): CustomerKey =>
  (userId) =>
    `c_${keyedHash.text('customer', userId).slice(0, 16)}`
export const userIdOf = (personKey: string): string => personKey.slice('user:'.length)

/** Sizes and figures of all segments, over everybody who is known and is no bot. */
export const makeSegments = async (
  tx: Tx,
  segments: readonly Segment[],
  yardstick: Yardstick,
  day: Day,
  currency: string | undefined,
  customerKey: CustomerKey,
): Promise<SegmentReport[]> => {
  const sums = new Map<Segment, Sum>(
    segments.map((segment) => [
      segment,
      {
        ...{ size: 0, orders: 0, micros: 0, paid: 0, payers: 0, buyers: 0, engagedMs: 0, alive: 0, judged: 0 },
        customers: [],
      },
    ]),
  )
  const asksTraits = segments.some(({ rule }) => mentionsTraits(rule))
  let all = 0
  let firstMs = yardstick.untilMs
  for await (const rows of readPeople(tx)) {
    const traits = asksTraits ? await selectTraits(tx, rows) : new Map<string, Map<string, string>>()
    for (const row of rows) {
      all++
      firstMs = Math.min(firstMs, row.first_ms)
      const judged = judgePerson(row, yardstick)
      const fieldOf = fieldsOfPerson(row, judged, yardstick, traits.get(row.person_key))
      for (const [{ rule }, sum] of sums) if (holds(rule, fieldOf)) addPerson(sum, row, judged.alive, customerKey)
    }
  }
  const before = new Map(
    (await selectReports<SegmentReport>(tx, { kind: 'segment' })).map(({ body }) => [body.id, body]),
  )
  const facts = createFacts({ dims: { day }, fromMs: firstMs, toMs: yardstick.untilMs, query: peopleQuery, currency })
  return [...sums].map(([segment, sum]) => {
    const { id, name, description } = segment
    const rule = describeRule(segment.rule)
    const dims = { segment: id }
    const size = facts.count('segment_size', sum.size, dims, { people: sum.size })
    const earlier = before.get(id)
    // Sizes by another rule are no trend.
    const trend = earlier?.rule === rule ? earlier.trend.filter((one) => (one.dims.day ?? '') < day) : []
    return {
      ...{ id, name, description, rule, size },
      share: facts.share('segment_share', sum.size, all, dims, { people: sum.size }),
      trend: [...trend, size].slice(-trendDaysMax),
      figures: figuresOf(facts, dims, sum),
      customerKeys: sum.customers
        .sort((a, b) => b.micros - a.micros || (a.key < b.key ? -1 : 1))
        .slice(0, customersMax)
        .map(({ key }) => key),
    }
  })
}

const addPerson = (sum: Sum, row: PersonRow, alive: number | null, customerKey: CustomerKey): void => {
  sum.size++
  sum.orders += row.orders
  sum.micros += row.revenue_micros
  sum.paid += row.paid_orders
  if (row.orders > 0) sum.buyers++
  if (row.paid_orders > 0) sum.payers++
  sum.engagedMs += row.engaged_ms
  if (alive !== null) {
    sum.alive += alive
    sum.judged++
  }
  if (!row.person_key.startsWith('user:')) return
  sum.customers.push({ key: customerKey(userIdOf(row.person_key)), micros: row.revenue_micros })
  if (sum.customers.length < 20 * customersMax) return
  sum.customers.sort((a, b) => b.micros - a.micros || (a.key < b.key ? -1 : 1)).splice(customersMax)
}

const figuresOf = (facts: ReturnType<typeof createFacts>, dims: { segment: string }, sum: Sum): Fact[] => [
  facts.count('segment_orders', sum.orders, dims, { people: sum.buyers }),
  facts.money('segment_revenue', sum.micros, sum.paid, dims, { people: sum.payers }),
  facts.fact('segment_conversion_rate', sum.size === 0 ? null : sum.buyers / sum.size, {
    ...{ unit: 'share', n: sum.size, dims, method: 'wilson' },
    ...(sum.size > 0 && { interval: wilson(sum.buyers, sum.size) }),
  }),
  facts.fact('segment_engaged_seconds', sum.size === 0 ? null : sum.engagedMs / 1000 / sum.size, {
    ...{ unit: 'seconds', n: sum.size, dims, method: 'mean' },
  }),
  facts.fact('segment_probability_alive', sum.judged === 0 ? null : sum.alive / sum.judged, {
    ...{ unit: 'share', n: sum.judged, dims, method: 'bg_nbd' },
    ...(sum.judged === 0 && { notEnoughHistory: 'Nobody here has repeat orders over a history that is long enough.' }),
  }),
]

const mentionsTraits = (rule: Rule): boolean => JSON.stringify(rule).includes('"trait.')

/** The latest traits of the identified people of a page. */
const selectTraits = async (tx: Tx, rows: readonly PersonRow[]): Promise<Map<string, Map<string, string>>> => {
  const users = rows.filter(({ person_key }) => person_key.startsWith('user:')).map((row) => userIdOf(row.person_key))
  const found = await tx.query<{ user_id: string; name: string; value: string }>(
    `select distinct on (user_id, name) user_id, name, value from traits where user_id = any($1::text[])
     order by user_id, name, at desc`,
    [users],
  )
  const byPerson = new Map<string, Map<string, string>>()
  for (const { user_id, name, value } of found) {
    const key = `user:${user_id}`
    const own = byPerson.get(key) ?? new Map<string, string>()
    byPerson.set(key, own)
    own.set(name, value)
  }
  return byPerson
}
