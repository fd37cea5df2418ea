import type { FastifyReply, FastifyRequest } from 'fastify'
import type { App } from '../http.ts'
import { readStaticFiles, type StaticFile, sendStatic } from '../static-files.ts'

/** Our own scripts and styles and nothing else; no page may frame it, no form leaves it, no address is passed on. */
export const pageHeaders: Record<string, string> = {
  'content-security-policy': [
    "default-src 'none'",
    ...["script-src 'self'", "style-src 'self'", "img-src 'self' data: blob:", "connect-src 'self'"],
    ...["form-action 'none'", "base-uri 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"],
  ].join('; '),
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
}

/** Pieces of the script are named by their content. */
const isNamedByContent = /-[A-Z0-9]{8}\.js$/

/** The console's page and its files, read into memory once: nothing of a request reaches the file system. */
export const pageRoutes = (app: App, folder: string): void => {
  for (const [name, file] of readStaticFiles(folder))
    app.get(name === '/index.html' ? '/console/' : `/console${name}`, handler(name, file))
}

const handler = (name: string, file: StaticFile) => {
  const cacheControl = isNamedByContent.test(name) ? 'public, max-age=31536000, immutable' : 'no-cache'
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> =>
    sendStatic(request, reply.headers(pageHeaders), file, cacheControl)
}
