install httpfs; load httpfs;
create or replace secret evothesis (type s3, provider credential_chain, region 'eu-central-1');
create or replace view events as
select * from read_parquet('s3://brand-events/analytics/events/format=parquet/*/*/*.parquet', hive_partitioning = true, hive_types = {'dt': date, 'hr': bigint});

-- events and visitors a day
select dt, count(*) as events, count(distinct visitor_id) as visitors
from events where dt >= current_date - 7 group by dt order by dt;

-- one hour reads one partition
select event_type, count(*) as events from events where dt = current_date and hr = 12 group by event_type order by 2 desc, 1;

-- a field of the raw event
select raw_event_data ->> '$.attribution.utmParams.utm_source' as source, count(*) as pageviews
from events where event_type = 'pageview' group by 1 order by 2 desc, 1;
