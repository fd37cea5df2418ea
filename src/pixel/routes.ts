import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Config } from '../config.ts'
import type { Db } from '../db.ts'
import type { App } from '../http.ts'
import type { Secret } from '../secret.ts'
import { readStaticFiles, type StaticFile, sendStatic, staticFolder } from '../static-files.ts'
import { demoRoutes } from './demo-routes.ts'

export type PixelDeps = {
  config: Pick<Config, 'DEMO' | 'DATABASE_URL' | 'DATA_DIR' | 'VAULT_DIR'>
  db: Db
  adminToken: Secret
  /** Where the build lies. */
  folder?: string
}

/** A file under a version never changes. */
const immutable = 'public, max-age=31536000, immutable'
/** The newest version may be an hour old in a browser, and is used while a newer one is fetched. */
const newest = 'public, max-age=3600, stale-while-revalidate=86400'
const checked = 'no-cache'

/** The demo shop may load and call only what is its own. It shows that the pixel needs no inline script. */
const shopPolicy = [
  "default-src 'none'",
  ...["script-src 'self'", "style-src 'self'", "img-src 'self'", "media-src 'self'", "connect-src 'self'"],
  ...["form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"],
].join('; ')

/**
 * Serves the pixel at `/js/tracking.js` and under its version, and, while DEMO is on, the demo shop at `/`. Everything is read
 * into memory once; nothing of a request reaches the file system.
 */
export const createPixelRoutes = (deps: PixelDeps) => {
  const files = readStaticFiles(deps.folder ?? staticFolder)
  const { config, db, adminToken } = deps
  const demo = config.DEMO ?? config.DATABASE_URL === undefined
  return {
    routes(app: App): void {
      if (demo) demoRoutes({ db, adminToken, dataDir: config.DATA_DIR, vaultDir: config.VAULT_DIR })(app)
      for (const [name, file] of files) {
        if (name.startsWith('/js/')) app.get(name, scriptHandler(name, file))
        else if (demo && name.startsWith('/demo/')) app.get(shopAddress(name), shopHandler(file))
      }
    },
  }
}

const scriptHandler = (name: string, file: StaticFile) => {
  const cacheControl = /^\/js\/v\d/.test(name) ? immutable : newest
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    // Any site may load it, and check its hash while doing so.
    void reply.header('access-control-allow-origin', '*').header('cross-origin-resource-policy', 'cross-origin')
    void reply.header('timing-allow-origin', '*')
    return sendStatic(request, reply, file, cacheControl)
  }
}

const shopHandler =
  (file: StaticFile) =>
  async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    void reply
      .header('content-security-policy', shopPolicy)
      .header('referrer-policy', 'strict-origin-when-cross-origin')
    return sendStatic(request, reply, file, checked)
  }

/** `/demo/index.html` is the shop's home page; other pages have no ending, other files lie under `/demo/`. */
const shopAddress = (name: string): string =>
  name === '/demo/index.html' ? '/' : name.endsWith('.html') ? name.slice('/demo'.length, -'.html'.length) : name
