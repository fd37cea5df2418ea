import { isUtf8 } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import { lstat, mkdir, open, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises'
import path from 'node:path'
import { sha256OfText } from '../../storage/sha256.ts'
import { noteIdOf } from './merge-note.ts'

/** Larger files are no notes of ours, and are not read. */
const noteBytesMax = 8 * 1024 * 1024
/** Hidden from Obsidian, on the same disk: files stand here until they are whole. */
const incomingFolder = '.evothesis'
const triesMax = 3
/** Notes, pictures and dashboards; whatever else lies in the vault is a person's. */
const kinds = /\.(md|svg|base)$/
const readAtOnce = 16

/** A file that is left as it is; the others are none the worse. */
export class VaultFileError extends Error {}

export type VaultFolder = {
  root: string
  /** Text of a file; null when there is none. Throws for a file that is too large or no file. */
  read(at: string): Promise<string | null>
  /**
   * Replaces a file by what `change` makes of it, whole or not at all; `change` is asked again when a person saved the
   * file meanwhile. Writes nothing when nothing changes. Resolves to the text, and whether it was written.
   */
  update(at: string, change: (found: string | null) => string): Promise<{ text: string; isWritten: boolean }>
  remove(at: string): Promise<void>
  move(from: string, to: string): Promise<void>
  /** Paths of all files that Obsidian shows. */
  list(): Promise<string[]>
  /** Every file that can be of the vault: its hash, and whose note it is. Null: it cannot be read. */
  scan(): Promise<Map<string, { sha256: string; noteId: string | undefined } | null>>
  /** Removes what an interrupted run left behind. */
  tidy(): Promise<void>
}

const pathCharsMax = 400
/** Keys at the destination are other people's: none of them leads out of the vault, or into a hidden folder. */
export const isInside = (at: string): boolean =>
  at.length <= pathCharsMax &&
  !/[\\\p{Cc}]/u.test(at) &&
  at.split('/').every((step) => step !== '' && !step.startsWith('.'))

/** The vault on this machine's disk. */
export const openVaultFolder = (folder: string): VaultFolder => {
  const root = path.resolve(folder)
  const placeOf = (at: string): string => {
    if (!isInside(at)) throw new VaultFileError(`${JSON.stringify(at)} is no place in the vault`)
    return path.join(root, ...at.split('/'))
  }

  const stamp = async (at: string): Promise<string | null> => {
    const found = await lstat(placeOf(at)).catch(orMissing)
    return found ? `${found.mtimeMs} ${found.size} ${found.ino}` : null
  }

  const read: VaultFolder['read'] = async (at) => {
    const found = await lstat(placeOf(at)).catch(orMissing)
    if (!found) return null
    // A link could lead out of the vault.
    if (!found.isFile()) throw new VaultFileError(`${placeOf(at)} is no file; move it away`)
    if (found.size > noteBytesMax)
      throw new VaultFileError(`${placeOf(at)} is larger than ${noteBytesMax} bytes; move it away`)
    const bytes = await readFile(placeOf(at)).catch(orMissing)
    if (!bytes) return null
    if (!isUtf8(bytes)) throw new VaultFileError(`${placeOf(at)} is not UTF-8; it is left as it is`)
    return bytes.toString('utf8')
  }

  const write = async (at: string, text: string, expected: string | null): Promise<boolean> => {
    const incoming = path.join(root, incomingFolder)
    const aside = path.join(incoming, randomUUID())
    try {
      await mkdir(incoming, { recursive: true })
      await mkdir(path.dirname(placeOf(at)), { recursive: true })
      const handle = await open(aside, 'wx')
      try {
        await handle.writeFile(text)
        await handle.sync()
      } finally {
        await handle.close()
      }
      if ((await stamp(at)) !== expected) return false
      await rename(aside, placeOf(at))
      return true
    } catch (error) {
      throw asFileError(error as NodeJS.ErrnoException)
    } finally {
      await rm(aside, { force: true })
    }
  }

  const list = async (): Promise<string[]> => {
    const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(orMissing)
    return (entries ?? [])
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
      .filter((at) => !at.split('/').some((step) => step.startsWith('.')))
      .sort()
  }

  return {
    root,
    read,
    async update(at, change) {
      for (let tries = 1; ; tries++) {
        const before = await stamp(at)
        const found = await read(at)
        const text = change(found)
        if (text === found) return { text, isWritten: false }
        if (await write(at, text, before)) return { text, isWritten: true }
        if (tries === triesMax)
          throw new VaultFileError(`${placeOf(at)} changes all the time; the next run tries again`)
      }
    },
    async remove(at) {
      await rm(placeOf(at), { force: true })
      await rmdir(path.dirname(placeOf(at))).catch(() => undefined)
    },
    async move(from, to) {
      await mkdir(path.dirname(placeOf(to)), { recursive: true })
      await rename(placeOf(from), placeOf(to))
    },
    list,
    async scan() {
      const paths = (await list()).filter((at) => kinds.test(at))
      const found: [string, { sha256: string; noteId: string | undefined } | null][] = []
      for (let start = 0; start < paths.length; start += readAtOnce)
        found.push(
          ...(await Promise.all(
            paths.slice(start, start + readAtOnce).map(async (at): Promise<(typeof found)[number]> => {
              const text = await read(at).catch(() => null)
              if (text === null) return [at, null]
              return [at, { sha256: sha256OfText(text), noteId: at.endsWith('.md') ? noteIdOf(text) : undefined }]
            }),
          )),
        )
      return new Map(found)
    },
    async tidy() {
      await rm(path.join(root, incomingFolder), { recursive: true, force: true })
    },
  }
}

const orMissing = (error: NodeJS.ErrnoException): undefined => {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
  throw asFileError(error)
}

/** With these no other file can be written either. */
const diskFaults = ['ENOSPC', 'EROFS', 'EDQUOT', 'EIO', 'EMFILE']

const asFileError = (error: NodeJS.ErrnoException): Error =>
  error instanceof VaultFileError || diskFaults.includes(error.code ?? '')
    ? error
    : new VaultFileError(error.message, { cause: error })
