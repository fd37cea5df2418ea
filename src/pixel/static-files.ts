import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'

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

/** The build's folder, found from the sources as well as from `dist/`. */
export const staticFolder = path.join(import.meta.dirname, '../../dist/static')

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
  return {
    body,
    encoded: compressible.test(file) ? { br: brotliCompressSync(body), gzip: gzipSync(body, { level: 9 }) } : undefined,
    contentType: contentTypes[path.extname(file)] ?? 'application/octet-stream',
    etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`,
  }
}
