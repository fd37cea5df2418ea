-- breaking: no
-- The buffer (events_log), the ledger (batches), receipts, rejects, and the delivery tables.

create table epochs (
  epoch       text primary key check (epoch ~ '^[0-9a-f]{8}$'),
  started_at  timestamptz not null default now(),
  -- the head this epoch continues: {node, epoch, seq, revision, sha256}; null in the first epoch of all
  predecessor jsonb,
  is_current  boolean not null default true
);
create unique index epochs_current on epochs (is_current) where is_current;
insert into epochs (epoch) values (substr(replace(gen_random_uuid()::text, '-', ''), 1, 8));

create table export_parts (
  part_id         bigint generated always as identity primary key,
  epoch           text not null,
  seq             bigint not null check (seq > 0),
  revision        int not null default 0,
  created_at      timestamptz not null,
  -- frozen when the part is claimed
  producer        text not null,
  schema_version  int not null,
  formats         text[] not null,
  compression     jsonb not null,
  rules_sha256    text,
  destinations    text[] not null,
  batches         bigint not null,
  batch_min       bigint not null,
  batch_max       bigint not null,
  events          bigint not null,
  pageviews       bigint not null,
  bytes           bigint not null,
  received_min    timestamptz,
  received_max    timestamptz,
  -- set once, when all objects of the part are encoded
  manifest        text,
  manifest_sha256 text,
  manifest_key    text,
  encoded_at      timestamptz,
  quarantined     text,
  -- a part of another epoch, imported from a destination's manifests
  adopted         boolean not null default false,
  unique (epoch, seq),
  check ((manifest is null) = (manifest_sha256 is null))
);

create table batches (
  batch_id      bigint generated always as identity primary key,
  commit_key    uuid not null unique,
  stored_at     timestamptz not null default now(),
  events        int not null default 0,
  bytes         bigint not null default 0,
  created_min   timestamptz,
  created_max   timestamptz,
  spooled       boolean not null default false,
  part_id       bigint references export_parts,
  agents_run_id bigint
);
create index batches_unclaimed on batches (batch_id) where part_id is null;
create index batches_part on batches (part_id) where part_id is not null;
create index batches_unread on batches (batch_id) where agents_run_id is null;

create table batch_sites (
  batch_id   bigint not null references batches on delete cascade,
  site_id    text not null default '',
  quarter    timestamptz not null,
  events     int not null default 0,
  pageviews  int not null default 0,
  rejected   int not null default 0,
  duplicates int not null default 0,
  primary key (batch_id, site_id, quarter)
);

-- No primary key and no foreign key: each costs a COPY more than it proves; (batch_id, n) is unique by construction.
create table events_log (
  batch_id       bigint not null,
  n              int not null,
  stored_at      timestamptz not null,
  event_id       uuid not null,
  event_type     text not null,
  session_id     text,
  visitor_id     text,
  user_id        text,
  site_id        text,
  "timestamp"    timestamptz not null,
  url            text,
  path           text,
  user_agent     text,
  ip_address     text,
  raw_event_data json not null,
  created_at     timestamptz not null
);

create table receipts (
  -- 128 bits of HMAC(HASH_KEY, scope ‖ id), and of SHA-256 over the events without sentAt and _metadata
  key        uuid primary key,
  digest     uuid not null,
  expires_at timestamptz not null
);
create index receipts_expiry on receipts using brin (expires_at);

create table rejects (
  reject_id   bigint generated always as identity primary key,
  batch_id    bigint,
  created_at  timestamptz not null,
  site_id     text,
  code        text not null,
  message     text not null,
  payload     bytea not null,
  exported_at timestamptz
);
create index rejects_unexported on rejects (reject_id) where exported_at is null;

-- What a part holds, per site and quarter: what is metered. Outlives the part's batches.
create table part_usage (
  part_id    bigint not null references export_parts,
  quarter    timestamptz not null,
  site_id    text not null,
  events     bigint not null,
  pageviews  bigint not null,
  rejected   bigint not null,
  duplicates bigint not null,
  erased     bigint not null default 0,
  primary key (part_id, quarter, site_id)
);

create table export_objects (
  object_id   bigint generated always as identity primary key,
  part_id     bigint not null references export_parts,
  revision    int not null,
  format      text not null,
  hour        timestamptz not null,
  compression text not null,
  key         text not null,
  rows        bigint not null,
  bytes       bigint not null,
  sha256      text not null,
  unique (part_id, revision, format, hour)
);

-- One row per object and destination, and one per manifest and destination (object_id null).
create table deliveries (
  delivery_id     bigint generated always as identity primary key,
  part_id         bigint not null references export_parts,
  revision        int not null,
  object_id       bigint references export_objects,
  destination     text not null,
  -- endpoint, bucket and prefix it was delivered to: another one never inherits "verified"
  identity        text,
  state           text not null default 'pending' check (state in ('pending', 'verified', 'parked', 'quarantined')),
  attempts        int not null default 0,
  fault           text,
  error           text,
  next_attempt_at timestamptz,
  evidence        jsonb,
  verified_at     timestamptz,
  unique nulls not distinct (part_id, revision, object_id, destination)
);
create index deliveries_open on deliveries (destination, part_id) where state <> 'verified';

create table audit_log (
  audit_id bigint generated always as identity primary key,
  at       timestamptz not null default now(),
  actor    text not null,
  action   text not null,
  subject  text,
  detail   jsonb not null default '{}'
);

-- A hypertable where TimescaleDB is there. Chunks are by arrival in the buffer, so that a batch lies in one chunk and a
-- late replay never reaches an old one.
do $$
begin
  if exists (select from pg_extension where extname = 'timescaledb') then
    perform create_hypertable('events_log', 'stored_at', chunk_time_interval => interval '6 hours',
      create_default_indexes => false);
  end if;
end
$$;
create index events_log_batch on events_log (batch_id);

create view events as
select batch_id, n, stored_at, event_id, event_type, session_id, visitor_id, user_id, site_id, "timestamp", url, path,
       user_agent, ip_address, raw_event_data::jsonb as raw_event_data, created_at
from events_log;
