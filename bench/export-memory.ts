import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../src/clock.ts'
import { createDb } from '../src/db.ts'
import { findEmbeddedPostgres } from '../src/embedded-postgres.ts'
import { folderReader, readManifests } from '../test/support/delivered.ts'
import { startServer } from '../test/support/server.ts'
import { fillBuffer } from './support/fill.ts'
import { sampleProcesses } from './support/processes.ts'
import { writeResult } from './support/result.ts'

/**
 * Peak memory of an export, of all processes together except PostgreSQL, for several numbers of events: does it grow?
 *
 *   node --import=tsx bench/export-memory.ts [--events 100000,2000000] [--formats json,csv,parquet]
 *
 * Measures the built program (npm run build). Linux only. Needs about 3 GB of disk for 2 million events, and 27 GB for 20 million.
 */
const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '100000,2000000' },
    formats: { type: 'string', default: 'json,csv,parquet' },
  },
})

const runs: Record<string, unknown>[] = []
for (const events of values.events.split(',').map(Number)) {
  const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-bench-'))
  const server = await startServer(folder, { EXPORT_FORMAT: values.formats }, { built: true })
  const url = (await findEmbeddedPostgres(folder)) ?? ''
  const db = createDb({ url, applicationName: 'bench', connectionsMax: 2, clock: systemClock })
  await fillBuffer(db, events)
  const idle = sampleProcesses(server.process.pid ?? 0)
  const idleMb = idle.stop().totalMb
  const memory = sampleProcesses(server.process.pid ?? 0)
  const started = performance.now()
  await server.admin('POST', '/export/run?wait=true')
  const seconds = (performance.now() - started) / 1000
  const peak = memory.stop()

  const manifests = await readManifests(folderReader(path.join(folder, 'exports', 'client')))
  const delivered = manifests.reduce((sum, one) => sum + one.manifest.events, 0)
  const bytes = manifests.flatMap((one) => one.manifest.objects).reduce((sum, one) => sum + one.bytes, 0)
  process.stdout.write(
    `${events} events: ${manifests.length} parts, ${Math.round(bytes / 1e6)} MB, ${seconds.toFixed(1)} s, peak ${peak.totalMb} MB, ${peak.cpuSeconds.toFixed(1)} s of CPU ` +
      `(${Object.entries(peak.each)
        .map(([name, mb]) => `${name} ${mb}`)
        .join(', ')}; idle ${idleMb}); delivered ${delivered}${delivered === events ? '' : ' WRONG'}\n`,
  )
  runs.push({ events, parts: manifests.length, bytes, seconds, peak, idleMb, delivered })
  if (delivered !== events) process.exitCode = 1
  await db.close()
  server.process.kill('SIGTERM')
  await server.exited
  await rm(folder, { recursive: true, force: true })
}
writeResult('export-memory', { formats: values.formats, runs })
