-- keys: append them as second and third argument, or use a named collection
create view events as
select *, toDate(extract(_path, 'dt=([0-9-]+)')) as dt, toUInt8(extract(_path, 'hr=([0-9]+)')) as hr
from s3('https://brand-events.s3.eu-central-1.amazonaws.com/analytics/events/format=parquet/*/*/*.parquet', 'Parquet');

select dt, count() as events, uniqExact(visitor_id) as visitors
from events where dt >= today() - 7 group by dt order by dt;

select JSONExtractString(raw_event_data, 'attribution', 'utmParams', 'utm_source') as source, count() as pageviews
from events where event_type = 'pageview' and dt = today() group by source order by pageviews desc;
