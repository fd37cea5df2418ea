-- Spectrum reads the table that the athena statement makes in the Glue catalog:
create external schema evothesis from data catalog database 'default' iam_role default;

-- or copy days into a table of its own:
create table events (
  "event_id" varbyte(16),
  "event_type" varchar(max),
  "site_id" varchar(max),
  "visitor_id" varchar(max),
  "session_id" varchar(max),
  "user_id" varchar(max),
  "timestamp" timestamp,
  "created_at" timestamp,
  "url" varchar(max),
  "path" varchar(max),
  "user_agent" varchar(max),
  "ip_address" varchar(max),
  "raw_event_data" super
);
copy events from 's3://brand-events/analytics/events/format=parquet/dt=2026-11-20/' iam_role default format as parquet serializetojson;

select trunc("created_at") as day, count(*) as events, count(distinct "visitor_id") as visitors
from events where "created_at" >= dateadd(day, -7, current_date) group by 1 order by 1;
