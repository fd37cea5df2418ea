import { readdir, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Config } from '../config.ts'
import { AppError } from '../errors.ts'

export const vaultOf = ({ VAULT_DIR, DATA_DIR }: Config): string =>
  path.resolve(VAULT_DIR ?? path.join(DATA_DIR, 'vault'))

/** Folders that begin with a dot are the editor's, not notes. */
export const listNotes = async (root: string): Promise<string[]> => {
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.md'))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    .filter((name) => !name.split('/').some((step) => step.startsWith('.')))
    .sort()
}

export const describe = async (root: string, name: string) => {
  const { size, mtime } = await stat(path.join(root, name))
  return { path: name, bytes: size, changed_at: mtime.toISOString() }
}

/** The file that an address names, if it is of this kind and in the vault, links followed. Throws `not_found`. */
export const fileOf = async (root: string, name: string, ending: '.md' | '.svg'): Promise<string> => {
  const real = await realpath(root).catch(() => undefined)
  const isNote = name.endsWith(ending) && !name.includes('\0') && !name.split('/').some((step) => step.startsWith('.'))
  const file = real && isNote ? await realpath(path.join(real, name)).catch(() => undefined) : undefined
  if (!real || !file?.startsWith(real + path.sep) || !file.endsWith(ending) || !(await stat(file)).isFile())
    throw new AppError('not_found', 'There is no such note.')
  return file
}
