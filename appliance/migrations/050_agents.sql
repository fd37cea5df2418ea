-- breaking: no
-- What the agents keep: sessions and visitors, who identified themselves, figures by page and day, reports, facts, alerts.
-- Batches are claimed by `batches.agents_run_id`; nothing here refers to rows of events_log, which leave the buffer.

create table agent_runs (
  run_id     bigint generated always as identity primary key,
  kind       text not null check (kind in ('read', 'hourly', 'nightly')),
  started_at timestamptz not null,
  ended_at   timestamptz,
  batches    bigint not null default 0,
  events     bigint not null default 0,
  -- the latest moment that the data of this and all earlier runs reach: ages count from here
  as_of      timestamptz,
  reports    int not null default 0,
  -- what this run's weekly figures were made of: the last day, funnels, segments; null without them
  weeks_of   text,
  error      text
);

-- One visit: events of one visitor with no more than SESSION_TIMEOUT_MINUTES between two of them.
create table sessions (
  session_id   bigint generated always as identity primary key,
  site_id      text not null,
  -- the visitor id as sent; `session:` and the session id where there is none; `user:` and the user id on servers
  visitor_key  text not null,
  -- `user:` and the user id where the visitor is known, else `visitor:`, the site and the visitor key
  person_key   text not null,
  started_at   timestamptz not null,
  ended_at     timestamptz not null,
  -- the last user id that the events of this visit bear
  user_id      text,
  events       int not null,
  pageviews    int not null,
  engaged_ms   bigint not null,
  orders       int not null,
  revenue_micros bigint not null,
  -- how far it came: 0 nothing, 1 product, 2 cart, 3 checkout, 4 order
  stage        smallint not null,
  channel      text not null,
  source       text,
  campaign     text,
  device       text not null,
  browser      text,
  os           text,
  language     text,
  entry_path   text,
  exit_path    text,
  is_bot       boolean not null,
  -- the moment of the pageview that gave the channel, and of the earliest event with a user agent
  landed_at    timestamptz,
  -- [[milliseconds since started_at, event type, text, …], …], see src/agents/session.ts
  trail        json not null,
  -- {page id: [highest seq, lowest seq, events seen]}
  pages        json not null
);
create index sessions_visitor on sessions (site_id, visitor_key, started_at);
create index sessions_start on sessions (site_id, started_at);
create index sessions_person on sessions (site_id, person_key, started_at);

create table visitors (
  site_id       text not null,
  visitor_key   text not null,
  first_seen    timestamptz not null,
  last_seen     timestamptz not null,
  first_channel text not null,
  last_channel  text not null,
  sessions      int not null,
  orders        int not null,
  revenue_micros bigint not null,
  is_bot        boolean not null,
  -- of sessions that were deleted after PROFILE_RETENTION_DAYS
  past_sessions int not null default 0,
  past_orders   int not null default 0,
  past_revenue_micros bigint not null default 0,
  primary key (site_id, visitor_key)
);
create index visitors_first on visitors (site_id, first_seen);
create index visitors_last on visitors (last_seen);

-- Which visitor said to be which user, by an explicit `identify`.
create table identities (
  site_id     text not null,
  visitor_key text not null,
  user_id     text not null,
  first_at    timestamptz not null,
  last_at     timestamptz not null,
  primary key (site_id, visitor_key, user_id)
);
create index identities_user on identities (user_id);

-- What users said about themselves, and when.
create table traits (
  user_id text not null,
  name    text not null,
  at      timestamptz not null,
  value   text not null,
  primary key (user_id, name, at)
);
create index traits_at on traits (at);

-- Each order once, whatever number of times its page was loaded.
create table orders (
  site_id     text not null,
  order_key   text not null,
  visitor_key text not null,
  at          timestamptz not null,
  revenue_micros bigint not null,
  currency    text,
  primary key (site_id, order_key)
);
create index orders_at on orders (site_id, at);

-- Clicks, depths and loading times of a page, per local day and kind of device.
create table page_days (
  site_id  text not null,
  day      date not null,
  path     text not null,
  device   text not null,
  views    int not null,
  clicks   int not null,
  rage_clicks int not null,
  -- {cell: clicks}, {milestone: views}, {milliseconds: measurements}, {element: clicks}
  grid     json not null,
  scroll   json not null,
  lcp      json not null,
  elements json not null,
  primary key (site_id, day, path, device)
);

-- What was read of a site, per local day; and whether its report is to be made again.
create table site_days (
  site_id    text not null,
  day        date not null,
  events     bigint not null default 0,
  pageviews  bigint not null default 0,
  bot_events bigint not null default 0,
  late       bigint not null default 0,
  misdated   bigint not null default 0,
  rejected   bigint not null default 0,
  duplicates bigint not null default 0,
  consents   json not null default '[]',
  types      json not null default '[]',
  skew       json not null default '[]',
  hours      json not null default '[]',
  last_event timestamptz,
  -- what the day's report found: {sessions, visitors, orders, revenue_micros, converted, expected, seen}
  totals     json,
  is_stale   boolean not null default true,
  primary key (site_id, day)
);
create index site_days_stale on site_days (day) where is_stale;

-- How many sessions reached each step of a funnel, by hour, device, channel and kind of visitor; per local day.
create table funnel_days (
  site_id    text not null,
  funnel_id  text not null,
  day        date not null,
  -- of the funnel's definition: another one is counted anew
  definition text not null,
  cells      json not null,
  primary key (site_id, funnel_id, day)
);

-- What the agents found, as JSON documents (src/agents/report.ts): a report that does not change is not written again.
create table reports (
  kind       text not null,
  site_id    text not null,
  key        text not null,
  day        date,
  sha256     text not null,
  body       json not null,
  changed_run bigint not null,
  primary key (kind, site_id, key)
);
create index reports_day on reports (kind, day);

create table facts (
  fact_id     text primary key check (fact_id ~ '^f_[0-9a-f]{16}$'),
  site_id     text not null,
  metric      text not null,
  value       double precision,
  unit        text not null,
  n           bigint not null,
  window_from timestamptz not null,
  window_to   timestamptz not null,
  dims        jsonb not null,
  method      text not null,
  query_hash  text not null,
  -- interval, comparison and the like
  detail      jsonb not null default '{}',
  changed_run bigint not null
);
create index facts_window on facts using brin (window_to);

create table dropoff_alerts (
  alert_id   text primary key,
  site_id    text not null,
  funnel_id  text not null,
  step       int not null,
  state      text not null check (state in ('open', 'closed')),
  severity   text not null,
  opened_at  timestamptz not null,
  changed_at timestamptz not null,
  closed_at  timestamptz,
  from_day   date not null,
  to_day     date not null,
  body       json not null
);
create unique index dropoff_alerts_open on dropoff_alerts (site_id, funnel_id, step) where state = 'open';
create index dropoff_alerts_days on dropoff_alerts (to_day);

-- Which days were judged, once each.
create table judged_days (
  site_id text not null,
  day     date not null,
  tests   int not null,
  primary key (site_id, day)
);

-- Events that left the buffer on a full disk before they were read: their days are not judged.
create table unread_events (
  site_id text not null,
  quarter timestamptz not null,
  events  bigint not null,
  primary key (site_id, quarter)
);
