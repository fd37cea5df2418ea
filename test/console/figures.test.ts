import t from 'tap'
import { funnelSteps } from '../../src/demo/funnel.ts'
import { generateTraffic } from '../../src/demo/generate.ts'
import { engineOn, storeTraffic } from '../agents/lab.ts'
import { createTestConsole } from './console.ts'

const untilMs = Date.UTC(2026, 10, 20)
const range = 'from=2026-10-23T00:00:00Z&to=2026-11-20T00:00:00Z'
type Journeys = {
  visits: number
  nodes: { id: string; step: number; kind: string; label: string; visits: number }[]
  edges: { from: string; to: string; visits: number }[]
  edges_left_out: number
  links: { from: string; to: string; times: number }[]
}

t.test('what was planted is what the console shows', async (t) => {
  const { db, token, login, get } = await createTestConsole(t)
  const traffic = generateTraffic({ events: 20_000, sites: 2, days: 28, untilMs, seed: 72_001, anomaly: {} })
  const requests = [...traffic.requests]
  await storeTraffic(db, requests, untilMs)
  await engineOn(db).run({ kind: 'nightly' })
  const planted = traffic.planted()
  const cookie = await login((await token('viewer')).token)

  await t.test('traffic, by site and in all', async (t) => {
    type Counts = { events: number; pageviews: number }
    const answer = await get<{ totals: Counts; buckets: Counts[]; sites: (Counts & { site: string })[] }>(
      `/api/traffic?${range}`,
      cookie,
    )
    const [counted] = await db.query<Counts>(
      `select count(*) as events, count(*) filter (where event_type = 'pageview') as pageviews from events_log
       where created_at < '2026-11-20'`,
    )
    t.match(answer.totals, { ...counted, events: planted.events })
    for (const [site, { events }] of Object.entries(planted.sites))
      t.equal(answer.sites.find((one) => one.site === site)?.events, events, site)
    t.equal(
      answer.buckets.reduce((sum, { events }) => sum + events, 0),
      planted.events,
    )
  })

  for (const site of Object.keys(planted.sites))
    await t.test(`the ways through ${site}`, async (t) => {
      const answer = await get<Journeys>(`/api/journeys?site=${site}&${range}`, cookie)
      const ways = waysOf(requests, site)
      t.equal(answer.visits, ways.length)
      const labels = new Map(answer.nodes.map((node) => [node.id, node]))
      const shown = answer.edges.map(({ from, to, visits }) => {
        const [a, b] = [labels.get(from), labels.get(to)]
        return { edge: `${a?.step} ${a?.kind} ${a?.label} → ${b?.step} ${b?.kind} ${b?.label}`, visits }
      })
      const expected = edgesOf(ways)
      t.ok(expected.size > 60, `${expected.size} edges`)
      const thinnest = Math.min(...answer.edges.map(({ visits }) => visits))
      for (const { edge, visits } of shown) t.equal(visits, expected.get(edge), edge)
      const drawn = new Set(shown.map(({ edge }) => edge))
      const left = [...expected].filter(([edge]) => !drawn.has(edge))
      t.ok(left.every(([, visits]) => visits <= thinnest))
      t.equal(
        answer.edges_left_out,
        left.reduce((sum, [, visits]) => sum + visits, 0),
      )
      const times = new Map<string, number>()
      for (const way of ways)
        for (const [n, page] of way.entries())
          if (n > 0) times.set(`${way[n - 1]} ${page}`, (times.get(`${way[n - 1]} ${page}`) ?? 0) + 1)
      t.ok(answer.links.length > 5)
      for (const link of answer.links)
        t.equal(link.times, times.get(`${link.from} ${link.to}`), `${link.from} → ${link.to}`)
    })

  await t.test("a funnel of one's own", async (t) => {
    for (const [site, { funnel }] of Object.entries(planted.sites)) {
      const steps = funnelSteps.map((step) => `step=event:${step === 'visit' ? 'pageview' : step}`).join('&')
      const answer = await get<{ steps: { visits: number }[] }>(`/api/funnel?site=${site}&${range}&${steps}`, cookie)
      t.same(
        answer.steps.map(({ visits }) => visits),
        [...funnel],
        site,
      )
    }
  })

  await t.test('cohorts', async (t) => {
    type Row = { week: string; channel: string; size: { value: number }; returned: ({ value: number } | null)[] }
    const { rows } = await get<{ rows: { rows: Row[] }[] }>('/api/cohorts', cookie)
    t.ok(planted.cohorts.length > 10)
    for (const cohort of planted.cohorts) {
      const same = rows
        .flatMap((one) => one.rows)
        .filter((one) => one.week === cohort.week && one.channel === cohort.channel)
      t.equal(
        same.reduce((sum, { size }) => sum + size.value, 0),
        cohort.visitors,
        `${cohort.week} ${cohort.channel}`,
      )
    }
  })

  await t.test('lists come in pages that leave nothing out', async (t) => {
    for (const list of ['customers', 'insights', 'funnels']) {
      const whole = await get<{ rows: unknown[] }>(`/api/${list}?limit=200`, cookie)
      const pages: unknown[] = []
      for (let after: string | null = ''; after !== null; ) {
        const page: { rows: unknown[]; next: string | null } = await get(
          `/api/${list}?limit=2${after && `&after=${after}`}`,
          cookie,
        )
        pages.push(...page.rows)
        after = page.next
      }
      t.ok(whole.rows.length > 2, list)
      t.same(pages, whole.rows, list)
    }
  })
})

/** The pages of each visit, counted from what was sent; a page that is loaded again is no step. */
const waysOf = (
  requests: readonly {
    siteId: string
    sessionId?: string | null
    events: readonly { eventType: string; path: string }[]
  }[],
  site: string,
) => {
  const ways = new Map<string, string[]>()
  for (const request of requests) {
    if (request.siteId !== site || !request.sessionId) continue
    const way = ways.get(request.sessionId) ?? []
    ways.set(request.sessionId, way)
    for (const { eventType, path } of request.events)
      if (eventType === 'pageview' && way.at(-1) !== path) way.push(path)
  }
  return [...ways.values()].filter((way) => way.length > 0)
}

/** Edges between named pages, by step. */
const edgesOf = (ways: readonly string[][]): Map<string, number> => {
  const named = Array.from({ length: 5 }, (_, step) => {
    const counts = new Map<string, number>()
    for (const way of ways) {
      const page = way[step]
      if (page !== undefined) counts.set(page, (counts.get(page) ?? 0) + 1)
    }
    const sorted = [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    return new Set(sorted.slice(0, 6).map(([page]) => page))
  })
  const nameOf = (page: string | undefined, step: number): string =>
    page === undefined
      ? `${step + 1} exit `
      : named[step]?.has(page)
        ? `${step + 1} page ${page}`
        : `${step + 1} other `
  const edges = new Map<string, number>()
  for (const way of ways)
    for (const [step, page] of way.slice(0, 5).entries()) {
      if (step === 4 && way.length > 5) continue
      const edge = `${nameOf(page, step)} → ${nameOf(way[step + 1], step + 1)}`
      edges.set(edge, (edges.get(edge) ?? 0) + 1)
    }
  return edges
}
