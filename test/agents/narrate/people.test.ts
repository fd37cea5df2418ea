import t from 'tap'
import { addDays } from '../../../src/agents/days.ts'
import type { Fact } from '../../../src/agents/fact.ts'
import { viewOf } from '../../../src/agents/narrate/view.ts'
import { readVaultInput } from '../../../src/agents/read-vault-input.ts'
import { draftDays, draftInsights, draftWeeks, requestsOf } from '../../../src/agents/vault/plan.ts'
import { createTestDatabase } from '../../support/database.ts'
import { engineOn, type SentEvent, storeBatch } from '../lab.ts'
import { callTools, createFakeClaude, message, type Part, toolResults, toolUse } from './fake-claude.ts'
import { createStage } from './stage.ts'

/** From events to the bytes that an API on loopback received: what few people did is in none of them. */
const userAgent = 'Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0'
const day = '2026-11-10'

/** Reads every fact there is, page by page, and writes nothing. */
const reader: Part = (request) => {
  const lines = toolResults(request).flatMap(({ content }) => String(content).split('\n'))
  if (request.body.messages.length > 1 && lines.at(-1) !== 'more') return message([], { stop_reason: 'refusal' })
  const after = lines.length > 1 ? JSON.parse(lines.at(-2) ?? '{}').id : null
  return callTools(toolUse('list_facts', { metric: null, after }))
}

const visit = (visitor: string, hour: number, campaign: string | null, worth?: number): SentEvent[] => {
  const at = Date.parse(`${day}T00:00:00Z`) + hour * 3_600_000 + Number(visitor.replace(/\D/g, '')) * 1_000
  const utmParams = campaign === null ? {} : { utm_campaign: campaign, utm_source: campaign, utm_medium: 'cpc' }
  return [
    { type: 'pageview', at, visitor, userAgent, path: `/${campaign ?? 'home'}`, raw: { attribution: { utmParams } } },
    { type: 'product_view', at: at + 500, visitor, userAgent },
    { type: 'search', at: at + 1_000, visitor, userAgent, data: { query: `words of ${campaign ?? 'all'}` } },
    ...(worth === undefined
      ? []
      : [
          {
            ...{ type: 'purchase', at: at + 5_000, visitor, userAgent },
            data: { orderId: `o${visitor}-${hour}`, total: worth, currency: 'USD' },
          },
        ]),
  ]
}
const each = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

const told = async (
  t: { teardown(fn: () => unknown): void; ok(value: unknown): void; strictSame(a: unknown, b: unknown): void },
  events: SentEvent[],
): Promise<{ bytes: string; facts: Fact[] }> => {
  const { db, close } = await createTestDatabase()
  const fake = await createFakeClaude(reader)
  t.teardown(async () => {
    await fake.close()
    await close()
  })
  await storeBatch(db, events)
  await storeBatch(db, [
    { type: 'pageview', at: `${addDays(day, 1)}T12:00:00Z`, site: 'tick.example', visitor: 'tick' },
  ])
  await engineOn(db).run({ kind: 'nightly' })
  const input = await readVaultInput(db, { timeZone: 'UTC', from: day, to: day, customersMax: 10 })
  const contextFor = () => ({ timeZone: 'UTC', exists: () => false, link: (_: string, text: string) => text as never })
  const requests = requestsOf([
    ...draftDays(input.days, input.insights, contextFor),
    ...draftInsights(input.insights, contextFor),
    ...draftWeeks(input, contextFor),
  ])
  await createStage(db, fake).narrate(requests)
  t.ok(fake.received.length > 0)
  t.strictSame(fake.failures, [])
  return {
    bytes: fake.received.map(({ raw }) => raw.toString('utf8')).join('\n'),
    facts: requests.flatMap(({ facts }) => viewOf(facts).facts.map(({ fact }) => fact)),
  }
}

