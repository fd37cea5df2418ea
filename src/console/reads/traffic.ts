import { z } from 'zod'
import type { Db } from '../../db.ts'
import { checkRange, instant, isoText, readRoute, site } from '../read-route.ts'

const counts = { events: z.number(), pageviews: z.number(), rejected: z.number(), duplicates: z.number() }
const daysMax = 93
/** Hours up to this range, days beyond. */
const hourlyDaysMax = 7
const sitesMax = 100

export const trafficRoute = readRoute({
  path: '/api/traffic',
  summary: 'Events, pageviews, rejects and duplicates by hour (by day beyond a week), by site, and rejects by code.',
  query: z.strictObject({ from: instant, to: instant, site: site.optional() }),
  answer: z.object({
    bucket: z.enum(['hour', 'day']),
    totals: z.object(counts),
    buckets: z.array(z.object({ at: z.string(), ...counts })),
    sites: z.array(z.object({ site: z.string(), ...counts })).describe('The largest hundred.'),
    sites_unlisted: z.number(),
    rejects: z.array(z.object({ code: z.string(), rejects: z.number() })).describe('Those that are still kept here.'),
  }),
  async read({ db }, query) {
    checkRange(query, daysMax)
    const isLong = Date.parse(query.to) - Date.parse(query.from) > hourlyDaysMax * 86_400_000
    const bucket: 'hour' | 'day' = isLong ? 'day' : 'hour'
    const asked = [query.from, query.to, query.site ?? null]
    const [buckets, sites, rejects] = await Promise.all([
      selectBuckets(db, bucket, asked),
      selectSites(db, asked),
      selectRejects(db, asked),
    ])
    const totals = { events: 0, pageviews: 0, rejected: 0, duplicates: 0 }
    for (const one of buckets) for (const key of Object.keys(totals) as (keyof typeof totals)[]) totals[key] += one[key]
    return {
      bucket,
      totals,
      buckets,
      sites: sites.slice(0, sitesMax),
      sites_unlisted: Math.max(0, sites.length - sitesMax),
      rejects,
    }
  },
})

const sums = ['events', 'pageviews', 'rejected', 'duplicates'].map((one) => `sum(${one})::bigint as ${one}`).join(', ')
const inRange = `quarter >= $1::timestamptz and quarter < $2::timestamptz and ($3::text is null or site_id = $3::text)`
type Counts = { events: number; pageviews: number; rejected: number; duplicates: number }

const selectBuckets = (db: Db, bucket: 'hour' | 'day', asked: unknown[]): Promise<({ at: string } & Counts)[]> =>
  db.query(
    `select ${isoText('bucket')} as at, ${sums}
     from (select date_trunc('${bucket}', quarter) as bucket, * from usage_quarters where ${inRange}) u
     group by bucket order by bucket`,
    asked,
  )

const selectSites = (db: Db, asked: unknown[]): Promise<({ site: string } & Counts)[]> =>
  db.query(
    `select site_id as site, ${sums} from usage_quarters where ${inRange} group by 1 order by sum(events) desc, 1 limit 10000`,
    asked,
  )

const selectRejects = (db: Db, asked: unknown[]): Promise<{ code: string; rejects: number }[]> =>
  db.query(
    `select code, count(*) as rejects from rejects
     where created_at >= $1::timestamptz and created_at < $2::timestamptz and ($3::text is null or site_id = $3::text)
     group by 1 order by 2 desc, 1`,
    asked,
  )
