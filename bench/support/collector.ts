import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { build } from 'esbuild'
import { sampleMemory } from './memory.ts'

export type CollectorProcess = {
  port: number
  /** CPU seconds that it used so far, of user and system. */
  cpuSeconds(): number
  /** Resolves to its peak memory in MB. */
  stop(): Promise<number>
}

/**
 * A collector in a process of its own. Compiled as it is shipped: the loader of the tests wraps every function that it
 * compiles. COLLECT_PROFILE names a folder for CPU profiles.
 */
export const startCollector = async (env: Record<string, string>): Promise<CollectorProcess> => {
  const program = path.join(import.meta.dirname, '../../dist/bench/collector-process.js')
  await build({
    entryPoints: [path.join(import.meta.dirname, '../../test/collect/collector-process.ts')],
    ...{ outfile: program, bundle: true, packages: 'external', platform: 'node', format: 'esm', target: 'node20' },
  })
  const child = fork(program, {
    execArgv: process.env.COLLECT_PROFILE ? ['--cpu-prof', `--cpu-prof-dir=${process.env.COLLECT_PROFILE}`] : [],
    stdio: ['ignore', 'inherit', 'ignore', 'ipc'],
    env: { ...process.env, RATE_LIMIT_COLLECT: '0', ...env },
  })
  const [{ port }] = (await once(child, 'message')) as [{ port: number }]
  const memory = sampleMemory(child.pid ?? 0, 1000)
  return {
    port,
    cpuSeconds() {
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
      return (Number(fields[11]) + Number(fields[12])) / 100
    },
    async stop() {
      const { totalMb } = memory.stop()
      child.kill('SIGTERM')
      await once(child, 'exit')
      return totalMb
    },
  }
}
