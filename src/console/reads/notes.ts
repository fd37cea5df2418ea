import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import type { Config } from '../../config.ts'
import { AppError } from '../../errors.ts'
import { cursorOf, next, paged, readCursor, readRoute } from '../read-route.ts'

/** A note is read whole. */
const noteBytesMax = 2_000_000

const listed = z.object({ path: z.string(), bytes: z.number(), changed_at: z.string() })

export const notesRoute = readRoute({
  path: '/api/notes',
  summary: 'The notes of the vault, by folder and name.',
  query: z.strictObject({ ...paged, folder: z.string().max(200).optional().describe('Only those below it.') }),
  answer: z.object({
    folders: z.array(z.object({ folder: z.string(), notes: z.number() })),
    rows: z.array(listed),
    next,
  }),
  async read({ config }, { after, limit, folder }) {
    const [from] = readCursor(after, z.tuple([z.string()])) ?? ['']
    const root = vaultOf(config)
    const all = await listNotes(root)
    const wanted = all.filter((one) => one > from && (folder === undefined || one.startsWith(`${folder}/`)))
    const rows = await Promise.all(wanted.slice(0, limit).map((one) => describe(root, one)))
    const counts = new Map<string, number>()
    for (const one of all) counts.set(path.posix.dirname(one), (counts.get(path.posix.dirname(one)) ?? 0) + 1)
    const last = rows.at(-1)
    return {
      folders: [...counts].map(([name, notes]) => ({ folder: name, notes })),
      rows,
      next: last && wanted.length > limit ? cursorOf([last.path]) : null,
    }
  },
})

export const noteRoute = readRoute({
  path: '/api/notes/*',
  summary:
    'A note as it stands in the vault: Markdown with YAML on top. What visitors sent may be in it; show it as text.',
  query: z.strictObject({}),
  answer: listed.extend({ markdown: z.string() }),
  async read({ config }, _query, rest) {
    const root = vaultOf(config)
    const file = await fileOf(root, rest)
    if ((await stat(file)).size > noteBytesMax) throw new AppError('not_found', 'The note is too large to be shown.')
    const real = await realpath(root)
    const name = path.relative(real, file).split(path.sep).join('/')
    return { ...(await describe(real, name)), markdown: await readFile(file, 'utf8') }
  },
})

const vaultOf = ({ VAULT_DIR, DATA_DIR }: Config): string => path.resolve(VAULT_DIR ?? path.join(DATA_DIR, 'vault'))

/** Folders that begin with a dot are the editor's, not notes. */
const listNotes = async (root: string): Promise<string[]> => {
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.md'))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    .filter((name) => !name.split('/').some((step) => step.startsWith('.')))
    .sort()
}

const describe = async (root: string, name: string) => {
  const { size, mtime } = await stat(path.join(root, name))
  return { path: name, bytes: size, changed_at: mtime.toISOString() }
}

/** The file that an address names, if it is a note in the vault, links followed. Throws `not_found`. */
const fileOf = async (root: string, name: string): Promise<string> => {
  const real = await realpath(root).catch(() => undefined)
  const isNote = name.endsWith('.md') && !name.includes('\0') && !name.split('/').some((step) => step.startsWith('.'))
  const file = real && isNote ? await realpath(path.join(real, name)).catch(() => undefined) : undefined
  if (!real || !file?.startsWith(real + path.sep) || !file.endsWith('.md') || !(await stat(file)).isFile())
    throw new AppError('not_found', 'There is no such note.')
  return file
}
