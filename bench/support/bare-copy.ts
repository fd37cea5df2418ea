import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Db } from '../../src/db.ts'
import { exportColumns } from '../../src/types.ts'

/** The rows that files hold, in the same text, to nowhere. Resolves to the seconds that it took. */
export const bareCopy = async (db: Db, events: number): Promise<number> => {
  const started = performance.now()
  const session = await db.session()
  const columns = exportColumns.map((column) => `"${column}"`).join(', ')
  const { stream, rows } = session.copyTo(
    `copy (select ${columns} from events_log order by batch_id, n) to stdout (format csv, force_quote *, null '')`,
  )
  try {
    await pipeline(stream, new Writable({ write: (_chunk, _encoding, done) => done() }))
  } finally {
    session.release()
  }
  if (rows() !== events) throw new Error(`COPY gave ${rows()} rows of ${events}`)
  return (performance.now() - started) / 1000
}
