import { z } from 'zod'
import type { Db } from '../../db.ts'
import { cursorOf, next, paged, readCursor, readRoute, site } from '../read-route.ts'

/** A measured number, as docs/agents.md describes it; more is in it than is named here. */
const fact = z.looseObject({
  id: z.string(),
  metric: z.string(),
  value: z.number().nullable(),
  unit: z.string(),
  n: z.number(),
})
const window = z.object({ from: z.string(), to: z.string() })

/** A page of the agents' reports of a kind, as they wrote them, by site and key. */
const selectPage = async (
  db: Db,
  kind: string,
  { site, after, limit }: { site?: string | undefined; after?: string | undefined; limit: number },
) => {
  const [afterSite, afterKey] = readCursor(after, z.tuple([z.string(), z.string()])) ?? [null, null]
  const rows = await db.query<{ site_id: string; key: string; body: string }>(
    `select site_id, key, body from reports
     where kind = $1::text and ($2::text is null or site_id = $2::text)
       and ($3::text is null or (site_id, key) > ($3::text, $4::text))
     order by site_id, key limit $5::int`,
    [kind, site ?? null, afterSite, afterKey, limit],
  )
  const last = rows.at(-1)
  return {
    bodies: rows.map(({ body }) => JSON.parse(body) as unknown),
    next: last && rows.length === limit ? cursorOf([last.site_id, last.key]) : null,
  }
}

const funnel = z.looseObject({
  ...{ rawSite: z.string(), funnelId: z.string(), name: z.string(), order: z.string(), counts: z.string(), window },
  steps: z.array(
    z.looseObject({
      index: z.number(),
      name: z.string(),
      entered: fact,
      conversion: fact.nullable(),
      conversionFromFirst: fact,
    }),
  ),
  conversion: fact,
})

export const funnelsRoute = readRoute({
  path: '/api/funnels',
  summary: 'The funnels of funnels.yaml, over the last 28 days.',
  query: z.strictObject({ site: site.optional(), ...paged }),
  answer: z.object({ rows: z.array(funnel), next }),
  async read({ db }, query) {
    const page = await selectPage(db, 'funnel', query)
    return { rows: page.bodies as z.input<typeof funnel>[], next: page.next }
  },
})

const cohort = z.looseObject({
  rawSite: z.string(),
  rows: z.array(
    z.looseObject({ week: z.string(), channel: z.string(), size: fact, returned: z.array(fact.nullable()) }),
  ),
})

export const cohortsRoute = readRoute({
  path: '/api/cohorts',
  summary:
    'Retention: visitors by the week they came first in and their first channel, and the share seen in later weeks.',
  query: z.strictObject({ site: site.optional(), ...paged }),
  answer: z.object({ rows: z.array(cohort), next }),
  async read({ db }, query) {
    const page = await selectPage(db, 'cohort', query)
    return { rows: page.bodies as z.input<typeof cohort>[], next: page.next }
  },
})

const insight = z.looseObject({
  ...{ id: z.string(), rawSite: z.string(), day: z.string(), kind: z.string(), severity: z.string() },
  facts: z.array(fact),
})

export const insightsRoute = readRoute({
  path: '/api/insights',
  summary:
    "What is worth a look about a day: tracking that is not in order, figures unlike the weekday's. Newest first.",
  query: z.strictObject({ site: site.optional(), ...paged }),
  answer: z.object({ rows: z.array(insight), next }),
  async read({ db }, { site: wanted, after, limit }) {
    const [day, key] = readCursor(after, z.tuple([z.iso.date(), z.string()])) ?? [null, null]
    const rows = await db.query<{ day: string; key: string; body: string }>(
      `select r.day::text as day, key, body from reports r
       where kind = 'insight' and r.day is not null and ($1::text is null or site_id = $1::text)
         and ($2::date is null or (r.day, key) < ($2::date, $3::text))
       order by r.day desc, key desc limit $4::int`,
      [wanted ?? null, day, key, limit],
    )
    const last = rows.at(-1)
    return {
      rows: rows.map(({ body }) => JSON.parse(body) as z.input<typeof insight>),
      next: last && rows.length === limit ? cursorOf([last.day, last.key]) : null,
    }
  },
})

const customer = z.looseObject({
  ...{ key: z.string(), rawUserId: z.string(), firstSeen: z.string(), lastSeen: z.string() },
  ...{ rawSites: z.array(z.string()), rfmSegment: z.string().nullable(), figures: z.record(z.string(), fact) },
})

export const customersRoute = readRoute({
  path: '/api/customers',
  summary: 'Profiles of known customers, those seen last first.',
  query: z.strictObject(paged),
  answer: z.object({ rows: z.array(customer), next }),
  async read({ db }, { after, limit }) {
    const [seen, key] = readCursor(after, z.tuple([z.string(), z.string()])) ?? [null, null]
    const rows = await db.query<{ seen: string; key: string; body: string }>(
      `select body ->> 'lastSeen' as seen, key, body from reports
       where kind = 'customer' and ($1::text is null or (body ->> 'lastSeen', key) < ($1::text, $2::text))
       order by body ->> 'lastSeen' desc, key desc limit $3::int`,
      [seen, key, limit],
    )
    const last = rows.at(-1)
    return {
      rows: rows.map(({ body }) => JSON.parse(body) as z.input<typeof customer>),
      next: last && rows.length === limit ? cursorOf([last.seen, last.key]) : null,
    }
  },
})

export const consentRoute = readRoute({
  path: '/api/consent',
  summary: 'Share of visitors who consented, by site and day, as the agents measured it.',
  query: z.strictObject({ site: site.optional(), days: z.coerce.number().int().min(1).max(93).default(28) }),
  answer: z.object({
    rows: z.array(z.object({ site: z.string(), day: z.string(), share: z.number().nullable(), visitors: z.number() })),
  }),
  async read({ db, clock }, { site: wanted, days }) {
    const rows = await db.query<{ site: string; day: string; share: number | null; visitors: number }>(
      `select site_id as site, dims ->> 'day' as day, value as share, n as visitors
       from facts where metric = 'quality_consent_share' and n > 0 and ($1::text is null or site_id = $1::text)
         and dims ? 'day' and window_to > to_timestamp($2::float8 / 1000) - make_interval(days => $3::int)
       order by 2 desc, 1 limit 1000`,
      [wanted ?? null, clock.now(), days],
    )
    return { rows }
  },
})
