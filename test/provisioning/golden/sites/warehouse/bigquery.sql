-- Files in Amazon S3 need a BigQuery Omni connection; files in Cloud Storage need none: leave that line out.
create external table evothesis.events
with partition columns (dt date, hr int64)
with connection `aws-us-east-1.evothesis`
options (
  format = 'PARQUET',
  hive_partition_uri_prefix = 's3://brand-events/analytics/events/format=parquet',
  require_hive_partition_filter = false,
  uris = ['s3://brand-events/analytics/events/format=parquet/*']
);

-- event_id is BYTES of 16: to_hex(event_id)
select dt, count(*) as events, count(distinct visitor_id) as visitors
from evothesis.events where dt >= date_sub(current_date(), interval 7 day) group by dt order by dt;

select json_value(raw_event_data, '$.attribution.utmParams.utm_source') as source, count(*) as pageviews
from evothesis.events where event_type = 'pageview' and dt = current_date() group by 1 order by 2 desc;
