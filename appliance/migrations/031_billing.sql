-- breaking: no
-- What billing remembers. Usage itself is not here: it is recounted from the ledger at every use.

-- The domains on which events were seen. The undecided ones are bounded: anyone can send any site id.
create table domains (
  domain     text primary key,
  state      text not null check (state in ('seen', 'pending', 'approved', 'blocked')),
  first_seen timestamptz,
  last_seen  timestamptz,
  -- of the days that a scan looks back at
  events     bigint not null default 0,
  pageviews  bigint not null default 0,
  -- of a sample of the buffer: at least so many
  visitors   int not null default 0,
  addresses  int not null default 0,
  -- what speaks against it, in words
  suspicions text[] not null default '{}',
  decided_at timestamptz,
  decided_by text
);

-- What the latest scan found and could not list: one row.
create table domain_scan (
  only_row           boolean primary key default true check (only_row),
  at                 timestamptz not null,
  domains            bigint not null,
  unlisted_domains   bigint not null,
  unlisted_events    bigint not null,
  unlisted_pageviews bigint not null,
  -- the address that sent for most undecided domains, of a sample
  busiest_address    text,
  busiest_domains    int not null
);

-- Calendar months in the client's time zone. Zone and terms are frozen when the period begins; no two overlap.
create table billing_periods (
  month     text primary key check (month ~ '^\d{4}-\d{2}$'),
  timezone  text not null,
  starts_at timestamptz not null,
  ends_at   timestamptz not null,
  terms     jsonb not null,
  check (starts_at < ends_at),
  exclude using gist (tstzrange(starts_at, ends_at) with &&)
);

-- Statements are never changed; a correction is a new revision.
create table statements (
  month        text not null,
  revision     int not null check (revision > 0),
  node_id      text not null,
  issued_at    timestamptz not null,
  document     text not null,
  sha256       text not null,
  published_at timestamptz,
  primary key (month, revision)
);

-- Parts whose usage was told to the outside.
create table recorded_parts (
  part_id bigint primary key references export_parts on delete cascade
);

-- What other nodes of this client delivered, by their manifests in the backup. Never changed: manifests are not.
create table node_manifests (
  manifest_key text primary key,
  node_id      text not null,
  epoch        text not null,
  part         bigint not null,
  sha256       text not null,
  events       bigint not null,
  unique (node_id, epoch, part)
);
create table node_usage (
  manifest_key text not null references node_manifests on delete cascade,
  quarter      timestamptz not null,
  site_id      text not null,
  events       bigint not null,
  pageviews    bigint not null,
  primary key (manifest_key, quarter, site_id)
);
create index node_usage_quarter on node_usage (quarter);
create index part_usage_quarter on part_usage (quarter);

-- Usage of this node per site and quarter, recounted: a batch counts by its own rows until a part claims it, and from then
-- on by the part's, which are written in the claiming transaction and outlive the batch. So each batch counts once, before,
-- during and after its collapse, and so does a part that was adopted from the manifests of an earlier life.
create view usage_quarters as
select s.site_id, s.quarter, s.events::bigint, s.pageviews::bigint, s.rejected::bigint, s.duplicates::bigint
from batches b join batch_sites s using (batch_id) where b.part_id is null
union all
select site_id, quarter, events, pageviews, rejected, duplicates from part_usage;

-- The same of all nodes of the client; this one's node_id is null.
create view client_usage as
select null::text as node_id, site_id, quarter, events, pageviews, rejected, duplicates from usage_quarters
union all
select node_id, site_id, quarter, u.events, u.pageviews, 0, 0
from node_usage u join node_manifests using (manifest_key);

-- Usage by manifest: what can be proven from the backup, and therefore what is billed.
create view manifest_usage as
select null::text as node_id, epoch, seq as part, site_id, quarter, u.events, u.pageviews
from export_parts join part_usage u using (part_id) where manifest_sha256 is not null
union all
select node_id, epoch, part, site_id, quarter, u.events, u.pageviews
from node_manifests join node_usage u using (manifest_key);
