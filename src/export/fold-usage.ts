import type { Tx } from '../db.ts'
import { foldedSite } from '../types.ts'

/**
 * Sites and quarters that the usage of a part names one by one: of domains that nobody approved, and of those that
 * somebody did. Anyone can invent site ids, and usage is kept for ever; 1,000 rows are about 100 kB of a manifest.
 */
export const undecidedRowsMax = 1000
export const approvedRowsMax = 10_000
/** More labels than the domain of a site can have: `a.b.example.co.uk` has five. */
const labelsMax = 8

/**
 * Sums up what a part counts beyond its limits, the least busy first: rows of approved domains under `(other).example.com`,
 * which belongs to the domain and is billed like it, all others under `(other)`, which is never billed. No event is lost
 * and no sum of the part, of a quarter or of an approved domain changes. Events without a site stay as they are.
 */
export const foldUsage = (tx: Tx, partId: number): Promise<number> =>
  tx.execute(
    `with ranked as (
       select quarter, site_id, approved, row_number() over (
                partition by approved is null order by events desc, pageviews desc, site_id collate "C", quarter) as position
       from part_usage
       left join lateral (
         select domain as approved from domains
         where state = 'approved' and domain = any (array (
           select array_to_string(labels[n:], '.')
           from (select string_to_array(site_id, '.') as labels) split,
                generate_series(greatest(1, cardinality(labels) - $4::int + 1), cardinality(labels)) as n))
         order by length(domain) desc limit 1
       ) a on true
       where part_id = $1::bigint and site_id <> ''
     ), gone as (
       delete from part_usage u using ranked r
       where u.part_id = $1::bigint and u.quarter = r.quarter and u.site_id = r.site_id
         and position > case when approved is null then $2::int else $3::int end
       returning u.*, coalesce($5::text || '.' || approved, $5::text) as name
     )
     insert into part_usage (part_id, quarter, site_id, events, pageviews, rejected, duplicates, erased)
     select part_id, quarter, name, sum(events), sum(pageviews), sum(rejected), sum(duplicates), sum(erased)
     from gone group by part_id, quarter, name
     on conflict (part_id, quarter, site_id) do update set
       events = part_usage.events + excluded.events, pageviews = part_usage.pageviews + excluded.pageviews,
       rejected = part_usage.rejected + excluded.rejected, duplicates = part_usage.duplicates + excluded.duplicates,
       erased = part_usage.erased + excluded.erased`,
    [partId, undecidedRowsMax, approvedRowsMax, labelsMax, foldedSite],
  )
