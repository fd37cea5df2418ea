-- breaking: no
-- Erasure: who is to be forgotten, how far each room has come, and revisions of parts. What was metered never changes;
-- `erased` counts how many of the metered rows are there no more.
alter table batches add column erased int not null default 0;
alter table batch_sites add column erased int not null default 0;
alter table export_parts add column erased bigint not null default 0;
-- above `revision` while a revision has still to be made from the buffer
alter table export_parts add column revision_wanted int not null default 0;

-- Every manifest that was written, in the order of the chain; export_parts has the newest revision's.
create table export_manifests (
  link     bigint generated always as identity primary key,
  part_id  bigint not null references export_parts,
  revision int not null,
  key      text not null unique,
  sha256   text not null,
  manifest text not null,
  unique (part_id, revision)
);
insert into export_manifests (part_id, revision, key, sha256, manifest)
select part_id, revision, manifest_key, manifest_sha256, manifest from export_parts where manifest is not null order by part_id;
drop index export_parts_manifest_key;

create table erasures (
  erasure_id      uuid primary key default gen_random_uuid(),
  requested_at    timestamptz not null default now(),
  requested_by    text not null,
  kind            text not null check (kind in ('visitor', 'user')),
  -- {"visitors": [...], "users": [...]}; null once everybody is done
  subject         jsonb,
  -- HMAC(HASH_KEY): recognises the same person, and says nothing without the key
  subject_hash    uuid not null,
  -- the spool holds nothing any more that came before the request
  spool_done_at   timestamptz,
  -- each room works off its own
  collect_done_at timestamptz,
  export_done_at  timestamptz,
  agents_done_at  timestamptz,
  -- the exporter's way: linked visitors found, rows out of the buffer, delivered parts looked through, records written
  resolved_at     timestamptz,
  buffer_done_at  timestamptz,
  scanned_part_id bigint not null default 0,
  finished_at     timestamptz
);
create index erasures_open on erasures (requested_at) where finished_at is null;

-- Which parts an erasure revised.
create table erasure_parts (
  erasure_id uuid not null references erasures,
  part_id    bigint not null references export_parts,
  events     bigint not null,
  primary key (erasure_id, part_id)
);
