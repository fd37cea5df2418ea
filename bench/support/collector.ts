import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { freePort } from '../../test/support/free-port.ts'
import { cpuSecondsOf, familyOf, sampleProcesses } from './processes.ts'

export type CollectorProcess = {
  port: number
  pid: number
  /** CPU seconds that it and its workers used so far, of user and system. */
  cpuSeconds(): number
  /** Resolves to the peak memory of all of them, in MB. */
  stop(): Promise<number>
}

/**
 * `evothesis collect` of the build, in processes of its own, as on a client's machine. COLLECT_PROFILE names a folder for CPU
 * profiles.
 */
export const startCollector = async (env: Record<string, string>): Promise<CollectorProcess> => {
  const port = await freePort()
  const profile = process.env.COLLECT_PROFILE
  const child = spawn(
    process.execPath,
    [
      ...(profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : []),
      '--max-semi-space-size=64',
      path.join(import.meta.dirname, '../../dist/bin/evothesis.js'),
      'collect',
    ],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        ...process.env,
        ...{ HOST: '127.0.0.1', PORT: String(port), RATE_LIMIT_COLLECT: '0', LOG_LEVEL: 'warn', NODE_ID: 'n1' },
        ...env,
      },
    },
  )
  const pid = child.pid ?? 0
  for (let tries = 0; ; tries++) {
    const answer = await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined)
    if (answer?.ok) break
    if (tries > 300 || child.exitCode !== null) throw new Error('the collector did not start; npm run build first')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  const memory = sampleProcesses(pid, 1000)
  return {
    ...{ port, pid },
    cpuSeconds: () => familyOf(pid).reduce((sum, one) => sum + cpuSecondsOf(one.pid), 0),
    async stop() {
      const { totalMb } = memory.stop()
      child.kill('SIGTERM')
      await once(child, 'exit')
      return totalMb
    },
  }
}
