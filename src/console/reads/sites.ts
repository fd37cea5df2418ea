import { z } from 'zod'
import { readRoute } from '../read-route.ts'

export const sitesRoute = readRoute({
  path: '/api/sites',
  summary: 'Sites with events in the last 93 days, the largest first, and whether visits of theirs were read.',
  query: z.strictObject({}),
  answer: z.object({
    sites: z.array(z.object({ site: z.string(), events: z.number(), visits: z.boolean() })).max(1000),
  }),
  async read({ db, clock }) {
    const sites = await db.query<{ site: string; events: number; visits: boolean }>(
      `select site_id as site, sum(events)::bigint as events,
              exists (select from sessions s where s.site_id = u.site_id) as visits
       from usage_quarters u where quarter >= to_timestamp($1::float8 / 1000) - interval '93 days' and site_id <> ''
       group by 1 order by 2 desc, 1 limit 1000`,
      [clock.now()],
    )
    return { sites }
  },
})
