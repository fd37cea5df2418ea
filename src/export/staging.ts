import { createWriteStream } from 'node:fs'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { AppError, messageOf } from '../errors.ts'
import type { Destination } from '../storage/destination.ts'
import { digestOfFile } from '../storage/sha256.ts'
import type { PartObject } from './parts.ts'

/** The folder of a part's encoded files, below the staging folder. Staging is a cache: all of it can be made again. */
export const partFolder = (stagingFolder: string, partId: number): string => path.join(stagingFolder, `part-${partId}`)

/** The staged file of an object. */
export const stagedFile = (stagingFolder: string, partId: number, object: Pick<PartObject, 'key' | 'view'>): string =>
  path.join(partFolder(stagingFolder, partId), object.view, object.key.replaceAll('/', '_'))

/** True when the staged file has the object's bytes: a power cut may leave a file of the right size and other bytes. */
export const isStaged = async (
  stagingFolder: string,
  partId: number,
  object: Pick<PartObject, 'key' | 'view' | 'bytes' | 'sha256'>,
): Promise<boolean> => {
  const file = stagedFile(stagingFolder, partId, object)
  const found = await stat(file).catch(() => undefined)
  if (found?.size !== object.bytes) return false
  return (await digestOfFile(file)).sha256 === object.sha256
}

/** What the staged files take up, per part, in bytes. */
export const stagedParts = async (stagingFolder: string): Promise<Map<number, number>> => {
  const sizes = new Map<number, number>()
  for (const folder of await readdir(stagingFolder).catch(() => [])) {
    const partId = Number(/^part-(\d+)$/.exec(folder)?.[1])
    if (!Number.isInteger(partId)) continue
    let bytes = 0
    const files = await readdir(path.join(stagingFolder, folder), { recursive: true, withFileTypes: true }).catch(
      () => [],
    )
    for (const file of files.filter((one) => one.isFile()))
      bytes += (await stat(path.join(file.parentPath, file.name)).catch(() => undefined))?.size ?? 0
    sizes.set(partId, bytes)
  }
  return sizes
}

export const dropStaged = (stagingFolder: string, partId: number): Promise<void> =>
  rm(partFolder(stagingFolder, partId), { recursive: true, force: true })

/**
 * Brings an object's file back from a destination that has verified it, and checks its SHA-256. Throws
 * `export_encode_failed` when none of them holds the bytes that were delivered.
 */
export const fetchObject = async (
  sources: readonly Destination[],
  stagingFolder: string,
  partId: number,
  object: PartObject,
): Promise<void> => {
  const file = stagedFile(stagingFolder, partId, object)
  await mkdir(path.dirname(file), { recursive: true })
  const failures: string[] = []
  for (const source of sources) {
    try {
      const stream = await source.read(object.key)
      if (!stream) throw new AppError('destination_failed', `${source.identity} has it no more`)
      await pipeline(stream, createWriteStream(file))
      const { sha256 } = await digestOfFile(file)
      if (sha256 === object.sha256) return
      throw new AppError('destination_mismatch', `${source.identity} holds other bytes than were delivered`)
    } catch (error) {
      failures.push(messageOf(error))
      await rm(file, { force: true })
    }
  }
  throw new AppError(
    'export_encode_failed',
    `${object.key} is neither in the buffer nor in a destination: ${failures.join('; ') || 'none has verified it'}.`,
  )
}
