import { createReadStream } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Db } from '../db.ts'
import { AppError } from '../errors.ts'
import { type App, requireAdmin } from '../http.ts'
import type { Secret } from '../secret.ts'

export type DemoDeps = { db: Db; adminToken: Secret; dataDir: string; vaultDir: string | undefined }

/** Events of one answer, and files of one list, the newest first. */
const storedMax = 60
/** Events that are looked through for them, the newest: there is no index by visitor, and anybody may ask. */
const searchedMax = 20_000
const filesMax = 50

/**
 * What the demo shop's panel asks: what is stored of this browser, and, for who has the admin token, the exported files and the
 * notes. Events are answered only to who knows the visitor's random id; the demo is off where a real database is set.
 */
export const demoRoutes =
  ({ db, adminToken, dataDir, vaultDir }: DemoDeps) =>
  (app: App): void => {
    const onRequest = requireAdmin(adminToken.reveal())
    const folders: Record<string, string> = {
      exports: path.join(dataDir, 'exports', 'client'),
      vault: vaultDir ?? path.join(dataDir, 'vault'),
    }
    app.get<{ Querystring: { visitor?: string } }>('/demo/stored', async (request, reply) => {
      const { visitor = '' } = request.query
      if (!/^v[0-9a-f]{32}$/.test(visitor)) throw new AppError('request_invalid', 'visitor must be a visitor id.')
      const events = await selectVisitorEvents(db, visitor)
      return reply.header('cache-control', 'no-store').send({ events: events.map(withRawObject) })
    })
    app.get('/demo/files', { onRequest }, async () => {
      const lists = await Promise.all(Object.entries(folders).map(([name, folder]) => newestFiles(name, folder)))
      return { files: lists.flat().slice(0, filesMax) }
    })
    app.get<{ Params: { '*': string } }>('/demo/files/*', { onRequest }, async (request, reply) => {
      const file = await fileOf(folders, request.params['*'])
      return reply.type('application/octet-stream').send(createReadStream(file))
    })
  }

type VisitorEvent = { created_at: Date; raw_event_data: string } & Record<string, unknown>

const selectVisitorEvents = (db: Db, visitor: string): Promise<VisitorEvent[]> =>
  db.query<VisitorEvent>(
    `select event_id, event_type, created_at, "timestamp", site_id, session_id, visitor_id, user_id, url, path, ip_address,
            raw_event_data
     from (select * from events_log order by batch_id desc limit $3::int) newest
     where visitor_id = $1::text
     order by created_at desc, batch_id desc, n desc limit $2::int`,
    [visitor, storedMax, searchedMax],
  )

const withRawObject = ({ raw_event_data: raw, ...columns }: VisitorEvent) => ({
  ...columns,
  raw_event_data: JSON.parse(raw) as unknown,
})

const newestFiles = async (name: string, folder: string): Promise<{ path: string; bytes: number }[]> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  const files = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async (entry) => {
        const file = path.join(entry.parentPath, entry.name)
        const { size, mtimeMs } = await stat(file)
        return { path: `${name}/${path.relative(folder, file).split(path.sep).join('/')}`, bytes: size, mtimeMs }
      }),
  )
  return files
    .sort((a, b) => b.mtimeMs - a.mtimeMs)
    .slice(0, filesMax)
    .map(({ path: file, bytes }) => ({ path: file, bytes }))
}

/** The file that an address names, if it lies in one of the folders, links followed. */
const fileOf = async (folders: Record<string, string>, address: string): Promise<string> => {
  const [name = '', ...steps] = address.split('/')
  const folder = Object.hasOwn(folders, name) ? folders[name] : undefined
  const root = folder && (await realpath(folder).catch(() => undefined))
  const file = root && (await realpath(path.join(root, ...steps)).catch(() => undefined))
  if (!root || !file?.startsWith(root + path.sep) || !(await stat(file)).isFile())
    throw new AppError('not_found', 'There is no such file.')
  return file
}
