import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import type { ExportFormat } from '../types.ts'
import { type Compression, encoderSettings, encodeStatement } from './encode-sql.ts'

/**
 * The encoder's own process: DuckDB's memory is bounded there, and a crash of native code costs a part's encoding, not
 * the collector. One job at a time arrives as a message; one answer goes back.
 */
export type EncodeJob = {
  input: string
  tempFolder: string
  memoryMb: number
  threads: number
  outputs: { format: ExportFormat; compression: Compression; file: string }[]
}
export type EncodedFile = { format: ExportFormat; file: string; rows: number; bytes: number; sha256: string }
export type EncodeAnswer = { files: EncodedFile[] } | { error: string }

const encode = async (job: EncodeJob): Promise<EncodedFile[]> => {
  const { TimeZone, ...settings } = encoderSettings(job.memoryMb, job.threads, job.tempFolder)
  const instance = await DuckDBInstance.create(':memory:', settings)
  const connection = await instance.connect()
  try {
    await connection.run(`set TimeZone = '${TimeZone}'`)
    const files: EncodedFile[] = []
    for (const { format, compression, file } of job.outputs) {
      await rm(file, { force: true })
      const result = await connection.run(encodeStatement(format, compression, job.input, file))
      const rows = Number((await result.getRows())[0]?.[0] ?? 0)
      files.push({ format, file, rows, bytes: (await stat(file)).size, sha256: await sha256Of(file) })
    }
    return files
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

const sha256Of = async (file: string): Promise<string> => {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 18 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

process.on('message', (job: EncodeJob) => {
  encode(job).then(
    (files) => process.send?.({ files } satisfies EncodeAnswer),
    (error: Error) => process.send?.({ error: error.message } satisfies EncodeAnswer),
  )
})
// The parent's end is ours: nothing is left running.
process.on('disconnect', () => process.exit(0))
