import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rename, rm, rmdir, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import path from 'node:path'

/** A folder whose heartbeat is older than this belongs to nobody. */
const heartbeatMsMax = 20_000
const heartbeatFile = 'heartbeat'
const segmentName = /^(\d{15})-\d{6}-[\w.-]+\.spool$/

export type SpoolFile = { file: string; bytes: number; createdMs: number }

/** The name of a worker's own folder: host, process, and something random, because pids come back. */
export const ownFolderName = (): string => `${hostname()}.${process.pid}.${randomBytes(4).toString('hex')}`

/** Sorts by the arrival of its first record; `owner` keeps it apart from those of other workers when it is adopted. */
export const segmentFileName = (createdMs: number, sequence: number, owner: string): string =>
  `${String(Math.max(0, createdMs)).padStart(15, '0')}-${String(sequence).padStart(6, '0')}-${owner}.spool`

export const beat = async (folder: string, nowMs: number): Promise<void> => {
  const file = path.join(folder, heartbeatFile)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await writeFile(file, '', { flag: 'a', mode: 0o600 })
  await utimes(file, nowMs / 1000, nowMs / 1000)
}

/** The segments in a folder, oldest first. */
export const listSegments = async (folder: string): Promise<SpoolFile[]> => {
  const files: SpoolFile[] = []
  for (const name of await readdir(folder).catch(() => [])) {
    const createdMs = Number(segmentName.exec(name)?.[1] ?? Number.NaN)
    if (Number.isNaN(createdMs)) continue
    const file = path.join(folder, name)
    const found = await stat(file).catch(() => undefined)
    if (found) files.push({ file, bytes: found.size, createdMs })
  }
  return files.sort((a, b) => a.createdMs - b.createdMs || (a.file < b.file ? -1 : 1))
}

/** The folders of all workers. */
export const listFolders = async (root: string): Promise<string[]> => {
  const entries = await readdir(root, { withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
}

/**
 * Moves the segments of workers that are gone into our own folder, and answers how many. A worker is gone when its process
 * on this host is, or when its heartbeat stopped. Two that adopt at once cannot both win a rename; and a record that
 * is replayed twice is stored once.
 */
export const adoptOrphans = async (root: string, ownName: string, nowMs: number): Promise<number> => {
  let adopted = 0
  for (const name of await listFolders(root)) {
    const folder = path.join(root, name)
    if (name === ownName || !(await isOrphan(folder, name, nowMs))) continue
    for (const file of await readdir(folder).catch(() => [])) {
      if (file === heartbeatFile) continue
      const moved = rename(path.join(folder, file), path.join(root, ownName, file))
      adopted += await moved.then(
        () => 1,
        () => 0,
      )
    }
    await removeFolder(folder)
  }
  return adopted
}

/** Stays when there is a segment in it: its worker may be alive after all. */
export const removeFolder = async (folder: string): Promise<void> => {
  await rm(path.join(folder, heartbeatFile), { force: true })
  await rmdir(folder).catch(() => undefined)
}

const isOrphan = async (folder: string, name: string, nowMs: number): Promise<boolean> => {
  const match = /^(.+)\.(\d+)\.[0-9a-f]+$/.exec(name)
  if (match?.[1] === hostname() && !isAlive(Number(match[2]))) return true
  const beaten = await stat(path.join(folder, heartbeatFile)).catch(() => stat(folder).catch(() => undefined))
  return beaten !== undefined && nowMs - beaten.mtimeMs > heartbeatMsMax
}

/** A process with our own pid under another name is one of an earlier life: containers count from 1 again. */
const isAlive = (pid: number): boolean => {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
