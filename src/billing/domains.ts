import { insertAudit } from '../audit.ts'
import type { Db, Queryable } from '../db.ts'
import { AppError } from '../errors.ts'
import { domainOf, isLocal } from './domain.ts'

export type DomainState = 'seen' | 'pending' | 'approved' | 'blocked'
export type DomainRow = {
  domain: string
  state: DomainState
  firstSeen: string | null
  lastSeen: string | null
  events: number
  pageviews: number
  visitors: number
  addresses: number
  suspicions: string[]
  decidedAt: string | null
  decidedBy: string | null
}

/** More decisions than any client has domains. */
const decidedMax = 10_000

const iso = (column: string): string => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

/** What is decided, then what asks for a decision, by pageviews. */
export const selectDomains = (db: Queryable): Promise<DomainRow[]> =>
  db.query<DomainRow>(
    `select domain, state, ${iso('first_seen')} as "firstSeen", ${iso('last_seen')} as "lastSeen", events, pageviews,
            visitors, addresses, suspicions, ${iso('decided_at')} as "decidedAt", decided_by as "decidedBy"
     from domains order by array_position(array['pending', 'approved', 'blocked', 'seen'], state), pageviews desc, domain`,
  )

export const selectDecisions = async (db: Queryable): Promise<{ approved: string[]; blocked: string[] }> => {
  const rows = await db.query<{ domain: string; state: string }>(
    `select domain, state from domains where state in ('approved', 'blocked') order by domain collate "C"`,
  )
  const of = (state: string) => rows.filter((row) => row.state === state).map((row) => row.domain)
  return { approved: of('approved'), blocked: of('blocked') }
}

/**
 * Approves or blocks a domain, whether it was seen or not; counts for every period that is not closed. Throws
 * `request_invalid` for what is never billed or is no registrable domain, and `conflict` at the limit.
 */
export const decideDomain = (
  db: Db,
  decision: { domain: string; state: 'approved' | 'blocked'; by: string; nowMs: number },
): Promise<void> =>
  db.transaction(async (tx) => {
    const { domain, state, by, nowMs } = decision
    const whole = domainOf(domain)
    if (domain === '' || domain.length > 253 || /[\s/,]/.test(domain))
      throw new AppError('request_invalid', `"${domain}" is no domain.`)
    if (isLocal(domain)) throw new AppError('request_invalid', `${domain} is local; it is never billed.`)
    if (whole !== domain && domain !== '(none)')
      throw new AppError('request_invalid', `${domain} is part of ${whole}; decide about that.`)
    const [decided] = await tx.query<{ domains: number; latestMs: number | null }>(
      `select count(*) filter (where domain <> $1::text) as domains,
              (extract(epoch from max(decided_at) filter (where domain = $1::text)) * 1000)::bigint as "latestMs"
       from domains where state in ('approved', 'blocked')`,
      [domain],
    )
    if (decided && decided.domains >= decidedMax)
      throw new AppError('conflict', `There are ${decidedMax} decided domains, the most there may be.`)
    // A decision made here and now counts, also when another node's clock is ahead of ours.
    await tx.execute(`update domains set decided_at = null where domain = $1::text`, [domain])
    await upsertDecision(tx, { domain, state, by, atMs: Math.max(nowMs, (decided?.latestMs ?? 0) + 1) })
    await insertAudit(tx, { by, nowMs }, `domain.${state}`, domain)
  })

/** Writes a decision, unless a later one is there. */
export const upsertDecision = (
  db: Queryable,
  decision: { domain: string; state: 'approved' | 'blocked'; by: string; atMs: number },
): Promise<number> =>
  db.execute(
    `insert into domains (domain, state, decided_at, decided_by)
     values ($1::text, $2::text, to_timestamp($3::float8 / 1000), $4::text)
     on conflict (domain) do update set state = excluded.state, decided_at = excluded.decided_at, decided_by = excluded.decided_by
     where domains.decided_at is null or domains.decided_at < excluded.decided_at`,
    [decision.domain, decision.state, decision.atMs, decision.by],
  )
