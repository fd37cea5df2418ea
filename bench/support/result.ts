import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import path from 'node:path'

/** Leaves a benchmark's figures as JSON in `dist/bench/NAME.json`, with the machine that they are of. */
export const writeResult = (name: string, figures: Record<string, unknown>): void => {
  const folder = path.join(import.meta.dirname, '../../dist/bench')
  mkdirSync(folder, { recursive: true })
  const machine = {
    ...{ cpu: cpus()[0]?.model, cores: cpus().length, memoryGb: Math.round(totalmem() / 2 ** 30) },
    node: process.version,
  }
  writeFileSync(
    path.join(folder, `${name}.json`),
    `${JSON.stringify({ name, at: new Date().toISOString(), machine, ...figures }, null, 2)}\n`,
  )
}
