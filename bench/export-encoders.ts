import { createReadStream, createWriteStream, statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { createGunzip, createGzip } from 'node:zlib'
import { stringify } from 'csv-stringify'
import parquet from 'parquetjs-lite'
import type { Db } from '../src/db.ts'
import { exportColumns } from '../src/types.ts'
import { createTestDatabase } from '../test/support/database.ts'
import { createTestExporter } from '../test/support/exporter.ts'
import { fillBuffer, unclaimAll } from './support/fill.ts'
import { medianOf } from './support/load.ts'
import { writeResult } from './support/result.ts'

/**
 * The export beside encoders that take a row at a time, as one would write them: rows read by a keyset query of 5,000, then
 * csv-stringify and zlib, JSON.stringify and zlib, or parquetjs-lite with gzip, to one file, with no ledger, no order, no
 * manifest and no second copy. Same rows, same machine, same run; the files' rows are counted afterwards.
 *
 *   npm run bench:encoders -- [--events 100000] [--rounds 3]
 */
const short = process.env.BENCH_SHORT === '1'
const { values } = parseArgs({
  options: {
    events: { type: 'string', default: short ? '20000' : '100000' },
    rounds: { type: 'string', default: short ? '1' : '3' },
  },
})
const [events, rounds] = [Number(values.events), Number(values.rounds)]
const pageRows = 5_000

type Row = Record<string, string | null>
const texts = new Set(['timestamp', 'created_at', 'raw_event_data'])
const columns = exportColumns.map((name) => (texts.has(name) ? `"${name}"::text as "${name}"` : `"${name}"`)).join(', ')

async function* readRows(db: Db): AsyncGenerator<Row> {
  let last = { batch_id: 0, n: -1 }
  for (;;) {
    const page = await db.query<Row & { batch_id: number; n: number }>(
      `select batch_id, n, ${columns} from events_log where (batch_id, n) > ($1::bigint, $2::int)
       order by batch_id, n limit ${pageRows}`,
      [last.batch_id, last.n],
    )
    const end = page.at(-1)
    if (!end) return
    last = { batch_id: end.batch_id, n: end.n }
    for (const { batch_id: _batch, n: _n, ...row } of page) yield row as Row
  }
}

async function* asLines(rows: AsyncIterable<Row>): AsyncGenerator<string> {
  for await (const row of rows)
    yield `${JSON.stringify({ ...row, raw_event_data: JSON.parse(row.raw_event_data ?? 'null') })}\n`
}

const encoders: Record<string, (db: Db, file: string) => Promise<void>> = {
  csv: (db, file) =>
    pipeline(
      readRows(db),
      stringify({ columns: [...exportColumns], quoted: true }),
      createGzip(),
      createWriteStream(file),
    ),
  json: (db, file) => pipeline(asLines(readRows(db)), createGzip(), createWriteStream(file)),
  async parquet(db, file) {
    const fields = exportColumns.map((name) => [name, { type: 'UTF8', optional: true, compression: 'GZIP' }] as const)
    const writer = await parquet.ParquetWriter.openFile(new parquet.ParquetSchema(Object.fromEntries(fields)), file)
    writer.setRowGroupSize(50_000)
    for await (const row of readRows(db))
      await writer.appendRow(Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)))
    await writer.close()
  },
}

const countRows = async (format: string, file: string): Promise<number> => {
  if (format === 'parquet') {
    const reader = await parquet.ParquetReader.openFile(file)
    const rows = Number(reader.getRowCount())
    await reader.close()
    return rows
  }
  let lines = 0
  for await (const _line of createInterface({ input: createReadStream(file).pipe(createGunzip()) })) lines++
  return lines
}

const secondsOf = async (work: () => Promise<unknown>): Promise<number> => {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1000
}

const { db, close } = await createTestDatabase()
const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-bench-'))
await fillBuffer(db, events)
const results: Record<string, { ours: number; theirs: number; times: number }> = {}
for (const [format, encode] of Object.entries(encoders)) {
  const file = path.join(folder, `rows.${format}`)
  const [ours, theirs]: [number[], number[]] = [[], []]
  for (let round = 0; round < rounds; round++) {
    theirs.push(await secondsOf(() => encode(db, file)))
    const rows = await countRows(format, file)
    if (rows !== events) throw new Error(`${format} holds ${rows} rows of ${events}`)
    await unclaimAll(db)
    const DATA_DIR = path.join(folder, `${format}-${round}`)
    const service = createTestExporter(db, { DATA_DIR, EXPORT_FORMAT: format })
    ours.push(
      await secondsOf(async () => {
        const report = await service.exporter.run()
        if (report.events !== events) throw new Error(`${report.events} events exported of ${events}`)
      }),
    )
    await service.close()
  }
  const times = medianOf(theirs) / medianOf(ours)
  results[format] = { ours: events / medianOf(ours), theirs: events / medianOf(theirs), times }
  process.stdout.write(
    `${format.padEnd(8)} ${(events / medianOf(ours) / 1000).toFixed(1).padStart(6)}k rows/s, delivered twice and verified; ` +
      `row by row ${(events / medianOf(theirs) / 1000).toFixed(1).padStart(6)}k, ${(statSync(file).size / 1e6).toFixed(1)} MB; ${times.toFixed(1)} x\n`,
  )
}
writeResult('export-encoders', { events, rounds, results })
await close()
await rm(folder, { recursive: true, force: true })
