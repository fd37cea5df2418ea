import { fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'

export type ExporterProcess = {
  pid: number
  /** Exports all that waits; resolves to the number of events. */
  run(): Promise<number>
  stop(): Promise<void>
}

/** An exporter that is up already, as a worker is on a client's machine: its start is not what is measured. */
export const startExporter = async (env: Record<string, string>): Promise<ExporterProcess> => {
  const child = fork(path.join(import.meta.dirname, 'exporter-process.ts'), {
    execArgv: ['--import=tsx'],
    env: { ...process.env, ...env },
  })
  const answer = async (): Promise<unknown> => {
    const ended = new AbortController()
    const end = once(child, 'exit', { signal: ended.signal }).then(
      () => Promise.reject(new Error('the exporter ended')),
      () => undefined,
    )
    try {
      return await Promise.race([once(child, 'message').then(([message]) => message as unknown), end])
    } finally {
      ended.abort()
    }
  }
  await answer()
  return {
    pid: child.pid ?? 0,
    async run() {
      child.send('run')
      return (await answer()) as number
    },
    async stop() {
      child.disconnect()
      await once(child, 'exit')
    },
  }
}
