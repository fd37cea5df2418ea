import type { Queryable } from '../db.ts'
import { isoOf } from './time.ts'

/** `storedAt` is PostgreSQL's own text: a Date would lose its microseconds, and rows must equal their ledger row. */
export type LedgerRow = { batchId: number; storedAt: string }
export type LedgerCounts = { events: number; bytes: number; createdMinMs: number; createdMaxMs: number }
export type SiteCounts = {
  siteId: string
  quarterMs: number
  events: number
  pageviews: number
  rejected: number
  duplicates: number
}

/**
 * Opens the ledger row of a group, and only then claims its receipts, sorted by key so that two groups never wait for each
 * other crosswise, and counts its sites: one round trip instead of three. `fresh` are the keys that nobody had claimed.
 * Undefined: a group with this commit key was committed before. Waits for a rival's commit.
 */
export const openBatch = async (
  tx: Queryable,
  batch: { commitKey: string; spooled: boolean },
  counts: LedgerCounts,
  receipts: readonly ReceiptRow[],
  sites: readonly SiteCounts[],
): Promise<(LedgerRow & { fresh: Set<string> }) | undefined> => {
  const [row] = await tx.query<{ batch_id: number; stored_at: string; fresh: string[] }>(
    `with opened as (
       insert into batches (commit_key, spooled, events, bytes, created_min, created_max)
       values ($1::uuid, $2::bool, $3::int, $4::bigint, $5::timestamptz, $6::timestamptz)
       on conflict (commit_key) do nothing
       returning batch_id, stored_at
     ), claimed as (
       insert into receipts (key, digest, expires_at)
       select sent.key, sent.digest, sent.expires_at
       from opened, unnest($7::uuid[], $8::uuid[], $9::timestamptz[]) as sent (key, digest, expires_at)
       order by sent.key
       on conflict (key) do nothing
       returning key
     ), counted as (
       insert into batch_sites (batch_id, site_id, quarter, events, pageviews, rejected, duplicates)
       select opened.batch_id, sites.*
       from opened, unnest($10::text[], $11::timestamptz[], $12::int[], $13::int[], $14::int[], $15::int[]) as sites
     )
     select batch_id, stored_at::text as stored_at, array (select key::text from claimed) as fresh from opened`,
    [batch.commitKey, batch.spooled, ...ledgerValues(counts), ...receiptValues(receipts), ...siteValues(sites)],
  )
  return row && { batchId: row.batch_id, storedAt: row.stored_at, fresh: new Set(row.fresh) }
}

/** Sets the counts right when some of the group turned out to be stored already. */
export const updateBatchCounts = (tx: Queryable, batchId: number, counts: LedgerCounts): Promise<number> =>
  tx.execute(
    `update batches set events = $2::int, bytes = $3::bigint, created_min = $4::timestamptz, created_max = $5::timestamptz
     where batch_id = $1::bigint`,
    [batchId, ...ledgerValues(counts)],
  )

const ledgerValues = (counts: LedgerCounts): unknown[] => [
  ...[counts.events, counts.bytes],
  ...(counts.events === 0 ? [null, null] : [isoOf(counts.createdMinMs), isoOf(counts.createdMaxMs)]),
]

export type ReceiptRow = { key: string; digest: string; expiresMs: number }

/** Claims further keys and answers those that are new. Sorted by key, too. */
export const insertReceipts = async (tx: Queryable, receipts: readonly ReceiptRow[]): Promise<Set<string>> => {
  const rows = await tx.query<{ key: string }>(
    `insert into receipts (key, digest, expires_at)
     select key, digest, expires_at from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) as sent (key, digest, expires_at)
     order by key
     on conflict (key) do nothing
     returning key`,
    receiptValues(receipts),
  )
  return new Set(rows.map((row) => row.key))
}

const receiptValues = (receipts: readonly ReceiptRow[]): unknown[] => [
  receipts.map((receipt) => receipt.key),
  receipts.map((receipt) => receipt.digest),
  receipts.map((receipt) => isoOf(receipt.expiresMs)),
]

/** The digests of keys that were claimed before. A statement of its own: it sees what `insertReceipts` waited for. */
export const selectDigests = async (tx: Queryable, keys: readonly string[]): Promise<Map<string, string>> => {
  const rows = await tx.query<{ key: string; digest: string }>(
    'select key, digest from receipts where key = any ($1::uuid[])',
    [keys],
  )
  return new Map(rows.map((row) => [row.key, row.digest]))
}

/** A few expired receipts; answers how many there were. */
export const deleteExpiredReceipts = (tx: Queryable, beforeMs: number, rowsMax: number): Promise<number> =>
  tx.execute(
    `delete from receipts where ctid = any (array (
       select ctid from receipts where expires_at < $1::timestamptz limit $2::int))`,
    [isoOf(beforeMs), rowsMax],
  )

/** The same for the counts of sites. */
export const updateBatchSites = (tx: Queryable, batchId: number, sites: readonly SiteCounts[]): Promise<number> =>
  tx.execute(
    `update batch_sites
     set events = sent.events, pageviews = sent.pageviews, rejected = sent.rejected, duplicates = sent.duplicates
     from unnest($2::text[], $3::timestamptz[], $4::int[], $5::int[], $6::int[], $7::int[])
       as sent (site_id, quarter, events, pageviews, rejected, duplicates)
     where batch_id = $1::bigint and batch_sites.site_id = sent.site_id and batch_sites.quarter = sent.quarter`,
    [batchId, ...siteValues(sites)],
  )

const siteValues = (sites: readonly SiteCounts[]): unknown[] => [
  sites.map((site) => site.siteId),
  sites.map((site) => isoOf(site.quarterMs)),
  sites.map((site) => site.events),
  sites.map((site) => site.pageviews),
  sites.map((site) => site.rejected),
  sites.map((site) => site.duplicates),
]

export const insertRejects = (
  tx: Queryable,
  batchId: number,
  rejects: readonly { createdMs: number; siteId: string; code: string; message: string; payload: string }[],
): Promise<number> =>
  tx.execute(
    `insert into rejects (batch_id, created_at, site_id, code, message, payload)
     select $1::bigint, created_at, nullif(site_id, ''), code, message, convert_to(payload, 'UTF8')
     from unnest($2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[])
       as sent (created_at, site_id, code, message, payload)`,
    [
      batchId,
      rejects.map((reject) => isoOf(reject.createdMs)),
      rejects.map((reject) => reject.siteId),
      rejects.map((reject) => reject.code),
      rejects.map((reject) => reject.message),
      rejects.map((reject) => reject.payload),
    ],
  )

/** Events that are in the buffer now, by the ledger: counting rows would read them all. */
export const countEvents = async (db: Queryable): Promise<number> => {
  const [row] = await db.query<{ events: number }>('select coalesce(sum(events), 0)::bigint as events from batches')
  return row?.events ?? 0
}

export type StoredEvent = Record<string, string | Date | null> & { raw_event_data: string }

/** The latest events by commit, newest first. */
export const selectRecentEvents = (db: Queryable, rowsMax: number): Promise<StoredEvent[]> =>
  db.query<StoredEvent>(
    `select event_id, event_type, site_id, visitor_id, session_id, user_id, "timestamp", created_at, url, path, user_agent,
            ip_address, raw_event_data
     from events_log order by batch_id desc, n desc limit $1::int`,
    [rowsMax],
  )
