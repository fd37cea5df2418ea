import { randomUUID } from 'node:crypto'
import { insertAudit } from '../audit.ts'
import type { Db, Queryable, Tx } from '../db.ts'
import { AppError, errorCodes } from '../errors.ts'
import type { KeyedHash } from '../keyed-hash.ts'
import { endOtherSessions } from './sessions.ts'
import { base32, matchCode, totpAddress } from './totp.ts'

/** Wrong codes in a row for one token, from wherever; then none counts for a while. */
const failuresMax = 5
const lockMs = 15 * 60_000

type Factor = {
  tokenId: string
  nonce: string | null
  since: boolean
  step: number
  failures: number
  failedMs: number
}

/** The secret of an authenticator: derived, so that the database alone gives it to nobody. 128 bits (RFC 4226, 4 R6). */
const keyOf = (keyedHash: KeyedHash, nonce: string): Buffer => Buffer.from(keyedHash.text('totp', nonce), 'hex')

const selectFactor = async (db: Queryable, tokenId: string): Promise<Factor | undefined> => {
  const [factor] = await db.query<Factor>(
    `select token_id::text as "tokenId", totp_nonce::text as nonce, totp_since is not null as since, totp_step as step,
            totp_failures as failures, coalesce(extract(epoch from totp_failed_at) * 1000, 0)::float8 as "failedMs"
     from access_tokens where token_id = $1::uuid for update`,
    [tokenId],
  )
  return factor
}

export type CodeCheck = { tokenId: string; code: string | undefined; by: string; nowMs: number }

/**
 * Passes a login whose token has no second factor, or with a right code that was not used before. Throws `code_needed`, and
 * `rate_limited` after several wrong ones.
 */
export const requireCode = async (db: Db, keyedHash: KeyedHash, check: CodeCheck): Promise<void> => {
  const passed = await db.transaction(async (tx) => {
    const factor = await selectFactor(tx, check.tokenId)
    if (!factor?.since || factor.nonce === null) return true
    if (check.code === undefined) return false
    return takeCode(tx, keyedHash, factor, { ...check, code: check.code })
  })
  if (!passed) throw new AppError('code_needed', errorCodes.code_needed[1])
}

/** Counts a wrong code; the transaction keeps the count, so the answer is a value. */
const takeCode = async (
  tx: Tx,
  keyedHash: KeyedHash,
  factor: Factor,
  { code, by, nowMs }: CodeCheck & { code: string },
): Promise<boolean> => {
  if (factor.failures >= failuresMax && nowMs - factor.failedMs < lockMs)
    throw new AppError('rate_limited', 'Too many wrong codes; wait for a quarter of an hour.')
  const step = matchCode(keyOf(keyedHash, factor.nonce ?? ''), code, nowMs, factor.step)
  const failures = step !== undefined ? 0 : factor.failures >= failuresMax ? 1 : factor.failures + 1
  await tx.execute(
    `update access_tokens set totp_step = $2::bigint, totp_failures = $3::int,
            totp_failed_at = to_timestamp($4::float8 / 1000) where token_id = $1::uuid`,
    [factor.tokenId, step ?? factor.step, failures, nowMs],
  )
  if (step === undefined) await insertAudit(tx, { by, nowMs }, 'console.code_refused', factor.tokenId)
  return step !== undefined
}

/** Offers a second factor; it counts once a code of it was typed. Answers the secret, once. Throws `conflict`. */
export const offerFactor = async (
  db: Db,
  keyedHash: KeyedHash,
  { tokenId, account }: { tokenId: string; account: string },
): Promise<{ secret: string; address: string }> => {
  const nonce = randomUUID()
  const offered = await db.execute(
    `update access_tokens set totp_nonce = $2::uuid, totp_step = 0, totp_failures = 0
     where token_id = $1::uuid and totp_since is null`,
    [tokenId, nonce],
  )
  if (offered === 0) throw new AppError('conflict', 'This token has a second factor; remove that first.')
  const key = keyOf(keyedHash, nonce)
  return { secret: base32(key), address: totpAddress(key, 'Evothesis', account) }
}

/**
 * From now on the token needs a code, and counts for logins only; its other sessions, which gave none, end. Throws
 * `code_needed` for a wrong one.
 */
export const confirmFactor = async (
  db: Db,
  keyedHash: KeyedHash,
  check: CodeCheck & { session: string },
): Promise<void> => {
  const passed = await db.transaction(async (tx) => {
    const factor = await selectFactor(tx, check.tokenId)
    if (!factor || factor.nonce === null || factor.since)
      throw new AppError('conflict', 'No second factor was offered.')
    if (!(await takeCode(tx, keyedHash, factor, { ...check, code: check.code ?? '' }))) return false
    await tx.execute(
      'update access_tokens set totp_since = to_timestamp($2::float8 / 1000) where token_id = $1::uuid',
      [check.tokenId, check.nowMs],
    )
    await endOtherSessions(tx, check)
    await insertAudit(tx, check, 'console.code_added', check.tokenId)
    return true
  })
  if (!passed) throw new AppError('code_needed', 'This is not the code that the authenticator shows now.')
}

/** Takes the second factor away; needs a code of it. */
export const removeFactor = async (db: Db, keyedHash: KeyedHash, check: CodeCheck): Promise<void> => {
  await requireCode(db, keyedHash, check)
  await db.transaction(async (tx) => {
    await tx.execute('update access_tokens set totp_nonce = null, totp_since = null where token_id = $1::uuid', [
      check.tokenId,
    ])
    await insertAudit(tx, check, 'console.code_removed', check.tokenId)
  })
}
