import { readFile, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { AppError } from '../../errors.ts'
import { cursorOf, next, paged, readCursor, readRoute } from '../read-route.ts'
import { describe, fileOf, listNotes, vaultOf } from '../vault-files.ts'

/** A note is read whole. */
const noteBytesMax = 2_000_000

const listed = z.object({ path: z.string(), bytes: z.number(), changed_at: z.string() })

export const notesRoute = readRoute({
  path: '/api/notes',
  summary: 'The notes of the vault, by folder and name.',
  query: z.strictObject({
    ...paged,
    folder: z.string().max(200).optional().describe('Only those below it; `.`: those in no folder.'),
    reverse: z.stringbool().default(false).describe('The last name first: of days, the newest.'),
  }),
  answer: z.object({
    folders: z.array(z.object({ folder: z.string(), notes: z.number() })),
    rows: z.array(listed),
    next,
  }),
  async read({ config }, { after, limit, folder, reverse }) {
    const [from] = readCursor(after, z.tuple([z.string()])) ?? [null]
    const root = vaultOf(config)
    const all = await listNotes(root)
    const comesAfter = (one: string): boolean => from === null || (reverse ? one < from : one > from)
    const wanted = (reverse ? all.toReversed() : all).filter(
      (one) => comesAfter(one) && (folder === undefined || isBelow(folder, one)),
    )
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

const isBelow = (folder: string, name: string): boolean =>
  folder === '.' ? !name.includes('/') : name.startsWith(`${folder}/`)

export const noteRoute = readRoute({
  path: '/api/notes/*',
  summary:
    'A note as it stands in the vault: Markdown with YAML on top. What visitors sent may be in it; show it as text.',
  query: z.strictObject({}),
  answer: listed.extend({ markdown: z.string() }),
  async read({ config }, _query, rest) {
    const root = vaultOf(config)
    const file = await fileOf(root, rest, '.md')
    if ((await stat(file)).size > noteBytesMax) throw new AppError('not_found', 'The note is too large to be shown.')
    const real = await realpath(root)
    const name = path.relative(real, file).split(path.sep).join('/')
    return { ...(await describe(real, name)), markdown: await readFile(file, 'utf8') }
  },
})
