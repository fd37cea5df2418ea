import { readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'

/** Longer than any backup, restore or drill takes. */
const leftMs = 24 * 3_600_000

/**
 * Removes what a backup, a restore or a drill left in the staging folder when it was killed: a dump each time, some of them in
 * the clear. Answers the names.
 */
export const removeLeftovers = async (staging: string, nowMs: number): Promise<string[]> => {
  const removed: string[] = []
  for (const name of await readdir(staging).catch(() => [])) {
    if (!/^(backup|restore|drill)-/.test(name)) continue
    const found = await stat(path.join(staging, name)).catch(() => undefined)
    if (!found || nowMs - found.mtimeMs < leftMs) continue
    await rm(path.join(staging, name), { recursive: true, force: true })
    removed.push(name)
  }
  return removed
}
