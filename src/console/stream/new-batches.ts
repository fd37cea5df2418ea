import type { Queryable } from '../../db.ts'

export type NewBatch = { batchId: number; storedAt: string; events: number }

/** A number that is not there for so many looks was rolled back. Longer than a transaction may stay idle (120 s). */
const looksMax = 600
/** Numbers that are waited for at a time; a group that is committed again uses one up for nothing. */
const missingMax = 5_000
/** Before the first look: transactions that were under way then. */
const reachBack = 1_000

/**
 * Finds batches that were committed since the last look. Ids are handed out before the commit, so that a later one may be
 * seen first: no cursor, but the set of numbers that are still missing below the highest one seen. Each look asks for
 * those and for what is above, by primary key; that costs the collectors nothing, where a NOTIFY in their transactions
 * would make them commit one after the other (docs/ARCHITECTURE.md has the measurement).
 */
export const createBatchWatch = (db: Queryable) => {
  let highest: number | undefined
  let looks = 0
  /** Missing numbers, and the look at which each was first missed. */
  const missing = new Map<number, number>()

  const begin = async (): Promise<void> => {
    const [row] = await db.query<{ highest: number; missing: number[] }>(
      `with top as (select coalesce(max(batch_id), 0) as highest from batches)
       select highest, array(select n from generate_series(greatest(1, highest - $1::int), highest) n
                             where not exists (select from batches where batch_id = n)) as missing from top`,
      [reachBack],
    )
    highest = row?.highest ?? 0
    for (const n of row?.missing ?? []) missing.set(Number(n), looks)
  }

  return {
    /** The first look finds nothing: it says from where on. Batches without an event are left out. */
    async look(): Promise<NewBatch[]> {
      looks++
      if (highest === undefined) {
        await begin()
        return []
      }
      const rows = await db.query<NewBatch>(
        `select batch_id as "batchId", stored_at::text as "storedAt", events from batches
         where batch_id > $1::bigint or batch_id = any($2::bigint[]) order by batch_id`,
        [highest, [...missing.keys()]],
      )
      for (const { batchId } of rows) {
        missing.delete(batchId)
        // A jump (another database was restored) leaves no list of a million numbers.
        for (let n = Math.max(highest + 1, batchId - missingMax); n < batchId; n++) missing.set(n, looks)
        highest = Math.max(highest, batchId)
      }
      for (const { batchId } of rows) missing.delete(batchId)
      for (const [n, since] of missing) if (looks - since > looksMax || missing.size > missingMax) missing.delete(n)
      return rows.filter(({ events }) => events > 0)
    },
  }
}
