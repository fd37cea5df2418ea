import { createHash, randomBytes } from 'node:crypto'
import { insertAudit } from '../audit.ts'
import type { Db, Queryable } from '../db.ts'
import { AppError } from '../errors.ts'
import type { Holder, Role } from '../roles.ts'

export type TokenView = {
  token_id: string
  name: string
  role: Role
  created_at: string
  expires_at: string
  state: 'active' | 'expired' | 'revoked'
}

const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest()
const nameCharsMax = 100

/** Makes a token. It is answered once and nowhere kept: the database has its hash. Throws `request_invalid`. */
export const createToken = async (
  db: Db,
  { name, role, expiresMs, nowMs, by }: { name: string; role: Role; expiresMs: number; nowMs: number; by: string },
): Promise<{ tokenId: string; token: string }> => {
  if (name.trim() === '' || name.length > nameCharsMax)
    throw new AppError('request_invalid', `A token needs a name of 1 to ${nameCharsMax} characters.`)
  if (expiresMs <= nowMs) throw new AppError('request_invalid', 'A token must end in the future.')
  const token = `evo_${role}_${randomBytes(32).toString('base64url')}`
  return db.transaction(async (tx) => {
    const [row] = await tx.query<{ id: string }>(
      `insert into access_tokens (name, role, sha256, created_at, expires_at)
       values ($1::text, $2::text, $3::bytea, to_timestamp($4::float8 / 1000), to_timestamp($5::float8 / 1000))
       returning token_id::text as id`,
      [name.trim(), role, hashOf(token), nowMs, expiresMs],
    )
    await insertAudit(tx, { by, nowMs }, 'token.create', row?.id ?? '', { name: name.trim(), role })
    return { tokenId: row?.id ?? '', token }
  })
}

/** Ends a token at once. Throws `not_found`. */
export const revokeToken = (db: Db, tokenId: string, { nowMs, by }: { nowMs: number; by: string }): Promise<void> =>
  db.transaction(async (tx) => {
    const revoked = await tx.execute(
      `update access_tokens set revoked_at = coalesce(revoked_at, to_timestamp($2::float8 / 1000)) where token_id::text = $1::text`,
      [tokenId, nowMs],
    )
    if (revoked === 0) throw new AppError('not_found', `There is no token ${tokenId}.`)
    await insertAudit(tx, { by, nowMs }, 'token.revoke', tokenId, {})
  })

/**
 * The holder of a token that is neither expired nor revoked. One with a second factor counts for logins only: else whoever
 * has the token would need no code.
 */
export const findHolder = async (db: Queryable, token: string, nowMs: number): Promise<Holder | undefined> => {
  const [holder] = await db.query<Holder>(
    `select name, role from access_tokens
     where sha256 = $1::bytea and revoked_at is null and totp_since is null and expires_at > to_timestamp($2::float8 / 1000)`,
    [hashOf(token), nowMs],
  )
  return holder
}

export const selectTokens = (db: Queryable, nowMs: number): Promise<TokenView[]> =>
  db.query<TokenView>(
    `select token_id::text, name, role, to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as created_at,
            to_char(expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as expires_at,
            case when revoked_at is not null then 'revoked' when expires_at <= to_timestamp($1::float8 / 1000) then 'expired'
                 else 'active' end as state
     from access_tokens t order by t.created_at desc`,
    [nowMs],
  )
