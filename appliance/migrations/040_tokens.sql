-- breaking: no
-- Tokens of people and programs beside the admin token: by role, with an end, revocable. Only their hash is kept.
create table access_tokens (
  token_id   uuid primary key default gen_random_uuid(),
  name       text not null,
  role       text not null check (role in ('viewer', 'client', 'operator')),
  sha256     bytea not null unique,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  revoked_at timestamptz
);
