-- breaking: no
-- What somebody must look at: raised once, repeated after 24 and 72 hours, cleared when it is mended.
create table alerts (
  alert_id   bigint generated always as identity primary key,
  alert      text not null,
  -- which of several: a destination, an endpoint; empty where there is only one
  subject    text not null,
  severity   text not null check (severity in ('critical', 'warning')),
  text       text not null,
  raised_at  timestamptz not null,
  -- how often it was told so far
  told       int not null default 1,
  cleared_at timestamptz
);
create unique index alerts_open on alerts (alert, subject) where cleared_at is null;
create index alerts_raised on alerts (raised_at);
