import { createHash, randomBytes } from 'node:crypto'
import { insertAudit } from '../audit.ts'
import type { Db, Queryable } from '../db.ts'
import type { Holder } from '../roles.ts'
import type { Secret } from '../secret.ts'

/** A working day; and never longer than the token counts. */
export const sessionSeconds = 12 * 3600
/** Of one token at a time: beyond, the oldest end. */
const sessionsMax = 20

export type SessionHolder = Holder & { expiresMs: number; tokenId: string | null; hasCode: boolean }

export const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()

/**
 * Begins a session for a token and ends the one that the browser had: a value that somebody planted there before the login
 * never counts. Answers the value of the cookie, which is nowhere kept.
 */
export const beginSession = async (
  db: Db,
  login: { token: string; holder: Holder; before: string | undefined; expiresMs: number; nowMs: number },
): Promise<string> => {
  const { token, holder, before, expiresMs, nowMs } = login
  const session = randomBytes(32).toString('base64url')
  await db.transaction(async (tx) => {
    await tx.execute(
      `delete from console_sessions where sha256 = $1::bytea or expires_at < to_timestamp($2::float8 / 1000)`,
      [sha256(before ?? ''), nowMs],
    )
    await tx.execute(
      `insert into console_sessions (sha256, token_sha256, created_at, expires_at)
       values ($1::bytea, $2::bytea, to_timestamp($3::float8 / 1000), to_timestamp($4::float8 / 1000))`,
      [sha256(session), sha256(token), nowMs, expiresMs],
    )
    await tx.execute(
      `delete from console_sessions where token_sha256 = $1::bytea and sha256 not in (
         select sha256 from console_sessions where token_sha256 = $1::bytea order by created_at desc, sha256 limit $2::int)`,
      [sha256(token), sessionsMax],
    )
    await insertAudit(tx, { by: holder.name, nowMs }, 'console.login', holder.role)
  })
  return session
}

export const endSession = (db: Db, session: string, by: string, nowMs: number): Promise<void> =>
  db.transaction(async (tx) => {
    const ended = await tx.execute('delete from console_sessions where sha256 = $1::bytea', [sha256(session)])
    if (ended > 0) await insertAudit(tx, { by, nowMs }, 'console.logout', '')
  })

/** Ends all sessions of a token but this one. */
export const endOtherSessions = (
  db: Queryable,
  { tokenId, session }: { tokenId: string; session: string },
): Promise<number> =>
  db.execute(
    `delete from console_sessions s using access_tokens t
     where t.token_id = $1::uuid and s.token_sha256 = t.sha256 and s.sha256 <> $2::bytea`,
    [tokenId, sha256(session)],
  )

/**
 * Who is logged in with this session: the holder of its token, as long as the session and the token count. A session of the
 * admin token ends when that is another.
 */
export const findSession = async (
  db: Queryable,
  session: string,
  adminToken: Secret,
  nowMs: number,
): Promise<SessionHolder | undefined> => {
  const [found] = await db.query<SessionHolder>(
    `select coalesce(t.name, 'admin API') as name, coalesce(t.role, 'operator') as role, t.token_id::text as "tokenId",
            t.totp_since is not null as "hasCode", (extract(epoch from s.expires_at) * 1000)::float8 as "expiresMs"
     from console_sessions s left join access_tokens t on t.sha256 = s.token_sha256
     where s.sha256 = $1::bytea and s.expires_at > to_timestamp($3::float8 / 1000)
       and (s.token_sha256 = $2::bytea
            or (t.revoked_at is null and t.expires_at > to_timestamp($3::float8 / 1000)))`,
    [sha256(session), sha256(adminToken.reveal()), nowMs],
  )
  return found
}
