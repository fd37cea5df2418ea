import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import { messageOf } from '../errors.ts'
import type { ExportFormat } from '../types.ts'

export type Counted = { bytes: number; sha256: string; rows: number | undefined; unreadable?: string }

const lineFeed = 10
const quote = 34

/**
 * Reads an object once, to its end: bytes, SHA-256, and the rows that a reader finds in it. What cannot be read as its
 * format has no rows and says why; its checksum is true all the same. Parquet passes through a temporary file.
 */
export const countRows = async (stream: Readable, format: ExportFormat): Promise<Counted> => {
  const hash = createHash('sha256')
  let bytes = 0
  // Not by a listener: nothing may flow before the reader is there.
  const tap = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      bytes += chunk.length
      done(null, chunk)
    },
  })
  const counting = format === 'parquet' ? countParquet(tap) : countText(tap, format)
  const outcome = counting.then(
    (rows) => ({ rows }),
    (error: unknown) => {
      // The rest is read for its checksum.
      tap.resume()
      return { rows: undefined, unreadable: messageOf(error) }
    },
  )
  const [counted] = await Promise.all([outcome, pipeline(stream, tap)])
  return { bytes, sha256: hash.digest('hex'), ...counted }
}

const countText = async (source: Readable, format: 'json' | 'csv'): Promise<number> => {
  let lines = 0
  let quoted = false
  const gunzip = createGunzip()
  source.pipe(gunzip)
  for await (const chunk of gunzip as AsyncIterable<Buffer>)
    for (const byte of chunk) {
      // In CSV a line break inside quotes belongs to a value; a doubled quote opens and closes at once.
      if (byte === quote && format === 'csv') quoted = !quoted
      else if (byte === lineFeed && !quoted) lines++
    }
  return format === 'csv' ? lines - 1 : lines
}

const countParquet = async (source: Readable): Promise<number> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-verify-'))
  const file = path.join(folder, 'object.parquet')
  try {
    await pipeline(source, createWriteStream(file))
    const instance = await DuckDBInstance.create(':memory:', { threads: '1', memory_limit: '256MB' })
    const connection = await instance.connect()
    try {
      // Reading a column finds damaged pages, which the footer's number of rows would not.
      const result = await connection.runAndReadAll(
        `select count(*), count(distinct event_id), max(length(raw_event_data)) from read_parquet('${file}')`,
      )
      return Number(result.getRows()[0]?.[0] ?? 0)
    } finally {
      connection.closeSync()
      instance.closeSync()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
