-- breaking: no
-- Events for the outside, written in the transaction of their cause, and their way to each endpoint.

create table outbox (
  -- derived from client, type and key: a rebuilt database gives the same event the same id
  event_id    text primary key check (event_id ~ '^evt_[0-9a-f]{32}$'),
  type        text not null,
  occurred_at timestamptz not null,
  -- the CloudEvents document as it is signed and sent
  body        text not null check (octet_length(body) < 20000),
  -- when its deliveries were written, one for each endpoint that wants it
  routed_at   timestamptz
);
create index outbox_unrouted on outbox (occurred_at) where routed_at is null;
create index outbox_occurred on outbox (occurred_at);

create table webhook_endpoints (
  endpoint_id     bigint generated always as identity primary key,
  name            text not null unique,
  url             text not null,
  -- null: the settings hold it
  secret          text,
  previous_secret text,
  previous_until  timestamptz,
  -- null: all
  event_types     text[],
  state           text not null default 'active' check (state in ('active', 'disabled')),
  disabled_reason text,
  -- since when every attempt has failed
  failing_since   timestamptz,
  -- it asked to be left alone until then
  paused_until    timestamptz,
  created_at      timestamptz not null
);

create table webhook_deliveries (
  event_id        text not null references outbox on delete cascade,
  endpoint_id     bigint not null references webhook_endpoints on delete cascade,
  state           text not null default 'pending' check (state in ('pending', 'delivered', 'exhausted', 'cancelled')),
  attempts        int not null default 0,
  next_attempt_at timestamptz not null,
  -- a worker is at it until then; when it was killed, another takes over
  leased_until    timestamptz,
  settled_at      timestamptz,
  primary key (event_id, endpoint_id)
);
create index webhook_deliveries_due on webhook_deliveries (endpoint_id, next_attempt_at) where state = 'pending';

create table webhook_attempts (
  attempt_id  bigint generated always as identity primary key,
  event_id    text not null,
  endpoint_id bigint not null,
  at          timestamptz not null,
  status      int,
  error       text,
  duration_ms int not null,
  foreign key (event_id, endpoint_id) references webhook_deliveries on delete cascade
);
create index webhook_attempts_delivery on webhook_attempts (event_id, endpoint_id);
