import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** One file as it is answered: its bytes in every encoding, made once. */
export type StaticFile = {
  body: Buffer
  encoded: { br: Buffer; gzip: Buffer } | undefined
  contentType: string
  etag: string
}

const contentTypes: Record<string, string> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.pdf': 'application/pdf',
  '.webm': 'video/webm',
}
/** Files that are text gain from compression; the others are compressed already. */
const compressible = /\.(js|css|html|json|svg)$/

/** A folder of the build, found from the sources as well as from `dist/`. */
export const builtFolder = (name: string): string => path.join(import.meta.dirname, '../dist', name)
/** The pixel and the demo shop. */
export const staticFolder = builtFolder('static')

/** Reads a folder into memory, by path with a leading slash. A folder that was not built yet is empty. */
export const readStaticFiles = (folder: string): Map<string, StaticFile> => {
  const files = new Map<string, StaticFile>()
  if (!existsSync(folder)) return files
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const file = path.join(entry.parentPath, entry.name)
    files.set(`/${path.relative(folder, file).split(path.sep).join('/')}`, readStaticFile(file))
  }
  return files
}

const readStaticFile = (file: string): StaticFile => {
  const body = readFileSync(file)
  let encoded: StaticFile['encoded']
  return {
    body,
    // When it is first asked for: a start waits for nothing.
    get encoded() {
      if (compressible.test(file)) encoded ??= { br: brotliCompressSync(body), gzip: gzipSync(body, { level: 9 }) }
      return encoded
    },
    contentType: contentTypes[path.extname(file)] ?? 'application/octet-stream',
    etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`,
  }
}

/** Answers with a file: encoded as the browser takes it, not at all where it has it. Headers that were set stay. */
export const sendStatic = (
  request: FastifyRequest,
  reply: FastifyReply,
  file: StaticFile,
  cacheControl: string,
): FastifyReply => {
  void reply
    .header('content-type', file.contentType)
    .header('cache-control', cacheControl)
    .header('etag', file.etag)
    .header('x-content-type-options', 'nosniff')
  if (file.encoded) void reply.header('vary', 'Accept-Encoding')
  if (request.headers['if-none-match']?.includes(file.etag)) return reply.status(304).send()
  const accepted = `${request.headers['accept-encoding'] ?? ''}`
  for (const encoding of ['br', 'gzip'] as const)
    if (file.encoded && new RegExp(`\\b${encoding}\\b(?!;q=0(?![.]\\d*[1-9]))`).test(accepted))
      return reply.header('content-encoding', encoding).send(file.encoded[encoding])
  return sendBody(request, reply, file)
}

/** Films are asked for by range. */
const sendBody = (request: FastifyRequest, reply: FastifyReply, { body }: StaticFile): FastifyReply => {
  void reply.header('accept-ranges', 'bytes')
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
  if (!range) return reply.send(body)
  const start = Number(range[1])
  const end = Math.min(range[2] === '' ? body.length - 1 : Number(range[2]), body.length - 1)
  if (start > end) return reply.status(416).header('content-range', `bytes */${body.length}`).send()
  return reply
    .status(206)
    .header('content-range', `bytes ${start}-${end}/${body.length}`)
    .send(body.subarray(start, end + 1))
}
