import { open, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Db, Queryable, Session } from '../db.ts'
import { exportColumns } from '../types.ts'
import type { Pace } from './pace.ts'
import { isoMicroseconds, type Part, selectHours } from './parts.ts'

export type StagedHour = { hourMs: number; file: string; rows: number }

const hourMs = 60 * 60 * 1000

/**
 * Copies a part's rows out of the buffer into CSV files, one per hour of arrival, in the order (batch, n). Strict CSV:
 * every value quoted, null unquoted and empty, so that the encoder reads back exactly what was stored. Resolves to the
 * files that hold rows, or to one for each of `hours` where these are given (files that were delivered keep their keys
 * also when all their rows were erased); memory does not grow with their number.
 */
export const copyOut = async (
  session: Session,
  part: Part,
  folder: string,
  paced: Pace,
  hours?: readonly number[],
): Promise<StagedHour[]> => {
  const staged: StagedHour[] = []
  const wanted = hours ?? (await selectHours(session, part.partId))
  try {
    await session.batch(`begin; ${inOrderOfBatches}`)
    for (const hour of wanted) {
      const file = path.join(folder, `${hour}.csv`)
      const rows = await write(file, () => {
        const copy = session.copyTo(`copy (${selectRows(part, hour)}) to stdout (format csv, force_quote *, null '')`)
        return { blocks: paced(copy.stream), rows: copy.rows }
      })
      if (rows > 0 || hours) staged.push({ hourMs: hour, file, rows })
      else await rm(file)
    }
    await session.execute('commit')
    return staged
  } catch (error) {
    // A full disk, say. The rest of the COPY would be waited for by whatever is asked of this connection next.
    session.break(error as Error)
    throw error
  }
}

/**
 * Writes rows to a file; resolves to their number. They are asked for when there is a file to write them to, and each block is
 * written before the next is asked for, which will be in the same memory.
 */
const write = async (file: string, begin: () => { blocks: AsyncIterable<Buffer>; rows(): number }): Promise<number> => {
  const out = await open(file, 'w')
  try {
    const { blocks, rows } = begin()
    for await (const block of blocks) await out.writeFile(block)
    return rows()
  } finally {
    await out.close()
  }
}

/**
 * Batch by batch along the index, one at a time sorted by `n`, also where the planner knows nothing about the tables yet: it
 * would rather read the part, or the whole buffer, and sort it on disk, beside an encoder that needs the other core. (That
 * leaves the incremental sort.)
 */
const inOrderOfBatches = `set local enable_hashjoin = off; set local enable_mergejoin = off; set local enable_seqscan = off;
  set local enable_sort = off; set local max_parallel_workers_per_gather = 0`

/** COPY takes no parameters; all that is put in are numbers. */
const selectRows = (part: Part, from: number): string => {
  const until = from + hourMs
  return `select ${exportColumns.map((column) => `e."${column}"`).join(', ')}
    from ${rowsOf(part)}
      and e.created_at >= to_timestamp(${from / 1000}) and e.created_at < to_timestamp(${until / 1000})
    order by b.batch_id, e.n`
}

/** `selectOccurred` on a connection of its own, for as long as a part of any size takes. */
export const selectOccurredBeside = (db: Db, part: Part): ReturnType<typeof selectOccurred> =>
  db.transaction(async (tx) => {
    await tx.batch(`set local statement_timeout = 0; ${inOrderOfBatches}`)
    return selectOccurred(tx, part)
  })

/** When the part's events happened, by their own clocks; null for a part without rows. */
export const selectOccurred = async (db: Queryable, part: Part): Promise<{ min: string; max: string } | null> => {
  const [row] = await db.query<{ min: string | null; max: string | null }>(
    `select ${isoMicroseconds('min(e."timestamp")')} as min, ${isoMicroseconds('max(e."timestamp")')} as max
     from ${rowsOf(part)}`,
  )
  return row?.min && row.max ? { min: row.min, max: row.max } : null
}

/**
 * Ledger rows `b` of a part with their events `e`: from each batch to its events and never the other way round, which would
 * walk through all that is buffered (`offset 0` keeps the planner from it). A batch has one `stored_at`, which keeps other
 * chunks out.
 */
const rowsOf = ({ partId, batches: { min, max } }: Part): string =>
  `batches b cross join lateral (
     select * from events_log e
     where e.batch_id = b.batch_id and e.stored_at = b.stored_at
       and e.stored_at between (select min(stored_at) from batches where part_id = ${partId})
                           and (select max(stored_at) from batches where part_id = ${partId})
     offset 0) e
   where b.part_id = ${partId} and b.events > 0 and b.batch_id between ${min} and ${max}`
