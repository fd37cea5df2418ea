import { randomUUID } from 'node:crypto'
import { createReadStream, type Stats } from 'node:fs'
import { copyFile, link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../errors.ts'
import type { DestinationName } from '../types.ts'
import type { Destination, Evidence, LocalFile } from './destination.ts'
import { digestOf, digestOfFile } from './sha256.ts'

const readBytes = 1 << 18
/** Where files stand until they are whole; not below `events/` or `manifests/`. */
const incomingFolder = '.incoming'

/**
 * A folder as a destination. A file appears under its key whole or not at all: it is copied aside, synced, and linked
 * into place; `link` refuses to replace what is there.
 */
export const createFolderDestination = (name: DestinationName, folder: string): Destination => {
  const root = path.resolve(folder)
  const incoming = path.join(root, incomingFolder)
  const placeOf = (key: string): string => path.join(root, ...key.split('/'))

  const evidence = async (key: string): Promise<Evidence> => ({
    method: 'read-back',
    ...(await digestOf(createReadStream(placeOf(key), { highWaterMark: readBytes }))),
  })

  const deliver = async (key: string, file: LocalFile, overwrite: boolean): Promise<Evidence> => {
    try {
      await put(file, incoming, placeOf(key), overwrite)
      const found = await evidence(key)
      if (found.sha256 === file.sha256) return found
      throw new AppError('destination_mismatch', `${placeOf(key)} holds other bytes than were delivered; move it away.`)
    } catch (error) {
      throw asDestinationError(error, root)
    }
  }

  return {
    name,
    identity: `folder:${root}`,
    describe: () => ({ kind: 'folder', folder: root }),
    create: (key, file) => deliver(key, file, false),
    replace: (key, file) => deliver(key, file, true),
    async remove(key) {
      await rm(placeOf(key), { force: true }).catch((error: unknown) => {
        throw asDestinationError(error, root)
      })
    },
    async stat(key) {
      const found = await stat(placeOf(key)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined
        throw asDestinationError(error, root)
      })
      return found && { bytes: found.size, sha256: undefined, tag: tagOf(found) }
    },
    async read(key) {
      try {
        await stat(placeOf(key))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw asDestinationError(error, root)
      }
      return createReadStream(placeOf(key), { highWaterMark: readBytes })
    },
    async *list(prefix, startAfter = '') {
      for (const key of await keysBelow(root, prefix)) {
        if (key <= startAfter) continue
        const found = await stat(placeOf(key))
        yield { key, bytes: found.size, tag: tagOf(found) }
      }
    },
    async sweep() {
      const left = await readdir(incoming).catch(() => [])
      for (const name of left) await rm(path.join(incoming, name), { force: true })
      return left.length
    },
    close() {},
  }
}

const tagOf = ({ mtimeMs, size, ino }: Stats): string => `${mtimeMs}-${size}-${ino}`

const put = async (file: LocalFile, incoming: string, place: string, overwrite: boolean): Promise<void> => {
  await mkdir(incoming, { recursive: true })
  await mkdir(path.dirname(place), { recursive: true })
  const aside = path.join(incoming, randomUUID())
  try {
    await copyFile(file.path, aside)
    await sync(aside)
    const { sha256 } = await digestOfFile(aside)
    if (sha256 !== file.sha256)
      throw new AppError('export_encode_failed', `${file.path} has other bytes than it was made with.`)
    if (overwrite) await rename(aside, place)
    else
      await link(aside, place).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error
      })
    await sync(path.dirname(place))
  } finally {
    await rm(aside, { force: true })
  }
}

const sync = async (place: string): Promise<void> => {
  const handle = await open(place, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const keysBelow = async (root: string, prefix: string): Promise<string[]> => {
  const folder = path.join(root, ...prefix.split('/'))
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return []
      throw asDestinationError(error, root)
    },
  )
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    .sort()
}

const asDestinationError = (error: unknown, root: string): AppError => {
  if (error instanceof AppError) return error
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return new AppError('destination_refused', `${root} may not be written (${code}); mend its permissions.`, {
      cause: error,
    })
  return new AppError('destination_failed', `${root} failed (${code ?? 'unknown'}).`, { cause: error })
}
