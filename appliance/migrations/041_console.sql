-- breaking: no
-- Who is logged in to the console. Only hashes: of the cookie, and of the token that it stands for; a token that ends or
-- is revoked ends its sessions.
create table console_sessions (
  sha256       bytea primary key,
  token_sha256 bytea not null,
  created_at   timestamptz not null,
  expires_at   timestamptz not null
);
create index console_sessions_token on console_sessions (token_sha256);

-- The second factor of a token: its secret is derived from HASH_KEY and this nonce, and stands nowhere.
alter table access_tokens
  add column totp_nonce uuid,
  -- null: not confirmed yet, and not asked for
  add column totp_since timestamptz,
  -- the time step of the last code that was taken: each counts once
  add column totp_step bigint not null default 0,
  add column totp_failures int not null default 0,
  add column totp_failed_at timestamptz;
