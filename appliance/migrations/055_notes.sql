-- breaking: no
-- Every file of the vault: where it lies, what we last wrote, and what the client's destination has of it. A file's own
-- text is the truth; this tells what changed since.
create table notes (
  -- `evo_id` of a note; the path of a picture or dashboard
  note_id    text primary key,
  kind       text not null,
  -- from the vault's root; changes when a person moves the file
  path       text not null unique,
  site_id    text,
  day        date,
  -- key of the customer that it is about
  customer   text,
  -- removed: a person deleted it, and it stays away; gone: its report is no more, and it is still to be deleted
  state      text not null check (state in ('active', 'removed', 'gone')),
  -- of the whole file as we last left it, and of what in it is a person's
  sha256     text not null,
  person_sha256 text not null,
  -- the same of the note as it is before anybody wrote into it
  blank_sha256 text not null,
  written_at timestamptz not null,
  -- the destination, the path, the bytes and their version there; null before the first delivery
  delivered_to     text,
  delivered_path   text,
  delivered_sha256 text,
  delivered_person_sha256 text,
  delivered_tag    text,
  delivered_at     timestamptz
);
create index notes_customer on notes (customer) where customer is not null;

-- What was written and delivered at a time, and why a delivery failed; only of times when something happened.
create table vault_runs (
  vault_run_id bigint generated always as identity primary key,
  ended_at   timestamptz not null,
  written    int not null,
  conflicts  int not null,
  taken      int not null,
  delivered  int not null,
  error      text
);
