-- breaking: no
-- Texts that a language model wrote over facts and that were held against them, by the hash of all that they depend on.
-- They hold words and references, no figures and nothing of a single person.

create table narratives (
  key        text primary key check (key ~ '^[0-9a-f]{64}$'),
  model      text not null,
  subject    text not null,
  -- null: none could be had about these facts, and `reason` says why
  body       json,
  reason     text,
  written_at timestamptz not null,
  check ((body is null) = (reason is not null))
);
create index narratives_written on narratives (written_at);
