import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'

/**
 * Short runs of the benchmarks, whose ratios (never their times) are held against those of the tree, with much room: it finds
 * what became several times slower. The references run beside them, on the same machine, in the same minute.
 *
 *   npm run bench:gate
 */
const here = import.meta.dirname
const known = JSON.parse(readFileSync(path.join(here, 'ratios.json'), 'utf8')) as Record<string, number>
/** A machine that is busy with other work treats the two sides differently. */
const shareMin = 0.4

const run = (name: string): Record<string, never> => {
  execFileSync(process.execPath, ['--import=tsx', path.join(here, `${name}.ts`)], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, BENCH_SHORT: '1' },
  })
  return JSON.parse(readFileSync(path.join(here, `../dist/bench/${name}.json`), 'utf8'))
}

const throughput = run('collect-throughput') as unknown as { rows: { each: number; ofCopy: number }[] }
const speed = run('export-speed') as unknown as { ratios: Record<string, number> }
const measured: Record<string, number | undefined> = {
  ...Object.fromEntries(throughput.rows.map(({ each, ofCopy }) => [`collect, ${each} a request, of one COPY`, ofCopy])),
  ...Object.fromEntries(
    ['parquet', 'json', 'csv'].map((format) => [`export as ${format}, of a bare COPY`, speed.ratios[format]]),
  ),
}
let failed = 0
for (const [name, ratio] of Object.entries(known)) {
  const now = measured[name] ?? 0
  const isWell = now >= shareMin * ratio
  if (!isWell) failed++
  process.stdout.write(
    `${isWell ? 'ok    ' : 'not ok'} ${name.padEnd(40)} ${now.toFixed(3)}; the tree says ${ratio.toFixed(3)}, at least ${(shareMin * ratio).toFixed(3)}\n`,
  )
}
process.stdout.write(`${Object.keys(known).length - failed} passed, ${failed} failed\n`)
process.exit(failed === 0 ? 0 : 1)
