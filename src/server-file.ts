import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import path from 'node:path'
import { AppError } from './errors.ts'

/** What a server does: take events in, or everything behind that. `evothesis start` does both. */
export const serverRoles = ['collect', 'worker'] as const
export type ServerRole = (typeof serverRoles)[number]

/**
 * `DATA_DIR/server.json` (the worker) and `DATA_DIR/collector.json`: which process serves this folder, and where. Commands
 * find the server by it, and a second server on the same folder is refused. A file whose process has ended is stale and
 * ignored; so is one of another host: containers that share a folder have pids, and `localhost`, of their own.
 */
export type RunningServer = { pid: number; address: string; host?: string }

const fileNames: Record<ServerRole, string> = { collect: 'collector.json', worker: 'server.json' }
const fileOf = (dataDir: string, role: ServerRole): string => path.join(path.resolve(dataDir), fileNames[role])

export const findServer = (dataDir: string, role: ServerRole = 'worker'): RunningServer | undefined => {
  try {
    const server = JSON.parse(readFileSync(fileOf(dataDir, role), 'utf8')) as RunningServer
    return (server.host ?? hostname()) === hostname() && isServer(server.pid) ? server : undefined
  } catch {
    return undefined
  }
}

/** Whether another process serves this folder, in any role. */
export const isServedByAnother = (dataDir: string): boolean =>
  serverRoles.some((role) => {
    const server = findServer(dataDir, role)
    return server !== undefined && server.pid !== process.pid
  })

/** Writes the files of the roles; `remove` takes them away. Throws `already_running`. */
export const claimServerFile = (
  dataDir: string,
  address: string,
  roles: readonly ServerRole[] = serverRoles,
): { remove(): void } => {
  refuseSecondServer(dataDir, roles)
  const server: RunningServer = { pid: process.pid, address, host: hostname() }
  for (const role of roles) writeFileSync(fileOf(dataDir, role), JSON.stringify(server), { mode: 0o600 })
  return {
    remove() {
      for (const role of roles) rmSync(fileOf(dataDir, role), { force: true })
    },
  }
}

export const refuseSecondServer = (dataDir: string, roles: readonly ServerRole[] = serverRoles): void => {
  for (const role of roles) {
    const other = findServer(dataDir, role)
    if (other && other.pid !== process.pid)
      throw new AppError(
        'already_running',
        `A server (process ${other.pid}, ${other.address}) already uses ${path.resolve(dataDir)}; stop it, or set another DATA_DIR.`,
      )
  }
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
