install httpfs; load httpfs;
create or replace secret evothesis (type s3, provider credential_chain, region 'us-east-1', endpoint 's3.clinic.example', url_style 'path');
create or replace view events as
select * from read_json('s3://clinic-events/analytics/events/format=json/*/*/*.json.gz', format = 'newline_delimited', hive_partitioning = true, hive_types = {'dt': date, 'hr': bigint},
    columns = {'event_id': 'UUID', 'event_type': 'VARCHAR', 'site_id': 'VARCHAR', 'visitor_id': 'VARCHAR', 'session_id': 'VARCHAR', 'user_id': 'VARCHAR', 'timestamp': 'TIMESTAMPTZ', 'created_at': 'TIMESTAMPTZ', 'url': 'VARCHAR', 'path': 'VARCHAR', 'user_agent': 'VARCHAR', 'ip_address': 'VARCHAR', 'raw_event_data': 'JSON'});

-- events and visitors a day
select dt, count(*) as events, count(distinct visitor_id) as visitors
from events where dt >= current_date - 7 group by dt order by dt;

-- one hour reads one partition
select event_type, count(*) as events from events where dt = current_date and hr = 12 group by event_type order by 2 desc, 1;

-- a field of the raw event
select raw_event_data ->> '$.attribution.utmParams.utm_source' as source, count(*) as pageviews
from events where event_type = 'pageview' group by 1 order by 2 desc, 1;
