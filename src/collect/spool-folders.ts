import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rename, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import path from 'node:path'

/** A folder whose heartbeat is older than this belongs to nobody. */
const heartbeatMsMax = 20_000
const heartbeatFile = 'heartbeat'
const segmentName = /^(\d{15})-\d{6}\.spool$/

export type SpoolFile = { file: string; bytes: number; createdMs: number }

/** The name of a worker's own folder: host, process, and something random, because pids come back. */
export const ownFolderName = (): string => `${hostname()}.${process.pid}.${randomBytes(4).toString('hex')}`

/** Sorts by the arrival of its first record. */
export const segmentFileName = (createdMs: number, sequence: number): string =>
  `${String(Math.max(0, createdMs)).padStart(15, '0')}-${String(sequence).padStart(6, '0')}.spool`

export const beat = async (folder: string, nowMs: number): Promise<void> => {
  const file = path.join(folder, heartbeatFile)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await writeFile(file, '', { flag: 'a', mode: 0o600 })
  await utimes(file, nowMs / 1000, nowMs / 1000)
}

/** The segments under a folder, oldest first, those of adopted folders included. */
export const listSegments = async (folder: string): Promise<SpoolFile[]> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  const files: SpoolFile[] = []
  for (const entry of entries) {
    const createdMs = Number(segmentName.exec(entry.name)?.[1] ?? Number.NaN)
    if (Number.isNaN(createdMs)) continue
    const file = path.join(entry.parentPath, entry.name)
    const found = await stat(file).catch(() => undefined)
    if (found) files.push({ file, bytes: found.size, createdMs })
  }
  return files.sort((a, b) => a.createdMs - b.createdMs || (a.file < b.file ? -1 : 1))
}

/**
 * Moves the folders of workers that are gone into our own, whole, and answers how many. A worker is gone when its process
 * on this host is, or when its heartbeat stopped. Two that adopt at once cannot both win a rename; and a record that
 * is replayed twice is stored once.
 */
export const adoptOrphans = async (root: string, ownName: string, nowMs: number): Promise<number> => {
  let adopted = 0
  for (const entry of await readdir(root, { withFileTypes: true }).catch(() => [])) {
    if (!entry.isDirectory() || entry.name === ownName) continue
    if (!(await isOrphan(path.join(root, entry.name), entry.name, nowMs))) continue
    await mkdir(path.join(root, ownName), { recursive: true, mode: 0o700 })
    const moved = rename(path.join(root, entry.name), path.join(root, ownName, `adopted-${entry.name}`))
    adopted += await moved.then(
      () => 1,
      () => 0,
    )
  }
  return adopted
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
