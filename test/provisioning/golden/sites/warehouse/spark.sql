create table events using parquet
location 's3a://brand-events/analytics/events/format=parquet';
msck repair table events;

select dt, count(*) as events, count(distinct visitor_id) as visitors
from events where dt >= date_sub(current_date(), 7) group by dt order by dt;

select get_json_object(raw_event_data, '$.attribution.utmParams.utm_source') as source, count(*) as pageviews
from events where event_type = 'pageview' and dt = current_date() group by 1 order by 2 desc;
