create external table events (
  `event_id` binary,
  `event_type` string,
  `site_id` string,
  `visitor_id` string,
  `session_id` string,
  `user_id` string,
  `timestamp` timestamp,
  `created_at` timestamp,
  `url` string,
  `path` string,
  `user_agent` string,
  `ip_address` string,
  `raw_event_data` string
)
partitioned by (dt string, hr string)
stored as parquet
location 's3://brand-events/analytics/events/format=parquet/'
tblproperties (
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date', 'projection.dt.format' = 'yyyy-MM-dd', 'projection.dt.range' = '2026-01-01,NOW',
  'projection.hr.type' = 'integer', 'projection.hr.range' = '0,23', 'projection.hr.digits' = '2',
  'storage.location.template' = 's3://brand-events/analytics/events/format=parquet/dt=${dt}/hr=${hr}/'
);

-- event_id is a UUID of 16 bytes: lower(to_hex(event_id)). Partitions are projected; there is nothing to repair or crawl.
select dt, count(*) as events, count(distinct visitor_id) as visitors
from events where dt >= cast(current_date - interval '7' day as varchar) group by dt order by dt;

select json_extract_scalar(raw_event_data, '$.attribution.utmParams.utm_source') as source, count(*) as pageviews
from events where event_type = 'pageview' and dt = cast(current_date as varchar) group by 1 order by 2 desc;
