import { createHash } from 'node:crypto'
import type { Queryable } from '../db.ts'
import type { Day } from './days.ts'
import type { Fact } from './fact.ts'
import { factsIn } from './make-fact.ts'

export const reportKinds = [
  'day',
  'funnel',
  'attribution',
  'cohort',
  'segment',
  'heatmap',
  'customer',
  'insight',
] as const
export type ReportKind = (typeof reportKinds)[number]
export type ReportRef = { kind: ReportKind; siteId: string; key: string; day: Day | null }

/**
 * Stores a report and its facts in the ledger. One that says the same as before is not written: a run without news
 * changes no row. Resolves to whether it did.
 */
export const writeReport = async (tx: Queryable, ref: ReportRef, body: object, runId: number): Promise<boolean> => {
  const text = JSON.stringify(body)
  const written = await tx.execute(
    `insert into reports (kind, site_id, key, day, sha256, body, changed_run)
     values ($1::text, $2::text, $3::text, $4::date, $5::text, $6::json, $7::bigint)
     on conflict (kind, site_id, key) do update set day = excluded.day, sha256 = excluded.sha256, body = excluded.body,
       changed_run = excluded.changed_run
     where reports.sha256 <> excluded.sha256 or reports.day is distinct from excluded.day`,
    [ref.kind, ref.siteId, ref.key, ref.day, createHash('sha256').update(text).digest('hex'), text, runId],
  )
  if (written > 0) await writeFacts(tx, ref.siteId, factsIn(body), runId)
  return written > 0
}

/** Removes reports of a kind and site that are not among those that still hold. */
export const dropReports = (
  tx: Queryable,
  kind: ReportKind,
  siteId: string,
  keys: readonly string[],
): Promise<number> =>
  tx.execute('delete from reports where kind = $1::text and site_id = $2::text and key <> all($3::text[])', [
    ...[kind, siteId, keys],
  ])

/** The ledger: what a note may cite, for as long as profiles are kept. */
export const writeFacts = async (tx: Queryable, siteId: string, all: readonly Fact[], runId: number): Promise<void> => {
  const facts = [...new Map(all.map((fact) => [fact.id, fact])).values()]
  if (facts.length === 0) return
  // One JSON text: arrays of ten columns would each be quoted element by element.
  const rows = facts.map(({ id, metric, value, unit, n, window, dims, method, queryHash, ...detail }) => ({
    ...{ fact_id: id, metric, value, unit, n, window_from: window.from, window_to: window.to, dims, method },
    ...{ query_hash: queryHash, detail },
  }))
  await tx.execute(
    `insert into facts (fact_id, site_id, metric, value, unit, n, window_from, window_to, dims, method, query_hash, detail,
                        changed_run)
     select fact_id, $1::text, metric, value, unit, n, window_from, window_to, dims, method, query_hash, detail, $2::bigint
     from json_to_recordset($3::json)
       as w(fact_id text, metric text, value float8, unit text, n bigint, window_from timestamptz, window_to timestamptz,
            dims jsonb, method text, query_hash text, detail jsonb)
     on conflict (fact_id) do update set value = excluded.value, unit = excluded.unit, n = excluded.n,
       window_to = excluded.window_to, method = excluded.method, query_hash = excluded.query_hash,
       detail = excluded.detail, changed_run = excluded.changed_run
     where (facts.value, facts.unit, facts.n, facts.method, facts.query_hash, facts.detail)
       is distinct from (excluded.value, excluded.unit, excluded.n, excluded.method, excluded.query_hash, excluded.detail)`,
    [siteId, runId, JSON.stringify(rows)],
  )
}

export type StoredReport<T> = { siteId: string; key: string; day: Day | null; sha256: string; body: T }

export type ReportFilter = {
  kind: ReportKind
  sites?: readonly string[] | undefined
  from?: Day | undefined
  to?: Day | undefined
  keys?: readonly string[] | undefined
  limit?: number | undefined
}

/** Reports of a kind, by site, day and key. */
export const selectReports = async <T>(db: Queryable, filter: ReportFilter): Promise<StoredReport<T>[]> => {
  const rows = await db.query<{ site_id: string; key: string; day: string | null; sha256: string; body: string }>(
    `select site_id, key, day::text as day, sha256, body from reports
     where kind = $1::text and ($2::text[] is null or site_id = any($2::text[]))
       and ($3::date is null or day >= $3::date) and ($4::date is null or day <= $4::date)
       and ($5::text[] is null or key = any($5::text[]))
     order by site_id, day, key limit $6::int`,
    [
      ...[filter.kind, filter.sites ?? null, filter.from ?? null, filter.to ?? null, filter.keys ?? null],
      filter.limit ?? 100_000,
    ],
  )
  return rows.map(({ site_id, key, day, sha256, body }) => ({
    ...{ siteId: site_id, key, day, sha256, body: JSON.parse(body) as T },
  }))
}
