create storage integration if not exists evothesis type = external_stage storage_provider = 'S3'
  enabled = true storage_aws_role_arn = '<the role that may read the bucket>' storage_allowed_locations = ('s3://brand-events/analytics/');
create stage if not exists evothesis url = 's3://brand-events/analytics/events/format=parquet/' storage_integration = evothesis;

create or replace external table events (
  dt date as (to_date(split_part(split_part(metadata$filename, 'dt=', 2), '/', 1))),
  hr int as (to_number(split_part(split_part(metadata$filename, 'hr=', 2), '/', 1))),
  "event_id" varchar as (value:"event_id"::varchar),
  "event_type" varchar as (value:"event_type"::varchar),
  "site_id" varchar as (value:"site_id"::varchar),
  "visitor_id" varchar as (value:"visitor_id"::varchar),
  "session_id" varchar as (value:"session_id"::varchar),
  "user_id" varchar as (value:"user_id"::varchar),
  "timestamp" timestamp_tz as (value:"timestamp"::timestamp_tz),
  "created_at" timestamp_tz as (value:"created_at"::timestamp_tz),
  "url" varchar as (value:"url"::varchar),
  "path" varchar as (value:"path"::varchar),
  "user_agent" varchar as (value:"user_agent"::varchar),
  "ip_address" varchar as (value:"ip_address"::varchar),
  "raw_event_data" varchar as (value:"raw_event_data"::varchar)
)
partition by (dt, hr) location = @evothesis auto_refresh = false file_format = (type = parquet);
alter external table events refresh;

select dt, count(*) as events, count(distinct "visitor_id") as visitors
from events where dt >= current_date - 7 group by dt order by dt;

select parse_json("raw_event_data"):attribution.utmParams.utm_source::varchar as source, count(*) as pageviews
from events where "event_type" = 'pageview' and dt = current_date group by 1 order by 2 desc;
