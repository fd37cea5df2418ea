import { type FileHandle, mkdir, open, stat } from 'node:fs/promises'
import path from 'node:path'

/**
 * One append-only file of the spool. `append` resolves when the record is on the disk and the file is still where a reader
 * will look for it: another process that took this folder for an orphan may have moved it away, and then the record
 * would be acknowledged into nowhere. After any failure the segment takes nothing more.
 */
export type Segment = {
  file: string
  bytes(): number
  append(record: Buffer): Promise<void>
  close(): Promise<void>
}

export const createSegment = async (folder: string, name: string): Promise<Segment> => {
  const file = path.join(folder, name)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const handle = await open(file, 'ax', 0o600)
  const ino = await settle(handle, folder).catch(async (error: Error) => {
    await handle.close()
    throw error
  })
  let bytes = 0
  return {
    file,
    bytes: () => bytes,
    async append(record) {
      await writeAll(handle, record)
      await handle.datasync()
      if ((await stat(file)).ino !== ino) throw new Error('The segment was moved away.')
      bytes += record.length
    },
    close: () => handle.close(),
  }
}

/** Makes a new file survive a power cut; answers its inode. */
const settle = async (handle: FileHandle, folder: string): Promise<number> => {
  await syncFolder(folder)
  await syncFolder(path.dirname(folder))
  return (await handle.stat()).ino
}

const writeAll = async (handle: FileHandle, record: Buffer): Promise<void> => {
  for (let at = 0; at < record.length; ) at += (await handle.write(record, at)).bytesWritten
}

const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
