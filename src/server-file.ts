import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { AppError } from './errors.ts'

/**
 * `DATA_DIR/server.json`: which process serves this folder, and where. Commands find the server by it, and a second
 * server on the same folder is refused. A file whose process has ended is stale and ignored.
 */
export type RunningServer = { pid: number; address: string }

const fileOf = (dataDir: string): string => path.join(path.resolve(dataDir), 'server.json')

export const findServer = (dataDir: string): RunningServer | undefined => {
  try {
    const server = JSON.parse(readFileSync(fileOf(dataDir), 'utf8')) as RunningServer
    return isServer(server.pid) ? server : undefined
  } catch {
    return undefined
  }
}

/** Writes the file; `remove` takes it away. Throws `already_running`. */
export const claimServerFile = (dataDir: string, address: string): { remove(): void } => {
  refuseSecondServer(dataDir)
  const file = fileOf(dataDir)
  writeFileSync(file, JSON.stringify({ pid: process.pid, address } satisfies RunningServer), { mode: 0o600 })
  return { remove: () => rmSync(file, { force: true }) }
}

export const refuseSecondServer = (dataDir: string): void => {
  const other = findServer(dataDir)
  if (other && other.pid !== process.pid)
    throw new AppError(
      'already_running',
      `A server (process ${other.pid}, ${other.address}) already uses ${path.resolve(dataDir)}; stop it, or set another DATA_DIR.`,
    )
}

/** A pid is reused after a crash or a restart of the machine, so the name is asked, too, where the system tells it. */
const isServer = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('evothesis')
  } catch {
    return true
  }
}
