import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { exportColumns } from '../src/types.ts'
import { createTestDatabase } from '../test/support/database.ts'
import { folderReader, readManifests } from '../test/support/delivered.ts'
import { createTestExporter } from '../test/support/exporter.ts'
import { fillBuffer, unclaimAll } from './support/fill.ts'
import { medianOf } from './support/load.ts'
import { writeResult } from './support/result.ts'

/**
 * Rows per second from the buffer to files, one format at a time and all three at once, beside a bare COPY of the same rows
 * to nowhere, in the same run. Files count as made when the last part is encoded; delivery to two folders goes on beside.
 *
 *   npm run bench:export -- [--events 1000000] [--rounds 3] [--threads 1]
 *
 * Needs about 3 kB of disk for each event.
 */
const short = process.env.BENCH_SHORT === '1'
const { values } = parseArgs({
  options: {
    events: { type: 'string', default: short ? '200000' : '1000000' },
    rounds: { type: 'string', default: short ? '1' : '3' },
    threads: { type: 'string', default: '1' },
  },
})
const [events, rounds] = [Number(values.events), Number(values.rounds)]

const secondsOf = async (work: () => Promise<unknown>): Promise<number> => {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1000
}

const { db, close } = await createTestDatabase()
await fillBuffer(db, events)

/** The rows that files hold, in the same text, to nowhere. */
const bareCopy = async (): Promise<void> => {
  const session = await db.session()
  const columns = exportColumns.map((column) => `"${column}"`).join(', ')
  const { stream, rows } = session.copyTo(
    `copy (select ${columns} from events_log order by batch_id, n) to stdout (format csv, force_quote *, null '')`,
  )
  await pipeline(stream, new Writable({ write: (_chunk, _encoding, done) => done() }))
  session.release()
  if (rows() !== events) throw new Error(`COPY gave ${rows()} rows of ${events}`)
}

/** Seconds until all parts are encoded, and until they are delivered. */
const exportAs = async (formats: string): Promise<{ encoded: number; delivered: number }> => {
  await unclaimAll(db)
  const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-bench-'))
  const service = createTestExporter(db, {
    ...{ DATA_DIR: folder, EXPORT_FORMAT: formats, ENCODE_THREADS: values.threads },
  })
  let encoded = 0
  const started = performance.now()
  await service.exporter.run({
    onProgress({ rows }) {
      if (rows === events && encoded === 0) encoded = (performance.now() - started) / 1000
    },
  })
  const delivered = (performance.now() - started) / 1000
  await service.close()
  for (const name of ['client', 'backup']) {
    const manifests = await readManifests(folderReader(path.join(folder, 'exports', name)))
    const rows = manifests.flatMap(({ manifest }) => manifest.objects).reduce((sum, one) => sum + one.rows, 0)
    const expected = events * formats.split(',').length
    if (rows !== expected) throw new Error(`${name} holds ${rows} rows of ${expected}`)
  }
  await rm(folder, { recursive: true, force: true })
  return { encoded, delivered }
}

const rate = (seconds: number): string => `${Math.round(events / seconds / 1000)}k rows/s`.padStart(12)
const bare: number[] = []
const runs = new Map<string, { encoded: number[]; delivered: number[] }>()
for (let round = 0; round < rounds; round++) {
  bare.push(await secondsOf(bareCopy))
  for (const formats of ['parquet', 'json', 'csv', 'json,csv,parquet']) {
    const { encoded, delivered } = await exportAs(formats)
    const run = runs.get(formats) ?? { encoded: [], delivered: [] }
    run.encoded.push(encoded)
    run.delivered.push(delivered)
    runs.set(formats, run)
  }
}
const reference = medianOf(bare)
process.stdout.write(`${events} events, median of ${rounds}\nbare COPY         ${rate(reference)}\n`)
const ratios: Record<string, number> = {}
for (const [formats, { encoded, delivered }] of runs) {
  ratios[formats] = reference / medianOf(encoded)
  process.stdout.write(
    `${formats.padEnd(18)}${rate(medianOf(encoded))}  ${(ratios[formats] ?? 0).toFixed(2)} x of COPY; delivered ${rate(medianOf(delivered))}\n`,
  )
}
writeResult('export-speed', { events, rounds, copyRowsPerSecond: events / reference, ratios })
await close()
