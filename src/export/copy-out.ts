import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Session } from '../db.ts'
import { exportColumns } from '../types.ts'
import { isoMicroseconds, type Part, selectHours } from './parts.ts'

export type StagedHour = { hourMs: number; file: string; rows: number }

const hourMs = 60 * 60 * 1000
const writeBytes = 1 << 20

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
  hours?: readonly number[],
): Promise<StagedHour[]> => {
  const staged: StagedHour[] = []
  for (const hour of hours ?? (await selectHours(session, part.partId))) {
    const file = path.join(folder, `${hour}.csv`)
    const { stream, rows } = session.copyTo(
      `copy (${selectRows(part, hour)}) to stdout (format csv, force_quote *, null '')`,
    )
    try {
      await pipeline(stream, createWriteStream(file, { highWaterMark: writeBytes }))
    } catch (error) {
      // A full disk, say. The rest of the COPY would be waited for by whatever is asked of this connection next.
      session.break(error as Error)
      throw error
    }
    if (rows() > 0 || hours) staged.push({ hourMs: hour, file, rows: rows() })
    else await rm(file)
  }
  return staged
}

/**
 * COPY takes no parameters; all that is put in are numbers. The range of batches lets the index be read in order, the
 * range of `stored_at` (a batch has one) keeps other chunks out.
 */
const selectRows = (part: Part, from: number): string => {
  const until = from + hourMs
  return `select ${exportColumns.map((column) => `e."${column}"`).join(', ')}
    from events_log e
    where ${ofPart(part)}
      and created_at >= to_timestamp(${from / 1000}) and created_at < to_timestamp(${until / 1000})
    order by batch_id, n`
}

const ofPart = (part: Part): string =>
  `batch_id between ${part.batches.min} and ${part.batches.max}
   and stored_at between (select min(stored_at) from batches where part_id = ${part.partId})
                     and (select max(stored_at) from batches where part_id = ${part.partId})
   and batch_id in (select batch_id from batches where part_id = ${part.partId} and events > 0)`

/** When the part's events happened, by their own clocks; null for a part without rows. */
export const selectOccurred = async (session: Session, part: Part): Promise<{ min: string; max: string } | null> => {
  const [row] = await session.query<{ min: string | null; max: string | null }>(
    `select ${isoMicroseconds('min("timestamp")')} as min, ${isoMicroseconds('max("timestamp")')} as max
     from events_log where ${ofPart(part)}`,
  )
  return row?.min && row.max ? { min: row.min, max: row.max } : null
}
