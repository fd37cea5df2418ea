import { statfs } from 'node:fs/promises'

/** Free space of the file system that holds `folder`. */
export const diskOf = async (folder: string): Promise<{ freeBytes: number; freePercent: number }> => {
  const { bavail, blocks, bsize } = await statfs(folder)
  return { freeBytes: bavail * bsize, freePercent: blocks === 0 ? 0 : (bavail / blocks) * 100 }
}
