import { createReadStream } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import type { DuckDbAnswer, DuckDbJob, Written } from './duckdb.ts'
import { digestOf } from './sha256.ts'

/**
 * DuckDB's own process: its memory is bounded there, and a crash of native code costs one job, not the server. One job at
 * a time arrives as a message; one answer goes back. Input order is kept, so that the same rows give the same bytes on
 * any number of threads.
 */
const run = async (job: DuckDbJob): Promise<DuckDbAnswer> => {
  const instance = await DuckDBInstance.create(':memory:', {
    memory_limit: `${job.memoryMb}MB`,
    threads: String(job.threads),
    temp_directory: job.tempFolder,
    preserve_insertion_order: 'true',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  })
  const connection = await instance.connect()
  try {
    await connection.run(`set TimeZone = 'UTC'`)
    const written: Written[] = []
    for (const { file, sql } of job.writes) {
      await rm(file, { force: true })
      const result = await connection.run(sql)
      const rows = Number((await result.getRows())[0]?.[0] ?? 0)
      const { sha256 } = await digestOf(createReadStream(file, { highWaterMark: 1 << 18 }))
      written.push({ rows, bytes: (await stat(file)).size, sha256 })
    }
    const read: string[][] = []
    for (const sql of job.reads) {
      const result = await connection.run(sql)
      read.push((await result.getRows()).map(([value]) => String(value)))
    }
    return { written, read }
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

/** Its messages quote lines, values and statements, which hold what events and ids of people hold: errors are logged. */
const withoutRows = (message: string): string =>
  (message.split('\n')[0] ?? '').replace(/\s*Input: .*$|"[^"]*"|'[^']*'/g, '…')

process.on('message', (job: DuckDbJob) => {
  run(job).then(
    (answer) => process.send?.(answer),
    (error: Error) => process.send?.({ error: withoutRows(error.message) } satisfies DuckDbAnswer),
  )
})
// The parent's end is ours: nothing is left running.
process.on('disconnect', () => process.exit(0))
