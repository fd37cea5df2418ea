-- breaking: no
-- Events per hour of storage. A continuous aggregate, which outlives dropped chunks, where TimescaleDB runs under its own
-- licence; elsewhere a view of the same name and columns.
do $$
begin
  if exists (select from pg_extension where extname = 'timescaledb')
     and current_setting('timescaledb.license', true) = 'timescale' then
    execute $sql$
      create materialized view events_hourly with (timescaledb.continuous, timescaledb.materialized_only = false) as
      select time_bucket(interval '1 hour', stored_at) as bucket, site_id, event_type, count(*) as events,
             count(distinct visitor_id) as visitors
      from events_log group by 1, 2, 3
      with no data
    $sql$;
    -- The window ends before chunks are dropped, so that a refresh never empties what they held.
    perform add_continuous_aggregate_policy('events_hourly', start_offset => interval '12 hours',
      end_offset => interval '1 hour', schedule_interval => interval '30 minutes');
    execute 'alter table events_log set (timescaledb.compress, timescaledb.compress_segmentby = ''site_id'', '
         || 'timescaledb.compress_orderby = ''batch_id, n'')';
  else
    execute $sql$
      create view events_hourly as
      select date_trunc('hour', stored_at) as bucket, site_id, event_type, count(*) as events,
             count(distinct visitor_id) as visitors
      from events_log group by 1, 2, 3
    $sql$;
  end if;
end
$$;
