import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Db } from '../db.ts'
import { AppError } from '../errors.ts'
import { type App, requireAdmin } from '../http.ts'
import type { Role } from '../roles.ts'
import type { Described } from './describe.ts'

export type ReadDeps = { db: Db; clock: Clock; config: Config }

/** A route of the read API: described and answered in one place. */
export type ReadRoute = Described & {
  role: Role
  read(deps: ReadDeps, query: unknown, rest: string): Promise<unknown>
}

/** Makes a route: the handler gets what the query's schema made of it; a path that ends in `*` hands on the rest. */
export const readRoute = <Q extends z.ZodObject, A extends z.ZodType>(route: {
  path: string
  summary: string
  role?: Role
  query: Q
  answer: A
  read(deps: ReadDeps, query: z.output<Q>, rest: string): Promise<z.input<A>>
}): ReadRoute => ({
  ...{ method: 'GET' as const, role: route.role ?? 'viewer', path: route.path, summary: route.summary },
  ...{ query: route.query, answer: route.answer },
  read: async (deps, sent, rest) => {
    const parsed = route.query.safeParse(sent)
    if (!parsed.success) throw new AppError('request_invalid', z.prettifyError(parsed.error))
    return route.read(deps, parsed.data, rest)
  },
})

/** Registers them. Answers are of this moment, and nobody keeps them on the way. */
export const registerReads = (
  app: App,
  deps: ReadDeps & { adminToken: string },
  routes: readonly ReadRoute[],
): void => {
  const onRequest = requireAdmin(deps.adminToken)
  for (const route of routes)
    app.get(route.path, { onRequest, config: { role: route.role } }, async (request, reply) => {
      void reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff')
      return sendJson(request, reply, await route.read(deps, request.query, restOf(request)))
    })
}

const compress = promisify(gzip)
/** Shorter ones travel as they are. */
const compressedBytesMin = 2_000

/** Compressed where it is worth it, beside the event loop. There are no secrets in what is read here. */
const sendJson = async (request: FastifyRequest, reply: FastifyReply, answer: unknown): Promise<FastifyReply> => {
  const text = JSON.stringify(answer)
  void reply.type('application/json; charset=utf-8').header('vary', 'Accept-Encoding')
  const takesGzip = /\bgzip\b(?!;q=0(?![.]\d*[1-9]))/.test(`${request.headers['accept-encoding'] ?? ''}`)
  if (!takesGzip || text.length < compressedBytesMin) return reply.send(text)
  return reply.header('content-encoding', 'gzip').send(await compress(text))
}

const restOf = ({ params }: FastifyRequest): string => (params as { '*'?: string })['*'] ?? ''

/** What a list that grows is asked for: `after` is the `next` of the page before. */
export const paged = {
  after: z.string().max(1000).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
}
export const next = z.string().nullable().describe('Send it as `after` for the next page; null at the end.')

/** Where a page begins: the values by which its rows are sorted, in a text that programs hand back as it is. */
export const cursorOf = (values: readonly (string | number)[]): string =>
  Buffer.from(JSON.stringify(values)).toString('base64url')

/** Throws `request_invalid` for what is no cursor of ours. */
export const readCursor = <T extends z.ZodType>(cursor: string | undefined, schema: T): z.output<T> | null => {
  if (cursor === undefined) return null
  try {
    return schema.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()))
  } catch {
    throw new AppError('request_invalid', 'after must be the `next` of an earlier answer.')
  }
}

/** ISO 8601 in UTC. */
export const isoText = (column: string): string => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`

/** A range of instants, half-open. Throws `request_invalid` for one that is empty or too long. */
export const checkRange = ({ from, to }: { from: string; to: string }, daysMax: number): void => {
  const days = (Date.parse(to) - Date.parse(from)) / 86_400_000
  if (!(days > 0 && days <= daysMax))
    throw new AppError('request_invalid', `from must be before to, by at most ${daysMax} days.`)
}
export const instant = z.iso.datetime({ offset: true })
export const site = z.string().min(1).max(253)