t.test('what one buyer paid is never sent, however often they came and whoever came beside them', async (t) => {
  const { bytes, facts } = await told(t, [
    // One buyer in twelve sessions of a campaign; one among twelve visitors of another; twelve without a campaign.
    ...each(12).flatMap((hour) => visit('v100', hour, 'alone', hour === 11 ? 73_519.37 : undefined)),
    ...each(12).flatMap((n) => visit(`v${200 + n}`, 9, 'among', n === 0 ? 41_873.91 : undefined)),
    ...each(12).flatMap((n) => visit(`v${300 + n}`, 10, null, 20)),
  ])
  for (const amount of ['73519', '73520', '41873', '41874', '115393', '115390']) t.notMatch(bytes, amount)
  const total = facts.find(({ metric, dims }) => metric === 'revenue' && Object.keys(dims).join() === 'site,day')
  t.match(total, { n: 14, people: 10 }, 'the revenue of fourteen buyers is told')
  t.equal(
    facts.find(
      ({ metric, dims }) => metric === 'revenue' && (dims.campaign ?? dims.source ?? dims.channel) !== undefined,
    ),
    undefined,
    'the revenue of the others would tell what is left of it',
  )
  t.equal(
    facts.find(({ metric, value }) => metric === 'attribution_revenue' && (value ?? 0) > 0),
    undefined,
    'by no model of attribution, either',
  )
  const campaigns = facts.filter(({ dims }) => dims.campaign !== undefined)
  t.ok(campaigns.some(({ metric, value }) => metric === 'sessions' && value === 12))
  t.same(
    [...new Set(campaigns.map(({ dims }) => dims.campaign))],
    ['among'],
    'nothing of twelve sessions of one person',
  )
  t.same(
    facts
      .filter(({ metric }) => metric === 'searches')
      .map(({ dims }) => dims.query)
      .sort(),
    ['words of all', 'words of among'],
    'nor of what one person searched for twelve times',
  )
})

t.test('money of channels is told by one model only: two differ by what one buyer paid', async (t) => {
  const { facts } = await told(t, [
    ...each(12).flatMap((n) => visit(`v${100 + n}`, 9, 'mail', 20)),
    ...each(12).flatMap((n) => visit(`v${200 + n}`, 10, null, 20)),
    ...[...visit('v300', 11, 'mail'), ...visit('v300', 14, null, 900)],
  ])
  const models = (metric: string) =>
    facts.filter((one) => one.metric === metric && (one.value ?? 0) > 0).map(({ dims }) => dims.model)
  t.same([...new Set(models('attribution_revenue'))], ['linear'])
  t.ok(new Set(models('attribution_credit')).size > 3, 'credits are told side by side')
})

t.test('money of a channel needs ten who paid it, not ten who ordered', async (t) => {
  const worth = (n: number) => (n === 0 ? 48_211.5 : 0)
  const { bytes, facts } = await told(t, [
    ...each(12).flatMap((n) => visit(`v${100 + n}`, 9, 'mail', worth(n))),
    ...each(12).flatMap((n) => visit(`v${200 + n}`, 10, null, 20)),
  ])
  t.ok(facts.some(({ metric, n }) => metric === 'attribution_conversions' && n === 24))
  t.notOk(facts.some(({ metric, value }) => metric === 'attribution_revenue' && (value ?? 0) > 40_000))
  t.notMatch(bytes, '4821')
})

t.test('of a day and site with fewer than ten people nothing is sent', async (t) => {
  const { facts } = await told(t, [
    ...each(9).flatMap((n) => each(4).flatMap((hour) => visit(`v${n}`, 4 * hour, null, 30))),
    ...each(10).flatMap((n) => visit(`v${n}`, 9, null).map((event) => ({ ...event, site: 'other.example' }))),
  ])
  t.same(
    [...new Set(facts.filter(({ dims }) => dims.day !== undefined && dims.site).map(({ dims }) => dims.site))],
    ['other.example'],
  )
  t.notOk(facts.some(({ unit, value }) => unit === 'usd' && (value ?? 0) > 0))
})
