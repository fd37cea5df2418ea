import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { createTestDatabase } from '../test/support/database.ts'
import { folderReader, readManifests } from '../test/support/delivered.ts'
import { createTestExporter } from '../test/support/exporter.ts'
import { bareCopy } from './support/bare-copy.ts'
import { fillBuffer, unclaimAll } from './support/fill.ts'
import { medianOf } from './support/load.ts'
import { sampleProcesses, type Used } from './support/processes.ts'
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

const { db, close } = await createTestDatabase()
await fillBuffer(db, events)

/** Seconds until all parts are encoded, and until they are delivered; bytes of the files, once. */
type Run = { encoded: number; delivered: number; bytes: number; used: Used }

const exportAs = async (formats: string): Promise<Run> => {
  await unclaimAll(db)
  const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-bench-'))
  const service = createTestExporter(db, {
    ...{ DATA_DIR: folder, EXPORT_FORMAT: formats, ENCODE_THREADS: values.threads },
  })
  let encoded = 0
  let bytes = 0
  const processes = sampleProcesses(process.pid, 1000)
  const started = performance.now()
  await service.exporter.run({
    onProgress({ rows }) {
      if (rows === events && encoded === 0) encoded = (performance.now() - started) / 1000
    },
  })
  const delivered = (performance.now() - started) / 1000
  const used = processes.stop()
  await service.close()
  for (const name of ['client', 'backup']) {
    const manifests = await readManifests(folderReader(path.join(folder, 'exports', name)))
    const objects = manifests.flatMap(({ manifest }) => manifest.objects)
    const rows = objects.reduce((sum, one) => sum + one.rows, 0)
    bytes = objects.reduce((sum, one) => sum + one.bytes, 0)
    const expected = events * formats.split(',').length
    if (rows !== expected) throw new Error(`${name} holds ${rows} rows of ${expected}`)
  }
  await rm(folder, { recursive: true, force: true })
  return { encoded, delivered, bytes, used }
}

/** Medians of each kind of process; `server` is this one, which exports and measures. PostgreSQL is left out. */
const kindsOf = (made: readonly Run[], of: (used: Used) => Record<string, number>, unit: string): string =>
  [...new Set(made.flatMap(({ used }) => Object.keys(of(used))))]
    .map(
      (kind) =>
        `${kind} ${medianOf(made.map(({ used }) => of(used)[kind] ?? 0)).toFixed(unit === 's' ? 1 : 0)} ${unit}`,
    )
    .join(', ')
const rate = (seconds: number): string => `${Math.round(events / seconds / 1000)}k rows/s`.padStart(12)
const bare: number[] = []
const runs = new Map<string, Run[]>()
for (let round = 0; round < rounds; round++) {
  bare.push(await bareCopy(db, events))
  for (const formats of ['parquet', 'json', 'csv', 'json,csv,parquet']) {
    runs.set(formats, [...(runs.get(formats) ?? []), await exportAs(formats)])
  }
}
const reference = medianOf(bare)
process.stdout.write(`${events} events, median of ${rounds}\nbare COPY         ${rate(reference)}\n`)
const ratios: Record<string, number> = {}
for (const [formats, made] of runs) {
  const median = (of: (run: Run) => number): number => medianOf(made.map(of))
  ratios[formats] = reference / median(({ encoded }) => encoded)
  process.stdout.write(
    `${formats.padEnd(18)}${rate(median(({ encoded }) => encoded))}  ${(ratios[formats] ?? 0).toFixed(2)} x of COPY; ` +
      `delivered ${rate(median(({ delivered }) => delivered))}; ${Math.round(median(({ bytes }) => bytes) / 1e6)} MB; CPU ` +
      `${kindsOf(made, (used) => used.cpuEach, 's')}; at most ${kindsOf(made, (used) => used.each, 'MB')}\n`,
  )
}
writeResult('export-speed', {
  ...{ events, rounds, copyRowsPerSecond: events / reference, ratios },
  runs: Object.fromEntries(runs),
})
await close()
